// The grey levels of a PNG, read without a canvas: private windows blur what a canvas gives back.

import { bytes } from "featuremaps/grid.js";
import { inflate } from "featuremaps/unpack.js";

const SIGNATURE = 8;

// The size and the compressed data out of a file's chunks: length, kind, content, checksum.
function chunks(file) {
  const view = new DataView(file.buffer);
  const found = { data: [] };
  for (let at = SIGNATURE; at < file.length; ) {
    const length = view.getUint32(at);
    const kind = String.fromCharCode(...file.subarray(at + 4, at + 8));
    if (kind === "IHDR") Object.assign(found, { width: view.getUint32(at + 8), height: view.getUint32(at + 12), depth: file[at + 16], colour: file[at + 17], interlaced: file[at + 20] });
    if (kind === "IDAT") found.data.push(file.subarray(at + 8, at + 8 + length));
    at += length + 12;
  }
  return found;
}

// Of left, above and upper left the one nearest to left + above − upper left.
function paeth(left, above, corner) {
  const [a, b, c] = [Math.abs(above - corner), Math.abs(left - corner), Math.abs(left + above - 2 * corner)];
  return a <= b && a <= c ? left : b <= c ? above : corner;
}

const FILTERS = [() => 0, (left) => left, (left, above) => above, (left, above) => (left + above) >> 1, paeth];

// Each row of the data begins with the number of the filter that its bytes were predicted with.
function unfiltered(data, width, height) {
  const greys = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    const predict = FILTERS[data[row * (width + 1)]];
    const [from, to] = [row * (width + 1) + 1, row * width];
    for (let column = 0; column < width; column++) {
      const left = column ? greys[to + column - 1] : 0;
      const above = row ? greys[to + column - width] : 0;
      const corner = column && row ? greys[to + column - width - 1] : 0;
      greys[to + column] = data[from + column] + predict(left, above, corner);
    }
  }
  return greys;
}

// { width, height, greys } of a `data:` URI that holds an eight-bit grey PNG.
export async function greyLevels(uri) {
  const { width, height, depth, colour, interlaced, data } = chunks(bytes(uri.slice(uri.indexOf(",") + 1)));
  if (depth !== 8 || colour !== 0 || interlaced) throw new Error("A sprite of maps must be an eight-bit grey PNG.");
  return { width, height, greys: unfiltered(await inflate(data), width, height) };
}
