// A class's channels as its detector: the scores of pictures with and without it, and the ROC curve, in each domain.

import { drawChart } from "featuremaps/charts/draw.js";
import { h } from "featuremaps/dom.js";

function chartOf({ charts, datasets }, name) {
  const figure = h("figure", { class: "chart" });
  drawChart(figure, { ...charts[name], datasets });
  return figure;
}

function domainOf(section, { name, words }, place) {
  return h("div", { class: "detector-domain" },
    h("h4", {}, name),
    h("div", { class: "chart-pair" }, chartOf(section, `scores-${place}`), chartOf(section, `roc-${place}`)),
    h("p", { class: "found-words" }, words));
}

function detectorOf(section, one, index) {
  const count = one.channels.length;
  return h("article", { class: "detector" },
    h("h3", {}, one.label, h("span", { class: "pattern-remark" }, `${count} channel${count === 1 ? "" : "s"} of ${one.layer}${one.proven ? "" : ", not beyond chance"}`)),
    one.domains.map((domain, place) => domainOf(section, domain, `${index}-${place}`)));
}

export async function render(section) {
  return h("div", { class: "detectors" }, section.detectors.map((one, index) => detectorOf(section, one, index)), h("p", { class: "caption" }, section.caption));
}
