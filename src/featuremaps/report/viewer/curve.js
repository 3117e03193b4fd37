// The curve over depth: share of zeros and of silent channels, layer by layer, read by pointer or arrow keys.

import { h, percent } from "featuremaps/dom.js";
import { s } from "featuremaps/svg.js";

const FRAME = { height: 230, left: 48, right: 16, top: 32, bottom: 30 };
const LETTER = 6.8;
const SERIES = { zeros: "values that are zero", silent: "silent channels" };
const known = (value) => value !== null && Number.isFinite(value);
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const joined = (layer) => known(layer.zeros) && layer.zeros > 0;

// Layers that compute no zeros (convolutions, normalisations) would hide the trend: the line passes over them.
export function trend(layers) {
  const sparse = layers.filter(joined);
  if (sparse.length < 3) return sparse.length ? "" : "No layer shown has a value that is exactly zero.";
  const third = Math.floor(sparse.length / 3);
  const parts = (key) => [sparse.slice(0, third), sparse.slice(-third)].map((part) => percent(mean(part.map((layer) => layer[key] ?? 0)), 0));
  const [early, late] = parts("zeros");
  const [awake, asleep] = parts("silent");
  const passed = layers.length - sparse.length;
  const which = passed ? `Of the ${sparse.length} layers that have zeros, the first third` : "The first third of the layers";
  return `${which} is zero in ${early} of its values and silent in ${awake} of its channels; the last third in ${late} and ${asleep}.`;
}

function geometry(width, count) {
  const across = width - FRAME.left - FRAME.right;
  const down = FRAME.height - FRAME.top - FRAME.bottom;
  return {
    width, count,
    edge: (index) => FRAME.left + (index * across) / count,
    x: (index) => FRAME.left + ((index + 0.5) * across) / count,
    y: (share) => FRAME.top + (1 - share) * down,
    indexAt: (x) => Math.min(count - 1, Math.max(0, Math.floor(((x - FRAME.left) / across) * count))),
  };
}

function ground({ y, width }) {
  return [0, 0.5, 1].map((share) => [
    s("line", { class: "curve-rule", x1: FRAME.left, x2: width - FRAME.right, y1: y(share), y2: y(share) }),
    s("text", { class: "curve-text", x: FRAME.left - 8, y: y(share) + 4, "text-anchor": "end" }, `${100 * share}%`),
  ]);
}

// Where a stretch of layers that have `name(layer)` in common begins, and its name: of names without room beside each
// other those of the longest stretches.
function stretches(layers, { edge, width }, name, y, [from, to]) {
  const found = [];
  layers.forEach((layer, index) => {
    const text = name(layer);
    if (text === null || text === found.at(-1)?.text) return;
    found.push({ text, index, x: edge(index), end: edge(index) + 10 + text.length * LETTER });
  });
  const length = (stretch) => (found[found.indexOf(stretch) + 1]?.index ?? layers.length) - stretch.index;
  const placed = [];
  for (const stretch of [...found].sort((a, b) => length(b) - length(a))) {
    if (stretch.end <= width && placed.every((other) => stretch.end <= other.x || stretch.x >= other.end)) placed.push(stretch);
  }
  return [
    found.filter(({ index }) => index).map(({ x }) => s("line", { class: "curve-step", x1: x, x2: x, y1: from, y2: to })),
    placed.map(({ x, text }) => s("text", { class: "curve-text", x: x + 3, y }, text)),
  ];
}

function marker(kind, x, y, small) {
  const r = small ? 1.75 : 3;
  return kind === "zeros"
    ? s("circle", { class: `curve-${kind}`, cx: x, cy: y, r })
    : s("rect", { class: `curve-${kind}`, x: x - r, y: y - r, width: 2 * r, height: 2 * r });
}

function series(kind, layers, { x, y }) {
  const spots = layers.map((layer, index) => ({ x: x(index), y: y(layer[kind]), layer })).filter(({ layer }) => known(layer[kind]));
  const path = spots.filter(({ layer }) => joined(layer)).map((spot) => `${spot.x.toFixed(1)},${spot.y.toFixed(1)}`).join(" ");
  return [
    s("polyline", { class: `curve-line curve-${kind}-line`, points: path }),
    spots.map((spot) => marker(kind, spot.x, spot.y, !joined(spot.layer))),
  ];
}

function drawing(layers, place, groupOf) {
  const sizeOf = ({ shape }) => (shape ? shape.slice(1).join("\u00d7") : null);
  const [top, bottom] = [FRAME.top - 4, FRAME.height - FRAME.bottom];
  return s("svg", { class: "curve-drawing", viewBox: `0 0 ${place.width} ${FRAME.height}`, "aria-hidden": "true" },
    stretches(layers, place, sizeOf, 16, [top - 18, bottom]),
    ground(place),
    stretches(layers, place, groupOf, FRAME.height - 9, [bottom, bottom + 5]),
    series("zeros", layers, place), series("silent", layers, place),
    s("line", { class: "curve-cursor", x1: 0, x2: 0, y1: top, y2: bottom, visibility: "hidden" }));
}

const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity };

// `onpoint(layer | null)` follows the reader; `onchoose(layer)` is a click or Enter. `groupOf(layer)` names the axis.
export function createCurve({ groupOf, onpoint, onchoose }) {
  let layers = [];
  let place = null;
  let at = null;
  const holder = h("div", { class: "curve-holder" });
  const reader = h("div", { class: "curve-reader", role: "slider", tabindex: 0, "aria-label": "Layer on the curve", "aria-valuemin": 1 });
  const readout = h("p", { class: "curve-readout" });
  const key = Object.entries(SERIES).map(([kind, name]) => h("span", { class: `curve-key ${kind}` }, name));
  const values = (layer) => Object.entries(SERIES).map(([kind, name]) => `${percent(layer[kind])} ${name}`).join(", ");

  function mark(index) {
    const cursor = holder.querySelector(".curve-cursor");
    const shown = index !== null && place !== null && index < layers.length;
    at = shown ? index : null;
    cursor?.setAttribute("visibility", shown ? "visible" : "hidden");
    const layer = shown ? layers[index] : null;
    readout.replaceChildren(...(layer ? [h("code", {}, layer.layer), ` ${layer.failure === null ? values(layer) : "failed"}`] : [trend(layers)]));
    reader.setAttribute("aria-valuenow", String((at ?? 0) + 1));
    reader.setAttribute("aria-valuetext", layer ? readout.textContent : `${layers.length} layers. ${trend(layers)}`);
    if (shown) for (const end of ["x1", "x2"]) cursor?.setAttribute(end, place.x(index));
    return layer;
  }
  const point = (index) => onpoint(mark(index));
  function draw() {
    const width = holder.clientWidth;
    if (!width || !layers.length) return;
    place = geometry(width, layers.length);
    holder.querySelector("svg")?.remove();
    holder.prepend(drawing(layers, place, groupOf));
    mark(at);
  }
  const indexOf = (event) => place?.indexAt(event.clientX - holder.getBoundingClientRect().left) ?? null;
  for (const kind of ["pointerdown", "pointermove"]) reader.addEventListener(kind, (event) => point(indexOf(event)));
  reader.addEventListener("pointerleave", (event) => event.pointerType === "touch" || point(null));
  reader.addEventListener("blur", () => point(null));
  reader.addEventListener("click", () => at !== null && onchoose(layers[at]));
  reader.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && at !== null) {
      // The key would otherwise press what the focus has moved to.
      event.preventDefault();
      onchoose(layers[at]);
    }
    if (KEYS[event.key] === undefined) return;
    event.preventDefault();
    const start = at ?? (KEYS[event.key] < 0 ? layers.length : -1);
    point(Math.min(layers.length - 1, Math.max(0, start + KEYS[event.key])));
  });
  new ResizeObserver(draw).observe(holder);
  holder.append(reader);
  const element = h("div", { class: "curve" }, h("p", { class: "curve-keys" }, "Share of ", key), holder, readout);
  return {
    element,
    show(next) {
      layers = next;
      element.hidden = layers.length < 2;
      reader.setAttribute("aria-valuemax", String(layers.length));
      at = null;
      draw();
      mark(null);
    },
    mark: (layer) => mark(layers.includes(layer) ? layers.indexOf(layer) : null),
  };
}
