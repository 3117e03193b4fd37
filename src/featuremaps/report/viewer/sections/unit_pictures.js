// One channel over many pictures: where it is strongest, and within its class from the strongest to the weakest.

import { failure, h } from "featuremaps/dom.js";
import { foundPicture } from "featuremaps/survey_pictures.js";

function rowOf([title, pictures], { unit, label }) {
  return h("div", { class: "found-unit" },
    h("p", { class: "found-head" }, title),
    h("ol", { class: "found-row wide", "aria-label": title }, pictures.map((one) => foundPicture(one, unit, { own: one.label === label }))));
}

function unitOf(one) {
  const heading = h("h3", { class: "walk-address" }, one.unit, one.label && h("span", { class: "pattern-remark" }, `best for ${one.label}`));
  if (one.failure) return h("article", { class: "found-class" }, heading, failure("This unit cannot be shown.", one.failure));
  return h("article", { class: "found-class" }, heading, Object.entries(one.rows).map((row) => rowOf(row, one)), h("p", { class: "found-words" }, one.words));
}

export async function render(section) {
  return h("div", { class: "unit-pictures" }, section.units.map(unitOf), h("p", { class: "caption" }, section.caption));
}
