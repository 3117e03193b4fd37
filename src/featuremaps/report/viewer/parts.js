// The parts of a report: closed until somebody comes to them, filled when they open or when the page has nothing to do.

import { breakable, failure, h } from "featuremaps/dom.js";

const idle = () => new Promise((resolve) => (window.requestIdleCallback ? requestIdleCallback(resolve, { timeout: 500 }) : setTimeout(resolve, 30)));

// `make()` gives what stands inside, once; where it fails, the part says so and nothing else suffers.
export function createPart({ id, title, make, question = "", summary = "", count = null, failed = false }) {
  const body = h("div", { class: "part-body" });
  const flag = h("span", { class: "part-failed", hidden: !failed }, "failed");
  const details = h("details", { class: "part" },
    h("summary", {}, h("div", { class: "part-heading" }, h("h2", { id: `${id}-title` }, breakable(title)), flag, summary && h("p", { class: "part-summary" }, summary))),
    body);
  const element = h("section", { id, "aria-labelledby": `${id}-title` }, details);
  let filled = null;
  const part = { id, title, question, count, element, details };
  part.fill = () => {
    filled ??= Promise.resolve().then(make)
      .catch((error) => {
        flag.hidden = false;
        return failure("This part could not be shown.", String(error));
      })
      .then((content) => body.replaceChildren(...[content].flat(Infinity).filter(Boolean)));
    return filled;
  };
  part.open = () => {
    details.open = true;
    return part.fill();
  };
  details.addEventListener("toggle", () => details.open && part.fill());
  return part;
}

// The others are filled one after another while nothing else is to be done, so that they open at once and print.
export async function fillAll(parts) {
  for (const part of parts) {
    await idle();
    await part.fill();
  }
}

// Paper shows everything, and the screen afterwards what it showed before. The numbers behind what is drawn are printed
// where a reader has opened them.
export function openForPrint(parts) {
  let closed = [];
  addEventListener("beforeprint", () => {
    const folded = [...document.querySelectorAll("details.folded:not(.numbers)")];
    closed = [...parts.map(({ details }) => details), ...folded].filter((details) => !details.open);
    for (const details of closed) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of closed) details.open = false;
  });
}

// Opens every part, or closes all of them again.
export function openAllButton(parts) {
  const button = h("button", { type: "button", class: "open-all", onclick: toggle }, "Open all parts");
  async function toggle() {
    const opening = parts.some(({ details }) => !details.open);
    if (opening) await Promise.all(parts.map((part) => part.open()));
    else for (const { details } of parts) details.open = false;
    show();
  }
  const show = () => (button.textContent = parts.every(({ details }) => details.open) ? "Close all parts" : "Open all parts");
  for (const { details } of parts) details.addEventListener("toggle", show);
  show();
  return button;
}
