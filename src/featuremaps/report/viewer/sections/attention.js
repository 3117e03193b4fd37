// What every attention head looks at: a row a layer, the mean of its heads first, each opens large over the picture.

import { colourControl, displayMenu, measured, scaleControl } from "featuremaps/controls.js";
import { breakable, failure, h, plural } from "featuremaps/dom.js";
import { sharedLegend } from "featuremaps/legend.js";
import { load, pictureStrip } from "featuremaps/pictures.js";
import { unpack } from "featuremaps/sprite.js";
import { createStore, displayState } from "featuremaps/store.js";
import { createBoard } from "featuremaps/tiles.js";

const share = (value) => (value === null ? "" : `${Math.round(100 * value)} %`);
const nameOf = (index) => (index === 0 ? "mean of the heads" : `head ${index - 1}`);

function mapOf(layer, index, sprite) {
  let grid = null;
  return {
    method: nameOf(index),
    layer: layer.layer,
    get grid() {
      return (grid ??= sprite.grid(index));
    },
    limits: () => null,
    facts: [["Attention to patches", share(layer.shares[index])], ["Places", layer.size.join(" \u00d7 ")]],
  };
}

// One layer: its address, and the tiles of its heads.
function layerRow(layer, sprite, board) {
  const tiles = layer.shares.map((value, index) => {
    const label = `${layer.layer}, ${nameOf(index)}, ${share(value)} of its attention to patches`;
    const name = h("span", { class: "tile-name" }, index === 0 ? "mean" : String(index - 1));
    return board.add(mapOf(layer, index, sprite), label, [name, h("span", { class: "tile-value" }, share(value))]);
  });
  const style = { "--ratio": sprite.width / sprite.height };
  const row = h("section", { class: "attention-layer" },
    h("h3", { class: "attention-name" }, breakable(layer.layer)),
    h("div", { class: "tiles", role: "group", "aria-label": `Heads of ${layer.layer}`, style }, tiles.map((tile) => tile.button)));
  return { row, tiles };
}

function captionOf({ query, notes }) {
  return [
    h("p", { class: "caption" },
      `What each head attends to, ${query}. Each map by its own scale; beside it, how much of the attention goes to patches: `,
      "the rest goes to class, register and other tokens."),
    notes.map((note) => h("p", { class: "caption attention-note" }, note)),
  ];
}

export async function render(section, { rejected }) {
  if (!section.pictures.length) {
    const why = rejected.length ? ` ${plural(rejected.length, "picture was", "pictures were")} rejected; the reasons are below.` : "";
    return h("p", { class: "empty" }, `There is no picture whose attention could be shown.${why}`);
  }
  const store = createStore({ ...displayState(section.display), across: "map" });
  const stage = h("div", { class: "attention-stage" });
  let rows = [];
  let at = null;
  const board = createBoard({ store, rows: () => rows.map(({ tiles }) => tiles) });

  async function show(index) {
    at = index;
    const picture = section.pictures[index];
    if (picture.failure) return stage.replaceChildren(failure(`${picture.name} could not be shown.`, picture.failure));
    const [image, ...sprites] = await Promise.all([load(picture.seen), ...picture.layers.map((layer) => unpack(layer.sprite))]);
    if (at !== index) return;
    board.start({ name: picture.name, original: null, seen: image });
    rows = picture.layers.map((layer, number) => layerRow(layer, sprites[number], board));
    board.restart(rows[0]?.tiles[0]);
    stage.replaceChildren(...rows.map(({ row }) => row));
  }
  await show(0);
  const tools = h("div", { class: "toolbar", role: "group", "aria-label": "How the maps are shown" },
    sharedLegend(store), displayMenu(scaleControl(store), colourControl(store)));
  return h("div", { class: "attention" }, pictureStrip(section.pictures, show), measured(tools), captionOf(section), stage);
}
