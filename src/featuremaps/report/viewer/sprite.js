// Many small maps in one picture: unpacked once, then handed out as grids of raw values.

import { extremes } from "featuremaps/grid.js";
import { greyLevels } from "featuremaps/png.js";

// { count, grid(index), limits } of a sprite from the payload.
export async function unpack({ png, count, height, width, zero, missing, scales }) {
  const { greys } = await greyLevels(png);
  const size = height * width;
  const grid = (index) => {
    const steps = greys.subarray(index * size, (index + 1) * size);
    const values = Float64Array.from(steps, (grey) => (missing !== null && grey === missing ? NaN : (grey - zero) * scales[index]));
    return { height, width, values };
  };
  let ends = null;
  // Lowest and highest value of all maps, looked for when first asked.
  const range = () => {
    if (ends) return ends;
    ends = [Infinity, -Infinity];
    for (let index = 0; index < count; index++) {
      const [low, high] = extremes(grid(index).values);
      ends = [Math.min(ends[0], low), Math.max(ends[1], high)];
    }
    return ends;
  };
  return { count, grid, limits: (state) => limitsOf(range(), state.scale) };
}

// The values at the two ends of the colours when all maps share them.
function limitsOf([low, high], scale) {
  if (scale === "minmax") return { low, high };
  const reach = Math.max(Math.abs(low), Math.abs(high));
  return scale === "signed" ? { low: -reach, high: reach } : { low: 0, high: Math.max(0, high) };
}
