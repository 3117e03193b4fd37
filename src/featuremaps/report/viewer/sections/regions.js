// How a segmentation model divides each picture, and what each class rests on: its own region, another one, all else.

import { failure, h, percent } from "featuremaps/dom.js";
import { leftCell, share, signed } from "featuremaps/losses.js";

const chip = (colour) => h("span", { class: "region-chip", style: { "--chip": colour } });

function shown({ source, width, height }, alt, caption) {
  return h("figure", { class: "region-figure" },
    h("img", { src: source, alt, width, height, loading: "lazy" }),
    h("figcaption", {}, caption));
}

function rowOf(one, withMaps) {
  return h("tr", {},
    h("th", { scope: "row" }, chip(one.colour), h("span", {}, one.label, h("span", { class: "walk-under" }, `${percent(one.covers, 0)} of the picture`))),
    withMaps && h("td", { class: "region-map" }, one.map && h("img", { src: one.map.source, alt: `Where the picture speaks for ${one.label}`, width: one.map.width, height: one.map.height, loading: "lazy" })),
    leftCell(one.whole, null, "in its region"),
    leftCell(one.alone, one.whole, "without all else"),
    leftCell(one.without, one.whole, "without the region"));
}

function classesOf({ classes }) {
  const withMaps = classes.some(({ map }) => map);
  const head = (name, under) => h("th", { scope: "col" }, name, h("span", { class: "walk-under" }, under));
  return h("table", { class: "regions" },
    h("thead", {}, h("tr", {}, head("Class", "largest first"), withMaps && head("Map", "its region outlined"),
      head("In its region", "mean probability"), head("Without all else", "only the region is left"), head("Without the region", "all else is left"))),
    h("tbody", {}, classes.map((one) => rowOf(one, withMaps))));
}

function cell(lost, row, column, classes) {
  const words = `${classes[row].label} loses ${share(lost)} without ${classes[column].label}`;
  const tint = lost === null ? 0 : Math.min(1, Math.abs(lost));
  return h("td", { class: lost < 0 ? "gains" : "", style: { "--share": tint }, "aria-label": words, title: words },
    lost === null ? "" : Math.abs(lost) < 0.005 ? "0" : signed(lost));
}

function matrixOf({ classes }) {
  if (classes.length < 2) return "";
  return h("div", { class: "region-matrix", tabindex: 0, role: "region", "aria-label": "Class by region" },
    h("table", {},
      h("caption", {}, "What the class of a row loses in its region without the region of a column"),
      h("thead", {}, h("tr", {}, h("td", {}), classes.map(({ label, colour }) => h("th", { scope: "col" }, chip(colour), label)))),
      h("tbody", {}, classes.map((one, row) => h("tr", {},
        h("th", { scope: "row" }, chip(one.colour), one.label),
        one.lost.map((lost, column) => cell(lost, row, column, classes)))))));
}

function pictureOf(one) {
  if (one.failure) return failure(one.name ?? "A picture could not be shown.", one.failure);
  if (!one.classes.length) return h("article", { class: "region-picture" }, h("h3", {}, one.name), h("p", { class: "empty" }, "The model gives no place of this picture a class."));
  const rest = one.rest > 0.005 ? `Grey: other classes, ${percent(one.rest, 0)}.` : "Every place has one of these classes.";
  return h("article", { class: "region-picture" },
    h("h3", {}, one.name),
    h("div", { class: "region-pair" }, shown(one.seen, one.name, "As the model sees it"),
      shown(one.divided, `${one.name} divided: ${one.classes.map(({ label, covers }) => `${label} ${percent(covers, 0)}`).join(", ")}`,
        h("span", {}, one.classes.map(({ label, colour }) => h("span", { class: "region-key" }, chip(colour), label)), h("span", { class: "quiet" }, rest)))),
    h("div", { class: "region-tables" }, classesOf(one), matrixOf(one)));
}

export async function render(section) {
  return h("div", {}, section.pictures.map(pictureOf),
    h("p", { class: "caption" }, "A number is a class's mean probability over the places that the model gives it in the whole picture. What is taken out is filled "
      + "with what its surroundings lead to; a class that keeps its probability without its own region is told by what lies around it."));
}
