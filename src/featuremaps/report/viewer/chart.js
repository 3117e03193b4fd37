// A small chart: axes, marks, and a reader that follows the pointer or the arrow keys from one spot to the next.

import { h } from "featuremaps/dom.js";

const FRAME = { left: 52, right: 14, top: 14, bottom: 38 };
const LETTER = 6.8;
// Taken from the parser, so that the file holds no address at all, not even a name space's.
const SPACE = new DOMParser().parseFromString("<svg></svg>", "text/html").body.firstChild.namespaceURI;

export function s(tag, attributes, ...children) {
  const element = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) element.setAttribute(name, value);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Round numbers, about `count` of them, from low to high.
export function ticks(low, high, count = 4) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((part) => part * power).find((size) => size >= rough);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(Number((i * step).toPrecision(12)));
  return found;
}

// A range with a little air, that is never empty.
export function spread(values, air = 0.05) {
  const known = values.filter((value) => Number.isFinite(value));
  if (!known.length) return [0, 1];
  const low = known.reduce((a, b) => Math.min(a, b));
  const high = known.reduce((a, b) => Math.max(a, b));
  const margin = (high - low || Math.abs(high) || 1) * air;
  return [low - margin, high + margin];
}

const SHAPES = ["circle", "triangle", "square", "diamond"];

// A mark at a place; series differ in colour, and after seven of them in shape.
export function mark(series, x, y, r = 3, more = "") {
  const look = series === null ? "series-other" : `series-${series % 7}`;
  const shape = SHAPES[series === null ? 0 : Math.floor(series / 7) % 4];
  const attributes = { class: `mark-dot ${look} ${more}` };
  if (shape === "circle") return s("circle", { ...attributes, cx: x, cy: y, r });
  if (shape === "square") return s("rect", { ...attributes, x: x - r, y: y - r, width: 2 * r, height: 2 * r });
  const corners = shape === "triangle" ? [[0, -r], [r, r], [-r, r]] : [[0, -r - 1], [r + 1, 0], [0, r + 1], [-r - 1, 0]];
  return s("polygon", { ...attributes, points: corners.map(([dx, dy]) => `${x + dx},${y + dy}`).join(" ") });
}

export function keys(entries) {
  return h("p", { class: "chart-keys" }, entries.map(({ name, look }) => h("span", { class: `chart-key ${look}` }, name)));
}

function axes({ x, y, width, height }, place) {
  const bottom = height - FRAME.bottom;
  const middle = (FRAME.left + width - FRAME.right) / 2;
  const crowded = touching(x.ticks, place);
  return [
    y.ticks.map(({ at, text }) => [
      s("line", { class: "curve-rule", x1: FRAME.left, x2: width - FRAME.right, y1: place.y(at), y2: place.y(at) }),
      s("text", { class: "curve-text", x: FRAME.left - 7, y: place.y(at) + 4, "text-anchor": "end" }, text),
    ]),
    s("line", { class: "chart-axis", x1: FRAME.left, x2: width - FRAME.right, y1: bottom, y2: bottom }),
    x.ticks.map(({ at, text }, index) => s("text", { class: "curve-text", x: place.x(at), y: bottom + (crowded && index % 2 ? 29 : 15), "text-anchor": "middle" }, text)),
    x.title && !crowded && s("text", { class: "curve-text", x: middle, y: height - 4, "text-anchor": "middle" }, x.title),
  ];
}

// Whether neighbours on the axis would run into each other on one line.
function touching(all, place) {
  return all.slice(1).some(({ at, text }, index) => place.x(at) - place.x(all[index].at) < ((text.length + all[index].text.length) / 2 + 1) * LETTER);
}

const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity };

// `marks(place)` gives what is drawn; `spots` are { x, y, text }, in the order in which keys walk through them.
// `along` reads the spot nearest from left to right alone, as for a curve. `rest` is said when nothing is pointed at.
export function createChart({ label, x, y, marks, spots, rest = "", along = false, height = 240 }) {
  let place = null;
  let at = null;
  const holder = h("div", { class: "chart-holder", style: { "min-height": `${height}px` } });
  const reader = h("div", { class: "curve-reader", role: "slider", tabindex: 0, "aria-label": label, "aria-valuemin": 1, "aria-valuemax": spots.length });
  const readout = h("p", { class: "chart-readout" }, rest);

  function point(index) {
    const spot = index === null ? null : spots[index];
    at = spot ? index : null;
    const cursor = holder.querySelector(".chart-cursor");
    cursor?.setAttribute("visibility", spot ? "visible" : "hidden");
    if (spot && place) {
      cursor?.setAttribute("cx", place.x(spot.x));
      cursor?.setAttribute("cy", place.y(spot.y));
    }
    readout.textContent = spot ? spot.text : rest;
    reader.setAttribute("aria-valuenow", String((at ?? 0) + 1));
    reader.setAttribute("aria-valuetext", spot ? spot.text : rest || `${spots.length} values`);
  }
  function draw() {
    const width = holder.clientWidth;
    if (!width) return;
    const scale = (range, from, to) => (value) => from + ((value - range[0]) / (range[1] - range[0])) * (to - from);
    place = { x: scale(x.range, FRAME.left, width - FRAME.right), y: scale(y.range, height - FRAME.bottom, FRAME.top), width, height };
    holder.querySelector("svg")?.remove();
    holder.prepend(s("svg", { class: "curve-drawing", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
      axes({ x, y, width, height }, place), marks(place), s("circle", { class: "chart-cursor", r: 5.5, visibility: "hidden" })));
    point(at);
  }
  function nearest(event) {
    if (!place || !spots.length) return null;
    const bounds = holder.getBoundingClientRect();
    const [px, py] = [event.clientX - bounds.left, event.clientY - bounds.top];
    let best = null;
    let least = Infinity;
    spots.forEach((spot, index) => {
      const far = (place.x(spot.x) - px) ** 2 + (along ? 0 : (place.y(spot.y) - py) ** 2);
      if (far < least) [best, least] = [index, far];
    });
    return best;
  }
  for (const kind of ["pointerdown", "pointermove"]) reader.addEventListener(kind, (event) => point(nearest(event)));
  reader.addEventListener("pointerleave", (event) => event.pointerType === "touch" || point(null));
  reader.addEventListener("blur", () => point(null));
  reader.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (step === undefined || !spots.length || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const start = at ?? (step < 0 ? spots.length : -1);
    point(Math.min(spots.length - 1, Math.max(0, start + step)));
  });
  new ResizeObserver(draw).observe(holder);
  holder.append(reader);
  point(null);
  return h("div", { class: "chart" }, holder, readout);
}

// Shares of values in equal bins: the outline of a distribution.
export function histogram(values, [low, high], bins) {
  const counts = new Array(bins).fill(0);
  for (const value of values) counts[Math.min(bins - 1, Math.max(0, Math.floor(((value - low) / (high - low)) * bins)))]++;
  return counts.map((count) => (values.length ? count / values.length : 0));
}

export function outline(shares, [low, high], place, look) {
  const width = (high - low) / shares.length;
  const points = shares.flatMap((share, bin) => [[low + bin * width, share], [low + (bin + 1) * width, share]]);
  const path = [[low, 0], ...points, [high, 0]].map(([x, y]) => `${place.x(x).toFixed(1)},${place.y(y).toFixed(1)}`).join(" ");
  return s("polyline", { class: `chart-outline ${look}`, points: path });
}

// An upright or level line at a value, with its name at its end.
export function rule(place, { x, y, text, look = "" }) {
  const [left, right, top, bottom] = [FRAME.left, place.width - FRAME.right, FRAME.top, place.height - FRAME.bottom];
  if (y !== undefined) {
    const at = place.y(y);
    return [s("line", { class: `chart-rule ${look}`, x1: left, x2: right, y1: at, y2: at }),
      text && s("text", { class: "curve-text chart-ruled", x: right, y: at - 4, "text-anchor": "end" }, text)];
  }
  const at = place.x(x);
  return [s("line", { class: `chart-rule ${look}`, x1: at, x2: at, y1: top, y2: bottom }),
    text && s("text", { class: "curve-text chart-ruled", x: at > (left + right) / 2 ? at - 4 : at + 4, y: top + 8, "text-anchor": at > (left + right) / 2 ? "end" : "start" }, text)];
}
