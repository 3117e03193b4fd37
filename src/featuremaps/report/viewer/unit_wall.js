// All units of a layer as small pictures, each the one in which the unit is strongest: searched, filtered, sorted.

import { select } from "featuremaps/controls.js";
import { digits, h, percent, plural } from "featuremaps/dom.js";

export const address = (layer, channel) => `#${encodeURIComponent(layer)}-${channel}`;

const high = (value) => value ?? -Infinity;
const SORTS = {
  channel: ["channel number", (a, b) => a.channel - b.channel],
  value: ["highest value", (a, b) => high(b.value) - high(a.value)],
  often: ["active most often", (a, b) => high(b.active) - high(a.active)],
  seldom: ["active least often", (a, b) => high(a.active) - high(b.active)],
};

// A unit as a picture that leads to its page, with a note below.
export function brickOf({ channel, source, active }, layer, note) {
  const silent = active === 0;
  return h("li", {}, h("a", { href: address(layer, channel), class: silent ? "silent" : "" },
    source ? h("img", { src: source, alt: "", loading: "lazy" }) : h("span", { class: "no-thumbnail" }), h("span", { class: "brick-note" }, note)));
}

export function wallOf(units, layer) {
  let [words, label, sort] = ["", "", "channel"];
  const count = h("output", { class: "quiet", "aria-live": "polite" });
  const wall = h("ol", { class: "wall", "aria-label": `Units of ${layer}` });
  const none = h("div", { class: "empty", hidden: true }, h("p", {}, "No unit matches."), h("button", { type: "button", class: "open-all", onclick: () => clear() }, "Clear the filter"));
  const bricks = new Map(units.map((unit) => [unit, brickOf(unit, layer, [
    `${layer}:${unit.channel}`, h("span", {}, unit.label && `${unit.label} `, unit.active !== 0 && h("span", { class: "quiet" }, digits(unit.value))),
    h("span", { class: "tile-value" }, unit.active === 0 ? "never active" : `active in ${percent(unit.active, 0)}`)])]));
  const fits = (unit) => (!label || unit.label === label) && words.toLowerCase().split(/\s+/).every((word) => `${layer}:${unit.channel} ${unit.label}`.toLowerCase().includes(word));
  function draw() {
    const shown = units.filter(fits).sort((a, b) => SORTS[sort][1](a, b) || a.channel - b.channel);
    count.textContent = shown.length === units.length ? "" : `${shown.length} of ${plural(units.length, "unit")}`;
    none.hidden = shown.length > 0;
    wall.replaceChildren(...shown.map((unit) => bricks.get(unit)));
  }
  const search = h("input", { type: "search", class: "search", placeholder: "Search", "aria-label": "Search the units", oninput: () => ([words] = [search.value.trim()], draw()) });
  const labels = [...new Set(units.map((unit) => unit.label).filter(Boolean))].sort();
  const filter = h("div", { class: "picture-filter", role: "group", "aria-label": "Which units are shown" },
    ...[labels.length > 1 && select("Highest in", [["", "any class"], ...labels.map((name) => [name, name])], "", (value) => ((label = value), draw())),
      select("Sort", Object.entries(SORTS).map(([key, [text]]) => [key, text]), sort, (value) => ((sort = value), draw())), search, count].filter(Boolean));
  function clear() {
    [words, label] = ["", ""];
    search.value = "";
    filter.querySelectorAll("select").forEach((one) => (one.selectedIndex = 0));
    sort = "channel";
    draw();
    search.focus();
  }
  draw();
  return [filter, wall, none];
}
