// The way through a report: parts by the question they answer, the one in view marked, and links that open what they name.

import { ADDRESS } from "featuremaps/compare.js";
import { h } from "featuremaps/dom.js";

export const SUMMARY = "summary";

// Neighbours with the same question stand in one list below it.
function grouped(parts) {
  const groups = [];
  for (const part of parts) {
    if (groups.at(-1)?.question !== part.question) groups.push({ question: part.question, parts: [] });
    groups.at(-1).parts.push(part);
  }
  return groups;
}

const linkTo = (id, words, count) => h("a", { href: `#${id}`, "data-count": count }, words);

// A side on wide screens, a menu on narrow ones.
export function navigation(parts, ...below) {
  const lists = grouped(parts).map(({ question, parts: own }) => [
    question && h("p", { class: "contents-question" }, question),
    h("ol", { "aria-label": question || "Parts" }, own.map(({ id, title, count }) => h("li", {}, linkTo(id, title, count))))]);
  const menu = h("details", { class: "side" }, h("summary", {}, "Contents"),
    h("nav", { class: "contents", "aria-label": "Contents" }, h("p", {}, linkTo(SUMMARY, "Summary")), lists, below));
  const wide = matchMedia("(min-width: 72rem)");
  const fit = () => (menu.open = wide.matches);
  wide.addEventListener("change", fit);
  fit();
  menu.addEventListener("click", ({ target }) => target.closest("a") && !wide.matches && (menu.open = false));
  follow(menu, [SUMMARY, ...parts.map(({ id }) => id)]);
  return menu;
}

// Marks the part that the reader is at.
function follow(menu, ids) {
  const inView = new Set();
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) isIntersecting ? inView.add(target.id) : inView.delete(target.id);
    const current = ids.find((id) => inView.has(id));
    if (!current) return;
    for (const link of menu.querySelectorAll("a")) {
      if (link.getAttribute("href") !== `#${current}`) link.removeAttribute("aria-current");
      else if (!link.hasAttribute("aria-current")) {
        link.setAttribute("aria-current", "true");
        if (menu.scrollHeight > menu.clientHeight) link.scrollIntoView({ block: "nearest" });
      }
    }
  }, { rootMargin: "-12% 0px -70% 0px" });
  requestAnimationFrame(() => ids.forEach((id) => document.getElementById(id) && observer.observe(document.getElementById(id))));
}

// A section that shows only some of what it has is asked for the rest: `reach`, with promises to wait for.
async function brought(part, id) {
  const detail = { place: Number(/^section-\d+-(\d+)/.exec(id)?.[1] ?? 0) - 1, wait: [] };
  part.element.querySelectorAll(".part-body > *").forEach((body) => body.dispatchEvent(new CustomEvent("reach", { detail })));
  await Promise.all(detail.wait);
}

// Bars that stick are measured once they are laid out; a page in the background has no frames to wait for.
const laidOut = () => new Promise((done) => {
  requestAnimationFrame(() => requestAnimationFrame(done));
  setTimeout(done, 150);
});

// Comes to a place: the part around it opens first. In a frame without an address a link would load the frame's parent.
export function followLinks(root, parts, compare) {
  async function reach(id, calm = matchMedia("(prefers-reduced-motion: reduce)").matches) {
    if (id.startsWith(ADDRESS)) return compare(...id.slice(ADDRESS.length).split(","));
    const part = parts.find((one) => id === one.id || id.startsWith(`${one.id}-`));
    await part?.open();
    if (part && !document.getElementById(id)) await brought(part, id);
    const place = document.getElementById(id);
    if (!place) return;
    // A map's address shows the map large, above its place.
    if (place.matches("button.map")) place.click();
    if (place.matches("button.map")) return;
    await laidOut();
    place.scrollIntoView({ behavior: calm ? "auto" : "smooth" });
    if (!place.hasAttribute("tabindex")) place.setAttribute("tabindex", "-1");
    place.focus({ preventScroll: true });
  }
  const framed = location.protocol === "about:";
  const here = () => decodeURIComponent(location.hash.slice(1));
  root.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const id = link.getAttribute("href").slice(1);
    if (!framed && id !== here()) history.pushState(null, "", `#${id}`);
    reach(id);
  });
  if (framed) return;
  addEventListener("popstate", () => reach(here() || SUMMARY));
  if (here()) reach(here(), true);
}
