// A walk through the layers of a model for one picture: the curve of sparsity, and a row for each layer.

import { measured } from "featuremaps/controls.js";
import { createCurve } from "featuremaps/curve.js";
import { failure, h, plural } from "featuremaps/dom.js";
import { load, pictureStrip } from "featuremaps/pictures.js";
import { unpack } from "featuremaps/sprite.js";
import { createStore, displayState } from "featuremaps/store.js";
import { createBoard } from "featuremaps/tiles.js";
import { createTable } from "featuremaps/walk_table.js";

const FEW = 12;

// Neighbouring layers whose addresses begin alike belong together; the fewest parts of an address that tell apart
// at least four stretches are compared.
export function grouping(layers) {
  const keyAt = (depth) => ({ layer }) => layer.split(".").slice(0, depth).join(".");
  const stretches = (keyOf) => layers.filter((layer, index) => !index || keyOf(layer) !== keyOf(layers[index - 1])).length;
  const depth = [1, 2, 3, 4].find((parts) => stretches(keyAt(parts)) >= 4) ?? 4;
  return keyAt(depth);
}

function groupsOf(layers, keyOf) {
  const groups = [];
  for (const layer of layers) {
    const key = keyOf(layer);
    if (groups.at(-1)?.key === key) groups.at(-1).layers.push(layer);
    else groups.push({ key, layers: [layer] });
  }
  return groups;
}

function controls(layers, state, change) {
  const types = [...new Set(layers.map(({ type }) => type))].filter(Boolean);
  const count = (type) => layers.filter((layer) => layer.type === type).length;
  const search = h("input", { type: "search", class: "search", placeholder: "part of an address", oninput: () => change({ text: search.value }) });
  const kinds = h("select", { onchange: () => change({ type: kinds.value }) },
    h("option", { value: "" }, `all ${layers.length} layers`),
    types.map((type) => h("option", { value: type }, `${type} (${count(type)})`)));
  const all = h("input", { type: "checkbox", onchange: () => change({ open: all.checked }) });
  return measured(h("div", { class: "toolbar", role: "group", "aria-label": "Which layers are shown" },
    types.length > 1 && h("label", { class: "choice" }, h("span", {}, "Show"), kinds),
    h("label", { class: "choice" }, h("span", {}, "Find"), search),
    layers.length > FEW && h("label", { class: "tick" }, all, h("span", {}, "Every layer, not one a block"))));
}

// Curve, controls and rows of one picture; its parts share which layers are shown and which one is pointed at.
function createWalk(layers, board, caption) {
  const keyOf = grouping(layers);
  const groups = layers.length > FEW ? groupsOf(layers, keyOf) : layers.map((layer) => ({ key: layer.layer, layers: [layer] }));
  const table = createTable(groups, board, (layer) => curve.mark(layer));
  const curve = createCurve({ groupOf: keyOf, onpoint: table.highlight, onchoose: table.reveal });
  const nothing = h("p", { class: "empty", hidden: true });
  let state = { text: "", type: "", open: false };
  const matches = ({ layer, type }) =>
    (!state.type || type === state.type) && layer.toLowerCase().includes(state.text.trim().toLowerCase());
  function change(next) {
    state = { ...state, ...next };
    const filtered = state.text.trim() !== "" || state.type !== "";
    const wanted = filtered ? layers.filter(matches) : layers;
    table.show(filtered ? new Set(wanted) : null, state.open);
    curve.show(wanted);
    nothing.hidden = wanted.length > 0;
    nothing.textContent = `No layer has \u201c${state.text.trim()}\u201d in its address${state.type ? ` and is of type ${state.type}` : ""}.`;
    table.element.hidden = !wanted.length;
  }
  change({});
  return { parts: [curve.element, caption, controls(layers, state, change), table.element, nothing], rows: table.rows };
}

function captionOf({ ranked_by: rank }) {
  return h("p", { class: "caption" },
    `Lines join the layers that have zeros; the others, such as convolutions, are small dots. A silent channel is zero everywhere. Strongest maps by ${rank}: each is scaled by itself, from 0 to its maximum, and has its channel number and ${rank} below it.`);
}

export async function render(section, { rejected }) {
  if (!section.pictures.length) {
    const why = rejected.length ? ` ${plural(rejected.length, "picture was", "pictures were")} rejected; the reasons are below.` : "";
    return h("p", { class: "empty" }, `There is no picture to walk through the layers with.${why}`);
  }
  const store = createStore(displayState({ colormap: section.colormap, strength: 0.5, scale: "max" }));
  const stage = h("div", { class: "walk-stage" });
  let walk = null;
  let latest = null;
  const board = createBoard({ store, rows: () => walk?.rows() ?? [] });

  async function content(data) {
    if (data.failure) return [failure(`${data.name} could not be shown.`, data.failure)];
    if (!data.layers.length) return [h("p", { class: "empty" }, "No layer of this model gives maps.")];
    const unpacked = data.layers.map((layer) => layer.sprite && unpack(layer.sprite));
    const [image, ...sprites] = await Promise.all([load(data.seen), ...unpacked]);
    if (latest !== data) return null;
    board.start({ name: data.name, original: null, seen: image });
    walk = createWalk(data.layers.map((layer, index) => ({ ...layer, sprite: sprites[index] })), board, captionOf(section));
    return walk.parts;
  }
  async function show(index) {
    latest = section.pictures[index];
    const data = latest;
    walk = null;
    const parts = await content(data).catch((error) => [failure(`${data.name} could not be shown.`, String(error))]);
    if (parts && latest === data) stage.replaceChildren(...parts);
  }
  await show(0);
  return h("div", { class: "layer-walk" }, pictureStrip(section.pictures, show), stage);
}
