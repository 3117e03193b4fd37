// One map over its picture: a canvas that is drawn when it comes into view, and can be read cell by cell.

import { announce, digits, h, number } from "featuremaps/dom.js";
import { inWords, peak, valueAt } from "featuremaps/grid.js";
import { methodName } from "featuremaps/names.js";
import { background, paint, viewBox } from "featuremaps/paint.js";

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

// Draws what is on screen or near it; a printer is given everything.
const waiting = new Map();
const observer = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      const figure = waiting.get(target);
      if (!figure) continue;
      figure.visible = isIntersecting;
      if (isIntersecting) figure.refresh();
    }
  },
  { rootMargin: "300px" },
);
addEventListener("beforeprint", () => {
  for (const figure of waiting.values()) figure.draw();
});

export function nameOf(map) {
  return [methodName(map.method), map.layer && `at ${map.layer}`, map.target && `for ${map.target}`].filter(Boolean).join(" ");
}

// Figures of one picture point at the same place: hovering one reads them all.
export function createGroup() {
  const figures = new Set();
  return {
    add: (figure) => figures.add(figure),
    remove: (figure) => figures.delete(figure),
    point: (place) => figures.forEach((figure) => figure.point(place)),
  };
}

// `least` is the smallest drawing size of the longer side; `onopen` is called on click and Enter.
export function createFigure({ picture, map, store, group, least = 256, onopen, withShift = false, plain = false }) {
  const canvas = h("canvas", { role: "img" });
  const dot = h("span", { class: "dot", hidden: true });
  const button = h("button", { type: "button", class: "map", "aria-haspopup": onopen ? "dialog" : undefined }, canvas, dot);
  const readout = h("span", { class: "readout" });
  const figure = { canvas, button, dot, readout, visible: false, stale: true, cell: null };

  figure.draw = () => {
    paint(canvas, picture, map, store.get(), least);
    figure.stale = false;
  };
  figure.refresh = () => {
    if (figure.stale && figure.visible) figure.draw();
  };
  // The frame has its shape before it is drawn, so that nothing jumps when it is.
  const frame = () => {
    const { width, height } = background(picture, store.get());
    button.style.setProperty("--ratio", width / height);
  };
  const name = () => canvas.setAttribute("aria-label", describe(picture, map, store.get()));
  const idle = () => `max ${digits(peak(map.grid)?.value ?? NaN)}`;

  // `place` is a point of the model's view, 0 to 1 across and down; null when nothing is pointed at.
  figure.point = (place) => {
    const inside = place && place.x >= 0 && place.x < 1 && place.y >= 0 && place.y < 1;
    dot.hidden = !inside;
    figure.cell = inside ? [Math.floor(place.y * map.grid.height), Math.floor(place.x * map.grid.width)] : null;
    if (!inside) {
      readout.textContent = place ? "outside the model's view" : idle();
      delete readout.dataset.value;
      return;
    }
    const [row, column] = figure.cell;
    const value = valueAt(map.grid, row, column);
    readout.dataset.value = String(value);
    readout.textContent = `${number(value)} at [${row}, ${column}]`;
    const [left, top, right, bottom] = viewBox(picture, store.get());
    dot.style.left = `${100 * (left + place.x * (right - left))}%`;
    dot.style.top = `${100 * (top + place.y * (bottom - top))}%`;
  };

  const placeOf = (event) => {
    const bounds = canvas.getBoundingClientRect();
    const [left, top, right, bottom] = viewBox(picture, store.get());
    return {
      x: ((event.clientX - bounds.left) / bounds.width - left) / (right - left),
      y: ((event.clientY - bounds.top) / bounds.height - top) / (bottom - top),
    };
  };
  figure.placeOf = placeOf;
  const step = (event) => {
    const move = STEPS[event.key];
    if (!move || event.shiftKey !== withShift || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const { height, width } = map.grid;
    const start = figure.cell ?? [peak(map.grid)?.row ?? 0, peak(map.grid)?.column ?? 0];
    const [down, over] = figure.cell ? move : [0, 0];
    const row = Math.min(height - 1, Math.max(0, start[0] + down));
    const column = Math.min(width - 1, Math.max(0, start[1] + over));
    group.point({ x: (column + 0.5) / width, y: (row + 0.5) / height });
    announce(`${number(valueAt(map.grid, row, column))} at row ${row}, column ${column}`);
  };

  const clear = () => group.point(null);
  for (const kind of ["pointerdown", "pointermove"]) button.addEventListener(kind, (event) => group.point(placeOf(event)));
  // A finger that is lifted leaves its reading; a mouse that moves on takes it along.
  button.addEventListener("pointerleave", (event) => event.pointerType === "touch" || clear());
  button.addEventListener("blur", clear);
  button.addEventListener("keydown", step);
  if (onopen) button.addEventListener("click", () => onopen(figure));

  const unsubscribe = store.subscribe((state, before) => {
    figure.stale = true;
    if (state.whole !== before.whole) frame();
    if (state.view !== before.view) name();
    requestAnimationFrame(figure.refresh);
  });
  figure.release = () => {
    unsubscribe();
    observer.unobserve(button);
    waiting.delete(button);
    group.remove(figure);
  };
  frame();
  name();
  figure.point(null);
  group.add(figure);
  // A plain figure is only its canvas, always in view.
  if (!plain) {
    waiting.set(button, figure);
    observer.observe(button);
  }
  return figure;
}

const VIEWS = { original: "The picture without its map", overlay: "Map over the picture", raw: "The map alone" };

function describe(picture, map, state) {
  return `${picture.name}, ${nameOf(map)}. ${VIEWS[state.view]}. ${inWords(map.grid, number)}`;
}
