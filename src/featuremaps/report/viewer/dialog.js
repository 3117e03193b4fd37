// One map, large: its numbers, its warnings, and a step to its neighbours in the matrix.

import { strengthControl, viewControl } from "featuremaps/controls.js";
import { h, number } from "featuremaps/dom.js";
import { createFigure, createGroup } from "featuremaps/figure.js";
import { answerOf } from "featuremaps/verdict.js";
import { attachZoom, createZoom } from "featuremaps/zoom.js";
import { extremes, peak } from "featuremaps/grid.js";
import { mapLegend } from "featuremaps/legend.js";
import { colours } from "featuremaps/paint.js";
import { framed, mapTools } from "featuremaps/map_tools.js";
import { methodName } from "featuremaps/names.js";

const MOVES = {
  ArrowLeft: [0, -1, "\u2190", "Map to the left"],
  ArrowRight: [0, 1, "\u2192", "Map to the right"],
  ArrowUp: [-1, 0, "\u2191", "Map above"],
  ArrowDown: [1, 0, "\u2193", "Map below"],
};

// The next cell in a direction that holds a map; null at the edge.
function neighbour(matrix, [row, column], [down, over]) {
  for (let r = row + down, c = column + over; matrix[r]?.[c] !== undefined; r += down, c += over) {
    if (matrix[r][c]?.figure) return [r, c];
  }
  return null;
}

// The same store, with every subscription ended at once when the dialog goes.
function lease(store) {
  const ends = [];
  return {
    ...store,
    subscribe(listener) {
      const end = store.subscribe(listener);
      ends.push(end);
      return end;
    },
    end: () => ends.forEach((end) => end()),
  };
}

// `matrix[row][column]` is a cell { map, figure } or null. Focus goes back to the map that was shown last.
export function openMap({ picture, matrix, store: shared, position, compare }) {
  const store = lease(shared);
  let current = position;
  let shown = null;
  let stop = () => {};
  const heading = h("h2", { id: "dialog-title" });
  const stage = h("div", { class: "stage" });
  const tools = h("div", {});
  const zoom = createZoom();
  const facts = h("div", { class: "facts" });
  const close = h("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => dialog.close() }, "\u00d7");
  const arrows = Object.values(MOVES).map(([down, over, sign, label]) =>
    h("button", { type: "button", "aria-label": label, title: label, onclick: () => go([down, over]) }, sign));
  const dialog = h("dialog", { class: "enlarged", "aria-labelledby": "dialog-title" },
    h("header", {}, heading, close),
    h("div", { class: "enlarged-body" }, stage,
      h("div", { class: "dialog-side" }, facts, tools,
        h("div", { class: "side-controls" }, viewControl(store), strengthControl(store)),
        h("p", { class: "hint" }, "Arrow keys: next map. Shift and arrow keys: read the values. Wheel, pinch, + and \u2212: zoom; double click or 0: whole. Esc: close."))),
    h("footer", {}, arrows));

  function show() {
    shown?.release();
    stop();
    const { map } = matrix[current[0]][current[1]];
    shown = createFigure({ picture, map, store, group: createGroup(), least: 768, withShift: true });
    shown.visible = true;
    heading.replaceChildren(h("span", {}, methodName(map.method)), map.layer && h("span", { class: "quiet" }, ` at ${map.layer}`) || "");
    const frame = h("div", { class: "zoom" }, shown.button);
    zoom.reset();
    attachZoom(zoom, frame, shown.button);
    stage.replaceChildren(frame, shown.readout);
    const beside = compare && (() => {
      dialog.close();
      compare(map.id);
    });
    tools.replaceChildren(mapTools({ map, picture, canvas: () => shown.canvas, compare: beside }));
    if (map.id && !framed) history.replaceState(null, "", `#${map.id}`);
    const describe = () => {
      facts.replaceChildren(...factsOf(map, picture, store.get()));
      frame.style.setProperty("--ratio", shown.button.style.getPropertyValue("--ratio"));
    };
    stop = store.subscribe(describe);
    describe();
    shown.draw();
    arrows.forEach((arrow, index) => (arrow.disabled = !neighbour(matrix, current, Object.values(MOVES)[index])));
    shown.button.focus({ preventScroll: true });
  }
  function go(direction) {
    const next = neighbour(matrix, current, direction);
    if (!next) return;
    current = next;
    show();
  }

  dialog.addEventListener("keydown", (event) => {
    if (!MOVES[event.key] || event.shiftKey || event.target instanceof HTMLInputElement) return;
    event.preventDefault();
    go(MOVES[event.key].slice(0, 2));
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    shown.release();
    store.end();
    const announcements = dialog.querySelector("#announcements");
    if (announcements) document.body.append(announcements);
    dialog.remove();
    const { id } = matrix[current[0]][current[1]].map;
    if (id && !framed) history.replaceState(null, "", `#${id.replace(/-map-\d+$/, "")}`);
    matrix[current[0]][current[1]].figure.button.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  show();
}

// Enlarging draws lines between the middles of cells: a lone peak comes out lower.
const differs = (peak, shown) => peak > 0 && shown > 0 && Math.abs(shown - peak) > 0.005 * peak;

function factsOf(map, picture, state) {
  const [low, high] = extremes(map.grid.values);
  const top = peak(map.grid);
  const rows = [
    ["Picture", picture.name],
    ["Explains", map.target],
    ["Answer", answerOf(picture, map)],
    ["Resolution", `${map.grid.height} \u00d7 ${map.grid.width} cells`],
    ["Raw values", `${number(low)} to ${number(high)}`],
    ["Colours to", differs(high, colours(map, picture, state).high) && `${number(colours(map, picture, state).high)}, where it is highest when enlarged`],
    ["Strongest", top && `row ${top.row}, column ${top.column}, counted from 0`],
    ...(map.facts ?? []),
  ];
  return [
    h("dl", {}, rows.filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    mapLegend(map, picture, state),
    ...(map.remarks ?? []).map((remark) => h("p", { class: "remark" }, remark)),
    ...(map.warnings ?? []).map((warning) => h("p", { class: "warning" }, h("strong", {}, "Do not trust: "), warning)),
  ];
}
