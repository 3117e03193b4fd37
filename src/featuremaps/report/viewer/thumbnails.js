// Pictures small under the first method's map at its last layer, if nothing speaks against it: the way to each of them.

import { breakable, h, percent } from "featuremaps/dom.js";
import { decode } from "featuremaps/grid.js";
import { paint } from "featuremaps/paint.js";
import { load } from "featuremaps/pictures.js";
import { isRight } from "featuremaps/verdict.js";

const SIDE = 192;
const drawers = new Map();
const observer = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) if (isIntersecting) drawers.get(target)?.();
}, { rootMargin: "300px" });

function telling({ maps }) {
  const trusted = (maps ?? []).filter(({ failure, warnings }) => failure === null && !warnings.length);
  return trusted.findLast(({ method }) => method === trusted[0].method) ?? null;
}

function verdictOf(picture) {
  const said = picture.top?.[0];
  if (!said) return null;
  const right = isRight(picture);
  return [
    h("span", { class: "thumbnail-said", title: said.label }, h("span", {}, said.label), said.probability !== null && [" ", h("span", { class: "thumbnail-share" }, percent(said.probability, 0))]),
    right === null ? null : h("span", { class: right ? "called right" : "called wrong" }, right ? "right" : `wrong: is ${picture.label}`),
  ];
}

export function thumbnail(picture, address, store) {
  const canvas = h("canvas", { "aria-hidden": "true", width: 1, height: 1 });
  const face = picture.seen ? canvas : h("span", { class: "no-thumbnail" });
  const map = telling(picture);
  const shown = map && { ...map, grid: null };
  let seen = null;
  const draw = async () => {
    if (!picture.seen) return;
    seen ??= { ...picture, seen: await load(picture.seen), original: null };
    if (shown) shown.grid ??= decode(map.map);
    paint(canvas, seen, shown, { ...store.get(), view: store.get().view === "raw" ? "overlay" : store.get().view, whole: false }, SIDE);
    canvas.classList.add("drawn");
  };
  const element = h("li", {}, h("a", { href: `#${address}` }, face, h("span", { class: "thumbnail-name", title: picture.name }, breakable(picture.name)), verdictOf(picture)));
  drawers.set(face, draw);
  observer.observe(face);
  store.subscribe(() => canvas.classList.contains("drawn") && requestAnimationFrame(draw));
  addEventListener("beforeprint", draw);
  return element;
}
