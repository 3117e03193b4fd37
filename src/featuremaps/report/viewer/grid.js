// A map as numbers: decoding, enlarging, scaling and putting it into words. No colour and no page here.

const TYPES = { int8: Int8Array, uint8: Uint8Array, int16: Int16Array, uint16: Uint16Array };

export function bytes(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

export function decode({ dtype, height, width, scale, missing, integers }) {
  const stored = new TYPES[dtype]((typeof integers === "string" ? bytes(integers) : integers).buffer);
  const values = Float64Array.from(stored, (step) => (missing !== null && step === missing ? NaN : step * scale));
  return { height, width, values, bits: 8 * stored.BYTES_PER_ELEMENT };
}

// Whether nothing in a map is above zero and something below.
export function isAgainst({ values }) {
  let below = false;
  for (const value of values) {
    if (value > 0) return false;
    below ||= value < 0;
  }
  return below;
}

export function valueAt(grid, row, column) {
  return grid.values[row * grid.width + column];
}

// For each output pixel the two source cells and the weight of the second; pixel centres lie at a half.
function weights(from, to) {
  return Array.from({ length: to }, (_, index) => {
    const position = Math.min(Math.max(((index + 0.5) * from) / to - 0.5, 0), from - 1);
    const first = Math.floor(position);
    return [first, Math.min(first + 1, from - 1), position - first];
  });
}

// Bilinear, half-pixel centres, edges repeated.
export function resample(grid, height, width) {
  const across = weights(grid.width, width);
  const values = new Float64Array(height * width);
  let next = 0;
  for (const [top, bottom, down] of weights(grid.height, height)) {
    const upper = top * grid.width;
    const lower = bottom * grid.width;
    for (const [left, right, over] of across) {
      const above = grid.values[upper + left] * (1 - over) + grid.values[upper + right] * over;
      const below = grid.values[lower + left] * (1 - over) + grid.values[lower + right] * over;
      values[next++] = above * (1 - down) + below * down;
    }
  }
  return { height, width, values };
}

export function extremes(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 0];
}

// Enlarged to height × width and scaled for colouring: `low` and `high` are the raw values at the two ends of the
// colour table. "max" cuts negative values off before enlarging, so that they cannot pull their neighbours down.
export function scaled(grid, height, width, scale) {
  const source = scale === "max" ? { ...grid, values: grid.values.map((value) => (value < 0 ? 0 : value)) } : grid;
  const same = height === grid.height && width === grid.width;
  const large = same ? source : resample(source, height, width);
  const [least, most] = extremes(large.values);
  if (scale === "minmax") return { ...large, low: least, high: most };
  const reach = Math.max(Math.abs(least), Math.abs(most));
  return { ...large, low: scale === "signed" ? -reach : 0, high: reach };
}

const THIRDS = [["upper left", "top", "upper right"], ["left", "centre", "right"], ["lower left", "bottom", "lower right"]];

export function peak(grid) {
  let best = -1;
  grid.values.forEach((value, index) => {
    if (Number.isFinite(value) && (best < 0 || value > grid.values[best])) best = index;
  });
  return best < 0 ? null : { row: Math.floor(best / grid.width), column: best % grid.width, value: grid.values[best] };
}

// Where the map is strongest and how much of it is, in a sentence.
export function inWords(grid, number) {
  const top = peak(grid);
  const size = `${grid.height} by ${grid.width} cells`;
  if (!top) return `No finite value in its ${size}.`;
  if (top.value <= 0) return `No positive value in its ${size}; the largest is ${number(top.value)}.`;
  const place = THIRDS[Math.floor(((top.row + 0.5) / grid.height) * 3)][Math.floor(((top.column + 0.5) / grid.width) * 3)];
  const strong = grid.values.filter((value) => value > top.value / 2).length / grid.values.length;
  return `Strongest at the ${place}, ${number(top.value)}; ${Math.round(100 * strong)}% of its ${size} exceed half of that.`;
}
