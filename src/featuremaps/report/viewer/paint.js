// A map as colour: tables from the payload, a canvas of colours per map, and the picture under it.

import { bytes, isAgainst, scaled } from "featuremaps/grid.js";

let tables = new Map();

export function loadPalettes(palettes) {
  tables = new Map(palettes.map(({ name, diverging, colours }) => [name, { diverging, colours: bytes(colours) }]));
}

export function paletteNames(diverging) {
  return [...tables].filter(([, table]) => table.diverging === diverging).map(([name]) => name);
}

// The name of the colour table in use: signed values have their own.
export function activePalette(state) {
  return state.scale === "signed" ? state.diverging : state.sequential;
}

// How one map is looked at: one in which nothing speaks for its target signed, because cut off at zero it would be empty.
export function lookOf(map, state) {
  if (state.scale !== "max" || map.limits) return state;
  map.against ??= isAgainst(map.grid);
  return map.against ? { ...state, scale: "signed" } : state;
}

function canvasOf(width, height) {
  return Object.assign(document.createElement("canvas"), { width, height });
}

const GREY = 128;

// Fills `canvas` with the colours of a scaled grid, a pixel a cell.
function colourInto(canvas, grid, state, fade) {
  const { colours } = tables.get(activePalette(state));
  const signed = state.scale === "signed";
  Object.assign(canvas, { width: grid.width, height: grid.height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(grid.width, grid.height);
  const span = grid.high - grid.low;
  grid.values.forEach((value, index) => {
    const share = span > 0 ? (value - grid.low) / span : signed ? 0.5 : 0;
    // Which entry a share falls on is matplotlib's rule, so that saved pictures have the same colours.
    const entry = 3 * Math.min(255, Math.max(0, Math.floor(share * 256)));
    const known = Number.isFinite(value);
    // Clear where the map is weak, as strong as it gets from four fifths of its peak on: figures in Python do the same.
    const weight = Math.min(1, 1.25 * (signed ? Math.abs(2 * share - 1) : share));
    for (let part = 0; part < 3; part++) image.data[4 * index + part] = known ? colours[entry + part] : GREY;
    image.data[4 * index + 3] = fade && known ? Math.round(255 * weight) : 255;
  });
  context.putImageData(image, 0, 0);
}

// The map scaled for colouring. Maps that share their scale with others say between which values: `limits(state)`.
function shaded(map, height, width, state) {
  return { ...scaled(map.grid, height, width, state.scale), ...map.limits?.(state) };
}

// The map alone, a pixel a cell.
export function paintTile(canvas, map, shared) {
  const state = lookOf(map, shared);
  colourInto(canvas, shaded(map, map.grid.height, map.grid.width, state), state, false);
}

// The colours of a map for this state, kept until the state asks for others: a strength slider then costs one blend.
export function colours(map, picture, shared) {
  const state = lookOf(map, shared);
  const raw = state.view === "raw";
  const key = [state.scale, activePalette(state), raw || state.fade, raw, state.across].join(" ");
  if (map.painted?.key !== key) {
    const [height, width] = raw ? [map.grid.height, map.grid.width] : [picture.seen.height, picture.seen.width];
    const grid = shaded(map, Math.min(height, 1024), Math.min(width, 1024), state);
    const canvas = canvasOf(grid.width, grid.height);
    colourInto(canvas, grid, state, state.fade && !raw);
    map.painted = { key, canvas, low: grid.low, high: grid.high };
  }
  return map.painted;
}

// Where the model's view lies on the canvas, as shares of its width and height: all of it, or the placed box.
export function viewBox(picture, state) {
  if (!state.whole || !picture.original) return [0, 0, 1, 1];
  const { width, height } = picture.original;
  const [left, top, right, bottom] = picture.placement;
  return [left / width, top / height, right / width, bottom / height];
}

export function background(picture, state) {
  return state.whole && picture.original ? picture.original : picture.seen;
}

// The picture, the map, or one over the other; at least `least` pixels on the longer side.
export function paint(canvas, picture, map, state, least) {
  const base = background(picture, state);
  const factor = Math.max(1, Math.ceil(least / Math.max(base.width, base.height)));
  const shrink = Math.min(1, 1024 / Math.max(base.width, base.height));
  canvas.width = Math.max(1, Math.round(base.width * factor * shrink));
  canvas.height = Math.max(1, Math.round(base.height * factor * shrink));
  const context = canvas.getContext("2d");
  context.drawImage(base.image, 0, 0, canvas.width, canvas.height);
  if (!map || state.view === "original") return;
  const [left, top, right, bottom] = viewBox(picture, state);
  const raw = state.view === "raw";
  const partial = base !== picture.seen;
  if (state.fade && !raw) pale(context, canvas, state.strength);
  if (partial) veil(context, canvas, [left, top, right, bottom]);
  const heat = colours(map, picture, state).canvas;
  context.save();
  context.imageSmoothingEnabled = !raw;
  context.globalAlpha = raw ? 1 : state.strength;
  // A flipped view has its right end on the left; the transform then mirrors the map with it.
  context.translate(left * canvas.width, top * canvas.height);
  context.scale(((right - left) * canvas.width) / heat.width, ((bottom - top) * canvas.height) / heat.height);
  context.drawImage(heat, 0, 0);
  context.restore();
}

// Takes three fifths of its colour from the photograph and none of its light, so that the map's colours stand out.
function pale(context, canvas, strength) {
  context.save();
  context.globalCompositeOperation = "saturation";
  context.globalAlpha = 0.6 * Math.min(1, strength / 0.7);
  context.fillStyle = "#808080";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.restore();
}

// Dims what the model did not see.
function veil(context, canvas, [left, top, right, bottom]) {
  context.save();
  context.beginPath();
  context.rect(0, 0, canvas.width, canvas.height);
  const [x, y] = [Math.min(left, right) * canvas.width, Math.min(top, bottom) * canvas.height];
  context.rect(x, y, Math.abs(right - left) * canvas.width, Math.abs(bottom - top) * canvas.height);
  context.fillStyle = "rgb(0 0 0 / 45%)";
  context.fill("evenodd");
  context.restore();
}

// A strip of the whole colour table, low to high.
export function paletteStrip(name) {
  const { colours: table } = tables.get(name);
  const canvas = canvasOf(256, 1);
  const context = canvas.getContext("2d");
  const image = context.createImageData(256, 1);
  for (let index = 0; index < 256; index++) {
    image.data.set([table[3 * index], table[3 * index + 1], table[3 * index + 2], 255], 4 * index);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
