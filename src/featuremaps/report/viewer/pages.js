// Much of something, a page at a time: which part is shown, and the two buttons that turn the page.

import { h } from "featuremaps/dom.js";

// Where the page begins that holds this place, with so many on each.
export const pageStart = (place, size) => Math.floor(place / size) * size;

// `turn(start)` is called with the first place of the page asked for; `tell(start, size, total)` says which is shown.
export function pager(what, turn) {
  let shown = { start: 0, size: 1, total: 0 };
  const button = (words, by) => h("button", {
    type: "button", class: "open-all", "aria-label": `${words} ${what}`, onclick: () => {
      const next = shown.start + by * shown.size;
      if (next >= 0 && next < shown.total) turn(next);
    },
  }, words);
  const [back, on] = [button("Previous", -1), button("Next", 1)];
  const words = h("output", { class: "quiet", "aria-live": "polite" });
  const element = h("div", { class: "pager", role: "group", "aria-label": `Pages of ${what}`, hidden: true }, back, words, on);
  function tell(start, size, total) {
    shown = { start, size, total };
    element.hidden = total <= size;
    // A button that is disabled would lose the focus of whoever pressed it.
    back.setAttribute("aria-disabled", String(start <= 0));
    on.setAttribute("aria-disabled", String(start + size >= total));
    words.textContent = `${start + 1} to ${Math.min(start + size, total)} of ${total} ${what}`;
  }
  return { element, tell };
}
