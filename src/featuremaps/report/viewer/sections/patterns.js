// What units look for: for each its strongest real pictures, and beside them what was drawn of it.

import { digits, failure, h, plural } from "featuremaps/dom.js";

const named = (unit) => `unit-${unit.replaceAll(/[^\w.-]+/g, "-")}`;

function picture({ source, width, height }, alt) {
  return h("img", { src: source, alt, width, height, loading: "lazy" });
}

function realOf({ name, value, picture: whole, part }, unit, rank) {
  return h("li", { class: "pattern-real" },
    picture(part ?? whole, `${part ? "The part that " : ""}${unit}${part ? " sees of" : " in"} ${name}`),
    h("span", { class: "pattern-note" }, h("span", { class: "thumbnail-name", title: name }, name),
      h("span", { class: "tile-value" }, `${rank + 1}. ${digits(value ?? NaN)}`)));
}

function drawingOf({ unit, drawing, words, notes }) {
  if (!drawing) return null;
  return h("figure", { class: "pattern-drawing" },
    picture(drawing, `A picture made so that ${unit} is as strong as it gets`),
    h("figcaption", {}, h("span", { class: "pattern-made" }, "Drawn"), words && ` ${words}`, notes.map((note) => h("span", { class: "walk-under" }, note))));
}

function patternOf(pattern) {
  const heading = h("h3", { class: "walk-address", id: named(pattern.unit) }, pattern.unit, pattern.remark && h("span", { class: "pattern-remark" }, pattern.remark));
  if (pattern.failure) return h("article", { class: "pattern" }, heading, failure("This unit cannot be shown.", pattern.failure));
  const real = pattern.real.length
    ? h("ol", { class: "pattern-reals", "aria-label": `${plural(pattern.real.length, "real picture")}, strongest first` }, pattern.real.map((one, rank) => realOf(one, pattern.unit, rank)))
    : h("p", { class: "empty" }, "No real pictures were given.");
  return h("article", { class: "pattern" }, heading, h("div", { class: "pattern-row" }, real, drawingOf(pattern)));
}

export async function render(section) {
  if (!section.patterns.length) return h("p", { class: "empty" }, "No channels were asked for.");
  return h("div", { class: "patterns" },
    section.caption && h("p", { class: "caption" }, section.caption),
    section.patterns.map(patternOf));
}
