// Which explanation to believe: a row for each, best first, with its maps, curves, rank and every measure.

import { breakable, h } from "featuremaps/dom.js";
import { s } from "featuremaps/svg.js";

const BAR = { width: 132, height: 22, edge: 7 };
const CURVE = { width: 84, height: 44 };
const CHANCE = "random";
const BEST = "greedy";
const known = (value) => value !== null && Number.isFinite(value);

// From the lowest to the highest end of any row's interval, so that the bars of a column can be compared.
function scaleOf(estimates) {
  const ends = estimates.flatMap(({ mean, low, high }) => [mean, low, high]).filter(known);
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const span = high - low || 1;
  return (value) => BAR.edge + ((value - low) / span) * (BAR.width - 2 * BAR.edge);
}

function barOf(estimate, x, { chance = null, best = null } = {}, quiet = false) {
  if (!known(estimate.mean)) return h("span", { class: "trial-none", title: estimate.why }, quiet ? "–" : "undefined");
  const middle = BAR.height / 2;
  const band = known(chance) && known(best) && s("rect", {
    class: "trial-band", x: Math.min(x(chance), x(best)), width: Math.abs(x(best) - x(chance)), y: 0, height: BAR.height });
  const [low, high] = [estimate.low, estimate.high].map((end) => x(known(end) ? end : estimate.mean));
  return h("span", { class: "trial-measure", title: estimate.text },
    s("svg", { class: "trial-bar", viewBox: `0 0 ${BAR.width} ${BAR.height}`, "aria-hidden": "true" },
      band || [],
      known(chance) ? s("line", { class: "trial-chance", x1: x(chance), x2: x(chance), y1: 0, y2: BAR.height }) : [],
      s("line", { class: quiet ? "trial-interval quiet-mark" : "trial-interval", x1: low, x2: high, y1: middle, y2: middle }),
      s("circle", { class: quiet ? "trial-dot quiet-mark" : "trial-dot", cx: x(estimate.mean), cy: middle, r: 4 })),
    h("span", { class: "trial-number" }, estimate.text));
}

const ORDERS = { most: "the most relevant first (full line)", least: "the least relevant first (broken line)" };
const ordersOf = (curves) => Object.keys(ORDERS).filter((name) => curves.some(({ order }) => order === name));
const curvesInWords = (curves) => `the class's probability while places are taken out, ${ordersOf(curves).map((order) => ORDERS[order]).join(" and ")}`;

// A full line for the most relevant first, a broken one for the least; one for each way of filling what was taken out.
function curvesOf(curves) {
  if (!curves.length) return "";
  const line = ({ order, points }) => s("polyline", {
    class: `trial-curve ${order}`,
    points: points.map((value, index) => [index, value]).filter(([, value]) => known(value))
      .map(([index, value]) => `${((index * CURVE.width) / (points.length - 1)).toFixed(1)},${((1 - value) * (CURVE.height - 2) + 1).toFixed(1)}`).join(" ") });
  return s("svg", { class: "trial-curves", viewBox: `0 0 ${CURVE.width} ${CURVE.height}`, role: "img", "aria-label": curvesInWords(curves) },
    s("line", { class: "curve-rule", x1: 0, x2: CURVE.width, y1: CURVE.height - 1, y2: CURVE.height - 1 }),
    curves.map(line));
}

function rowOf(row, measures, scales, anchors, rankScale, { hasMaps, hasCurves }) {
  const cells = row.estimates.map((estimate, index) =>
    h("td", { "data-name": measures[index].name }, barOf(estimate, scales[index], anchors[index], !row.explained)));
  return h("tr", { class: row.explained ? "" : "trial-reference" },
    h("th", { scope: "row" }, breakable(row.label),
      row.failed.map((reason) => h("span", { class: "trial-failed" }, `Fails a sanity check: ${reason}.`))),
    hasMaps && h("td", { class: "trial-maps" }, row.maps.map((source) => h("img", { src: source, alt: "", width: 56, height: 56 }))),
    hasCurves && h("td", { "data-name": "curves" }, curvesOf(row.curves)),
    h("td", { "data-name": "mean rank" }, row.rank ? barOf(row.rank, rankScale) : ""),
    cells);
}

export async function render(section) {
  const { rows, measures } = section;
  const find = (name) => rows.find((row) => !row.explained && row.label === name);
  const anchors = measures.map((_, index) => ({ chance: find(CHANCE)?.estimates[index].mean, best: find(BEST)?.estimates[index].mean }));
  const scales = measures.map((_, index) => scaleOf(rows.map((row) => row.estimates[index])));
  const rankScale = scaleOf(rows.filter((row) => row.rank).map((row) => row.rank));
  const hasMaps = rows.some((row) => row.maps.length);
  const head = (name, under, about) => h("th", { scope: "col", title: about }, name, h("span", { class: "walk-under" }, under));
  const curves = rows.flatMap((row) => row.curves);
  const arrow = ({ better }) => (better === "higher" ? "higher is better" : "lower is better");
  return h("div", {},
    h("ul", { class: "trial-conclusion" }, section.conclusion.map((sentence) => h("li", {}, sentence))),
    h("div", { class: "trial-holder", tabindex: 0, role: "region", "aria-label": "Explanations by measures" },
      h("table", { class: "trial" },
        h("thead", {}, h("tr", {},
          head("Explanation", "best first"), hasMaps && head("Maps", ""), curves.length > 0 && head("Curves", `${ordersOf(curves).join(", ")} first`), head("Rank", "1 is best"),
          measures.map((measure) => head(measure.name, `${arrow(measure)}${measure.counts ? "" : "; not counted"}`, measure.about)))),
        h("tbody", {}, rows.map((row) => rowOf(row, measures, scales, anchors, rankScale, { hasMaps, hasCurves: curves.length > 0 }))))),
    h("p", { class: "caption" },
      `A dot is the mean over ${section.pictures} picture${section.pictures === 1 ? "" : "s"}, the line its 95% interval. The dotted line is a random map, the band `
      + "reaches from there to the best map that a greedy search built from the measure itself. "
      + (curves.length ? `Curves are ${curvesInWords(curves)}, one for each way of filling these. ` : "")
      + `${section.passes.toLocaleString("en")} passes through the model.`));
}
