// Small maps that open large: drawn when they come into view, reached with one Tab and the arrow keys.

import { openMap } from "featuremaps/dialog.js";
import { h } from "featuremaps/dom.js";
import { activePalette, paintTile } from "featuremaps/paint.js";

const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
const lookOf = (state) => [state.scale, activePalette(state), state.across].join(" ");

// `rows()` gives the tiles that can be reached now, as rows; `steps()` those that the large view walks through.
export function createBoard({ store, rows, steps = rows }) {
  const tiles = new Map();
  let picture = null;
  let current = null;
  const draw = (tile) => {
    paintTile(tile.canvas, tile.map, store.get());
    tile.drawn = lookOf(store.get());
  };
  const refresh = () => {
    for (const tile of tiles.values()) if (tile.visible && tile.drawn !== lookOf(store.get())) draw(tile);
  };
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const tile = tiles.get(target);
      if (tile) tile.visible = isIntersecting;
    }
    refresh();
  }, { rootMargin: "300px" });
  store.subscribe((state, before) => lookOf(state) !== lookOf(before) && requestAnimationFrame(refresh));
  addEventListener("beforeprint", () => tiles.forEach(draw));

  function focusable(tile) {
    if (current) current.button.tabIndex = -1;
    current = tile;
    if (tile) tile.button.tabIndex = 0;
  }
  function open(tile) {
    const matrix = steps().map((row) => row.map((one) => ({ map: one.map, figure: one })));
    const row = matrix.findIndex((entries) => entries.some(({ figure }) => figure === tile));
    openMap({ picture, matrix, store, position: [row, matrix[row].findIndex(({ figure }) => figure === tile)] });
  }
  function move(tile, event) {
    if (event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = rows();
    const row = all.findIndex((line) => line.includes(tile));
    const column = all[row].indexOf(tile);
    let next = null;
    if (event.key === "Home" || event.key === "End") next = event.key === "Home" ? all[0][0] : all.at(-1).at(-1);
    else if (MOVES[event.key]) {
      const [down, over] = MOVES[event.key];
      const line = all[row + down];
      // Rows may differ in length; sideways the end of one leads to the start of the next.
      next = down ? line?.[Math.min(column, line.length - 1)] : all.flat()[all.flat().indexOf(tile) + over];
    } else return;
    event.preventDefault();
    next?.button.focus();
  }

  return {
    // The large view shows the tiles over this picture. Forgets the tiles of the one before.
    start(shown) {
      observer.disconnect();
      tiles.clear();
      focusable(null);
      picture = shown;
    },
    // A tile of `map` { grid, method, layer, … }; `label` is what a screen reader says, `note` stands below it.
    add(map, label, note) {
      const canvas = h("canvas", { "aria-hidden": "true", width: 1, height: 1 });
      const button = h("button", { type: "button", class: "tile", "aria-haspopup": "dialog", tabindex: -1 },
        h("span", { class: "tile-frame" }, canvas),
        h("span", { class: "visually-hidden" }, label), h("span", { class: "tile-note", "aria-hidden": "true" }, note));
      const tile = { map, canvas, button, visible: false, drawn: null };
      button.addEventListener("click", () => open(tile));
      button.addEventListener("focus", () => focusable(tile));
      button.addEventListener("keydown", (event) => move(tile, event));
      tiles.set(button, tile);
      observer.observe(button);
      if (!current) focusable(tile);
      return tile;
    },
    // Tab reaches this tile first, after the tiles were sorted or some were hidden.
    restart: focusable,
  };
}
