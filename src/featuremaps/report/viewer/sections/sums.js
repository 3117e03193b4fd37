// The sum of a group of channels in every picture, as in the article: picture by picture, or as distributions.

import { drawChart } from "featuremaps/charts/draw.js";
import { h, plural } from "featuremaps/dom.js";

const MOST_NAMED = 25;
let groups = 0;

function panelOf({ charts, datasets }, group, index) {
  const place = h("div", { class: "chart-place" });
  const channels = group.channels.slice(0, MOST_NAMED).join(", ");
  const element = h("article", { class: "sum-panel" },
    h("h3", {}, `Channels of ${group.name}`), place,
    h("p", { class: "found-words" }, group.words,
      channels && h("span", { class: "walk-under" }, h("code", {}, `${group.layer}: ${channels}${group.channels.length > MOST_NAMED ? ", \u2026" : ""}`))));
  function show(view) {
    const chart = charts[`${view}-${index}`];
    const figure = chart ? h("figure", { class: "chart" }) : h("p", { class: "empty" }, "It has no channels to add up.");
    place.replaceChildren(figure);
    if (chart) drawChart(figure, { ...chart, datasets });
  }
  return { element, show };
}

export async function render(section) {
  const panels = section.groups.map((group, index) => panelOf(section, group, index));
  const name = `sums-${groups++}`;
  const show = (view) => panels.forEach((panel) => panel.show(view));
  const one = section.rows.slice(0, -1);
  const choices = Object.entries({ pictures: `By ${one}`, values: "Distributions" }).map(([view, text], index) => h("label", {}, h("input", { type: "radio", name, value: view, checked: index === 0, onchange: () => show(view) }), h("span", {}, text)));
  show("pictures");
  return h("div", { class: "sums" },
    h("fieldset", { class: "segments" }, h("legend", { class: "visually-hidden" }, "Show the sums"), choices),
    h("div", { class: "chart-grid" }, panels.map((panel) => panel.element)),
    h("p", { class: "caption" }, section.caption, section.left_out > 0 && ` The charts leave out ${plural(section.left_out, one)}, evenly within each class; the areas are of all.`));
}
