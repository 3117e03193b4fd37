// The rows of a walk: a layer each, gathered in groups that open, with its numbers and its strongest maps.

import { breakable, digits, h, percent, plural } from "featuremaps/dom.js";

const COLUMNS = ["Layer", "Maps", "Sees", "Zeros", "Silent", "Mean", "Strongest maps"];

function share(value, name) {
  return h("td", { role: "cell", class: "walk-share", "data-name": name }, percent(value),
    h("span", { class: "bar", style: { "--share": value ?? 0 } }));
}

function topMaps(layer, board) {
  return layer.channels.map((channel, index) => {
    let grid = null;
    const map = {
      method: `channel ${channel}`,
      layer: layer.layer,
      get grid() {
        return (grid ??= layer.sprite.grid(index));
      },
      facts: [["Address", `${layer.layer}:${channel}`], ["Ranked by", digits(layer.values[index] ?? NaN)]],
    };
    const label = `${layer.layer}, channel ${channel}, ${digits(layer.values[index] ?? NaN)}`;
    const note = [h("span", { class: "tile-name" }, String(channel)), h("span", { class: "tile-value" }, digits(layer.values[index] ?? NaN))];
    return board.add(map, label, note);
  });
}

function rowOf(layer, board) {
  const name = h("th", { scope: "row", role: "rowheader" }, h("span", { class: "walk-address" }, breakable(layer.layer)), layer.type && h("span", { class: "walk-type" }, layer.type));
  if (layer.failure !== null) {
    const box = h("div", { class: "failure" }, h("strong", {}, "Failed"), h("p", {}, layer.failure));
    return { layer, tiles: [], name, row: h("tr", { role: "row" }, name, h("td", { role: "cell", colspan: COLUMNS.length - 1, class: "walk-failed" }, box)) };
  }
  const [channels, ...size] = layer.shape;
  const [height, width] = size.length === 2 || !layer.sprite ? size.slice(-2) : [layer.sprite.height, layer.sprite.width];
  const tiles = topMaps(layer, board);
  const strip = h("div", { class: "walk-tiles", style: { "--ratio": width / height } }, tiles.map(({ button }) => button));
  const row = h("tr", { role: "row" }, name,
    h("td", { role: "cell", "data-name": "Maps" }, plural(channels, "channel"), h("span", { class: "walk-under" }, size.join(" \u00d7 "))),
    h("td", { role: "cell", "data-name": "Sees" }, layer.field || "\u2013"),
    share(layer.zeros, "Zeros"), share(layer.silent, "Silent"),
    h("td", { role: "cell", class: "walk-number", "data-name": "Mean" }, digits(layer.mean ?? NaN)),
    h("td", { role: "cell", class: "walk-top" }, tiles.length ? strip : h("span", { class: "quiet" }, "none")));
  return { layer, tiles, name, row };
}

// A group shows its last layer, what the block gives out; a press shows the layers that lead to it.
function groupOf({ layers }, board) {
  const entries = layers.map((layer) => rowOf(layer, board));
  const inner = entries.slice(0, -1);
  const group = { entries, open: false, toggle: null };
  if (inner.length) {
    inner.forEach(({ row }) => row.classList.add("walk-inner"));
    group.toggle = h("button", { type: "button", class: "walk-toggle", onclick: () => group.set(!group.open) });
    entries.at(-1).name.append(group.toggle);
  }
  group.set = (open) => {
    group.open = open;
    inner.forEach(({ row }) => (row.hidden = !open));
    group.toggle?.setAttribute("aria-expanded", String(open));
    group.toggle?.replaceChildren(open ? "Hide those before" : `${plural(inner.length, "layer")} before`);
  };
  return group;
}

// `hover(layer | null)` follows the pointer over the rows.
export function createTable(source, board, hover) {
  const groups = source.map((group) => groupOf(group, board));
  const entries = groups.flatMap((group) => group.entries);
  const groupWith = (layer) => groups.find((group) => group.entries.some((entry) => entry.layer === layer));
  const shownRows = () => entries.filter((entry) => !entry.row.hidden && entry.tiles.length).map((entry) => entry.tiles);
  for (const { row, layer } of entries) {
    row.addEventListener("pointerenter", () => hover(layer));
    row.addEventListener("pointerleave", () => hover(null));
  }
  const element = h("table", { class: "walk", role: "table" },
    h("caption", { class: "visually-hidden" }, "Layers in the order in which they run"),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, COLUMNS.map((name) => h("th", { scope: "col", role: "columnheader" }, name)))),
    h("tbody", { role: "rowgroup" }, entries.map(({ row }) => row)));
  return {
    element,
    rows: shownRows,
    // All groups, one row each or opened; or, with a set of layers, just these.
    show(wanted, open) {
      element.classList.toggle("filtered", wanted !== null);
      entries.forEach(({ row, layer }) => (row.hidden = wanted !== null && !wanted.has(layer)));
      if (!wanted) groups.forEach((group) => group.set(open));
      board.restart(shownRows()[0]?.[0] ?? null);
    },
    // A layer inside a closed group is shown by the row that stands for it.
    highlight(layer) {
      const group = layer && groupWith(layer);
      for (const { row } of entries) row.classList.remove("pointed");
      if (!group) return;
      const own = group.entries.find((entry) => entry.layer === layer);
      (own.row.hidden ? group.entries.at(-1) : own).row.classList.add("pointed");
    },
    reveal(layer) {
      const group = groupWith(layer);
      const entry = group.entries.find((one) => one.layer === layer);
      if (entry.row.hidden) group.set(true);
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      entry.row.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
      (entry.tiles[0]?.button ?? group.toggle)?.focus({ preventScroll: true });
    },
  };
}
