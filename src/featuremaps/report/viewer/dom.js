// Making elements and writing numbers. Text always goes in as text, so no name in a report can become markup.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

const MINUS = "\u2212";

// Three significant digits, short for very small and very large values: in columns and rows, where all are as long.
export function digits(value) {
  if (!Number.isFinite(value)) return "not a number";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size >= 99950 || size < 1e-3 ? value.toExponential(2) : size >= 999.5 ? value.toFixed(0) : value.toPrecision(3);
  return text.replaceAll("-", MINUS);
}

// The same without zeros at the end, for a number that stands alone.
export function number(value) {
  const text = digits(value);
  return text.includes("e") || !text.includes(".") ? text : text.replace(/\.?0+$/, "");
}

// Whole percents, halves to the even one: as Python writes them in the sentences beside.
export function wholePercent(share) {
  const value = 100 * share;
  const below = Math.floor(value);
  return String(value - below === 0.5 ? below + (below % 2) : Math.round(value));
}

export function percent(share, digits = 1) {
  if (share === null || !Number.isFinite(share)) return "unknown";
  const shown = digits ? (100 * share).toFixed(digits) : wholePercent(share);
  if (share > 0 && Number(shown) === 0) return `< ${(10 ** -digits).toFixed(digits)}%`;
  if (share < 1 && Number(shown) === 100) return `> ${(100 - 10 ** -digits).toFixed(digits)}%`;
  return `${shown}%`;
}

// File names, layer and method names may break after their punctuation, but not before a file's ending.
export function breakable(text) {
  return text.split(/(?<=[_./\\-])(?=\w)(?!\w{2,4}$)/).flatMap((piece, index) => (index ? [document.createElement("wbr"), piece] : [piece]));
}

// Names like demo-fixed stay on one line in a sentence, where they are short.
export function unbroken(text) {
  return text.split(/(\b\w{1,12}-\w{1,12}\b)/).map((piece, index) => (index % 2 ? h("span", { class: "unbroken" }, piece) : piece));
}

export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

// One polite live region a page: what a keyboard reader's cursor stands on.
export function announce(text) {
  let region = document.getElementById("announcements");
  if (!region) {
    region = h("div", { id: "announcements", class: "visually-hidden", role: "status", "aria-live": "polite" });
    document.body.append(region);
  }
  (document.querySelector("dialog[open]") ?? document.body).append(region);
  region.textContent = text;
}

// A panel that says what went wrong, in place of what should have been there.
export function failure(title, message) {
  return h("div", { class: "failure", role: "note" }, h("strong", {}, title), h("p", {}, message));
}
