// The maps of one picture as tables: methods down, layers across, a table per target where there are both. Maps of
// the input itself know no layers; they follow each other in a row that wraps.

import { breakable, failure, h } from "featuremaps/dom.js";
import { openMap } from "featuremaps/dialog.js";
import { createFigure } from "featuremaps/figure.js";
import { decode } from "featuremaps/grid.js";
import { methodName } from "featuremaps/names.js";

const INPUT = "input";
const distinct = (values) => [...new Set(values)];

// [{ caption, columns, rows, at(method, column) }]: with a single layer the targets stand beside each other.
function layout(maps) {
  const layers = distinct(maps.map((map) => map.layer));
  const targets = distinct(maps.map((map) => map.target));
  if (layers.length === 1 && targets.length > 1) return [{ kind: "target", fixed: ["layer", layers[0]], maps }];
  return targets.map((target) => ({ kind: "layer", fixed: ["target", target], maps: maps.filter((map) => map.target === target) }));
}

function captionOf([what, name]) {
  if (!name) return null;
  return h("caption", {}, what === "target" ? "Explains " : "Layer ", h("strong", {}, name));
}

function cellOf(data, picture, store, group, open) {
  if (!data) return { cell: h("td", { class: "blank" }, h("span", { "aria-label": "not asked for" }, "\u2013")), entry: null };
  if (data.failure !== null) return { cell: h("td", {}, failure("Failed", data.failure)), entry: null };
  const map = { ...data, grid: decode(data.map) };
  const entry = { map };
  entry.figure = createFigure({ picture, map, store, group, onopen: () => open(entry) });
  entry.figure.button.id = map.id;
  const warnings = map.warnings.map((text) => h("p", { class: "warning" }, text));
  const remarks = (map.remarks ?? []).map((text) => h("p", { class: "remark" }, text));
  if (warnings.length) entry.figure.button.append(h("span", { class: "badge" }, "Do not trust"));
  return { cell: h("td", {}, entry.figure.button, entry.figure.readout, warnings, remarks), entry };
}

function table({ kind, fixed, maps }, picture, store, group) {
  const columns = distinct(maps.map((map) => map[kind]));
  const matrix = [];
  const open = (entry) => {
    const row = matrix.findIndex((entries) => entries.includes(entry));
    openMap({ picture, matrix, store, compare: picture.compare, position: [row, matrix[row].indexOf(entry)] });
  };
  const rows = distinct(maps.map((map) => map.method)).map((method) => {
    const cells = columns.map((column) => {
      const data = maps.find((map) => map.method === method && map[kind] === column);
      return cellOf(data, picture, store, group, open);
    });
    matrix.push(cells.map(({ entry }) => entry));
    return h("tr", {}, h("th", { scope: "row" }, breakable(methodName(method))), cells.map(({ cell }) => cell));
  });
  const heads = columns.map((column) => h("th", { scope: "col" }, column ? breakable(column) : "\u2013"));
  const corner = h("td", { class: "corner" }, h("span", { class: "visually-hidden" }, `methods down, ${kind}s across`));
  return h("table", { class: "matrix", style: { "--columns": columns.length } },
    captionOf(fixed), h("thead", {}, h("tr", {}, corner, heads)), h("tbody", {}, rows));
}

// A table that is wider than the page scrolls inside its own box. Only then, because headings that stick to the top
// of the page cannot leave a box that scrolls.
function scroller(element) {
  const box = h("div", { class: "scroller" }, element);
  const measure = () => box.classList.toggle("scrolls", element.offsetWidth > box.clientWidth + 1);
  const watcher = new ResizeObserver(measure);
  watcher.observe(box);
  watcher.observe(element);
  return box;
}

// Pixel methods beside each other, each with its name above.
function strip(target, maps, picture, store, group) {
  const row = [];
  const open = (entry) => openMap({ picture, matrix: [row], store, compare: picture.compare, position: [0, row.indexOf(entry)] });
  const items = maps.map((data) => {
    const { cell, entry } = cellOf(data, picture, store, group, open);
    row.push(entry);
    return h("li", {}, h("p", { class: "method-name" }, breakable(methodName(data.method))), [...cell.childNodes]);
  });
  const words = ["Pixels of the input", target ? ", explains " : "", target ? h("strong", {}, target) : ""];
  return h("section", { class: "pixel-maps" }, h("p", { class: "pixel-caption" }, words), h("ul", {}, items));
}

export function renderMatrices(picture, store, group) {
  const ofLayers = picture.maps.filter((map) => map.layer !== INPUT);
  const ofPixels = picture.maps.filter((map) => map.layer === INPUT);
  const tables = layout(ofLayers).filter(({ maps }) => maps.length);
  return [
    ...tables.map((part) => scroller(table(part, picture, store, group))),
    ...distinct(ofPixels.map((map) => map.target)).map((target) =>
      strip(target, ofPixels.filter((map) => map.target === target), picture, store, group)),
  ];
}
