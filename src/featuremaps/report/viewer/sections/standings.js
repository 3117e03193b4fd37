// Several models on the same pictures: how well the sum of each one's own channels separates a class, with intervals.

import { digits, h, percent } from "featuremaps/dom.js";
import { s } from "featuremaps/svg.js";

const WIDTH = 240;
const x = (area) => 8 + area * (WIDTH - 16);

// An interval as a bar with its area as a dot; the line at one half is chance.
function intervalOf({ area, low, high }, series) {
  return s("svg", { class: "standing-bar", viewBox: `0 0 ${WIDTH} 24`, "aria-hidden": "true" },
    s("line", { class: "curve-rule", x1: x(0), x2: x(1), y1: 12, y2: 12 }),
    s("line", { class: "chart-rule span", x1: x(0.5), x2: x(0.5), y1: 2, y2: 22 }),
    low === null ? [] : s("line", { class: `standing-interval series-${series}`, x1: x(low), x2: x(high), y1: 12, y2: 12 }),
    s("circle", { class: `mark-dot series-${series}`, cx: x(area), cy: 12, r: 5 }));
}

function cellOf(measured, name, series) {
  const { area, low, high, threshold, best, recall, false_alarm_rate: alarms } = measured;
  return h("td", { "data-name": name },
    intervalOf(measured, series),
    h("span", {}, `AUROC ${area.toFixed(3)} (${low === null ? "no interval" : `${low.toFixed(3)} to ${high.toFixed(3)}`})`),
    h("span", { class: "walk-under" }, `threshold ${digits(threshold)}: finds ${percent(recall, 0)}, false alarms ${percent(alarms, 0)}; best ${digits(best)}`));
}

export async function render(section) {
  const rows = section.classes.flatMap(({ label, rows: own }) => own.map((row, index) => h("tr", {},
    h("th", { scope: "row" }, h("strong", {}, label), " ", h("span", { class: "standing-model" }, row.model),
      h("span", { class: "walk-under" }, `${row.channels} channel${row.channels === 1 ? "" : "s"}${row.proven ? "" : ", not beyond chance"}`)),
    row.domains.map((measured, place) => cellOf(measured, section.domains[place], index % 7)),
    section.domains.length > 1 && h("td", { "data-name": "Shift of the best threshold" }, row.shift === null ? "" : `${row.shift >= 0 ? "+" : ""}${digits(row.shift)} sd`))));
  const heads = [...section.domains, ...(section.domains.length > 1 ? ["Shift of the best threshold"] : [])];
  return h("div", {},
    h("table", { class: "walk standings" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Class and model"), heads.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, rows)),
    h("p", { class: "caption" }, section.caption));
}
