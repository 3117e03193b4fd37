// Text for the clipboard, by a button that says how it went.

export async function copyText(text, source, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // No clipboard here (an old browser, a sandboxed frame): the text is shown and selected, one key press is left.
    source.hidden = false;
    getSelection().selectAllChildren(source);
    button.textContent = "Selected: press Ctrl+C";
  }
}
