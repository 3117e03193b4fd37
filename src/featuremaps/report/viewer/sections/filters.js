// The filters of a layer: each as a picture of its weights, with the frequencies it lets pass and its norm.

import { select } from "featuremaps/controls.js";
import { digits, failure, h, number, plural } from "featuremaps/dom.js";
import { paintTile } from "featuremaps/paint.js";
import { load } from "featuremaps/pictures.js";
import { unpack } from "featuremaps/sprite.js";
import { displayState } from "featuremaps/store.js";

const SORTS = { number: "number", norm: "norm" };

function weightsOf(tile, sheet) {
  const [left, top, width, height] = tile.box;
  const canvas = h("canvas", { role: "img", "aria-label": `Weights of filter ${tile.number}`, width, height, style: { "--ratio": width / height } });
  canvas.getContext("2d").drawImage(sheet, left, top, width, height, 0, 0, width, height);
  return canvas;
}

function responseOf(tile, responses, state) {
  const grid = responses.grid(tile.response);
  const canvas = h("canvas", { role: "img", "aria-label": `Frequency response of filter ${tile.number}`, style: { "--ratio": grid.width / grid.height } });
  paintTile(canvas, { grid }, state);
  return canvas;
}

function marksOf({ dead, twin, likeness }) {
  return [
    dead && h("span", { class: "mark" }, "dead"),
    twin !== null && h("span", { class: "mark", title: likeness === null ? "" : `cosine similarity ${number(likeness)}` }, `like ${twin}`),
  ];
}

function itemOf(tile, { sheet, responses, state }) {
  const facts = h("span", { class: "filter-facts" }, h("span", { class: "tile-name" }, String(tile.number)), h("span", { class: "tile-value" }, `norm ${digits(tile.norm ?? NaN)}`), marksOf(tile));
  if (tile.failure !== null) return h("li", { class: "filter" }, failure(`Filter ${tile.number}`, tile.failure), facts);
  const pair = [weightsOf(tile, sheet), tile.response !== null && responses && responseOf(tile, responses, state)];
  return h("li", { class: "filter" }, h("div", { class: "filter-pair" }, pair), facts);
}

function captionOf({ layer, shape, scaling, tiles, responses, shown_of: all }) {
  const dead = tiles.filter((tile) => tile.dead).length;
  const alike = tiles.filter((tile) => tile.twin !== null).length;
  const shown = all !== null && all > tiles.length ? `${tiles.length} of ${all} filters` : plural(tiles.length, "filter");
  return h("p", { class: "caption" },
    h("strong", {}, `${shown} of ${layer}`), shape && ` (${shape})`, `. ${scaling}${/[.!?]$/.test(scaling) ? "" : "."}`,
    responses && " Beside each its frequency response, lowest frequencies in the middle, each scaled by itself from 0 to its maximum.",
    ` ${dead ? `${dead} dead` : "None dead"}, ${alike ? `${alike} much like another` : "none much like another"}.`);
}

function ordered(tiles, sort) {
  const norm = ({ norm: value }) => value ?? -Infinity;
  return tiles.map((_, index) => index).sort((a, b) => (sort === "norm" && norm(tiles[a]) !== norm(tiles[b]) ? norm(tiles[b]) - norm(tiles[a]) : a - b));
}

export async function render(section) {
  if (!section.tiles.length) return h("p", { class: "empty" }, "No layer of this model has filters that can be shown.");
  const [sheet, responses] = await Promise.all([
    section.sheet && load({ source: section.sheet }),
    section.responses && unpack(section.responses),
  ]);
  const state = displayState({ colormap: section.colormap, strength: 1, scale: "max" });
  const items = section.tiles.map((tile) => itemOf(tile, { sheet: sheet?.image, responses, state }));
  const list = h("ol", { class: "filters", "aria-label": `Filters of ${section.layer}` }, items);
  const sorting = select("Sort by", Object.entries(SORTS), "number", (sort) =>
    list.replaceChildren(...ordered(section.tiles, sort).map((index) => items[index])));
  return h("div", {}, captionOf(section), h("div", { class: "toolbar" }, sorting), list);
}
