// A class's channels as its detector: the scores of pictures with and without it, and the ROC curve, in each domain.

import { createChart, histogram, keys, mark, outline, rule, s, spread, ticks } from "featuremaps/chart.js";
import { h, number, percent } from "featuremaps/dom.js";

const BINS = 24;
const SHARES = [0, 0.5, 1].map((at) => ({ at, text: percent(at, 0) }));

function scoresOf(domain, label) {
  const range = spread([...domain.positives, ...domain.negatives, domain.threshold, domain.best], 0.02);
  const [own, rest] = [histogram(domain.positives, range, BINS), histogram(domain.negatives, range, BINS)];
  const most = Math.max(...own, ...rest, 0.01);
  const width = (range[1] - range[0]) / BINS;
  const close = Math.abs(domain.best - domain.threshold) < (range[1] - range[0]) * 0.01;
  return createChart({
    label: `Scores of pictures with and without ${label}, ${domain.name}`,
    x: { range, ticks: ticks(...range, 4).map((at) => ({ at, text: number(at) })), title: "score" },
    y: { range: [0, most * 1.15], ticks: ticks(0, most, 3).map((at) => ({ at, text: percent(at, 0) })) },
    along: true,
    spots: own.map((share, bin) => ({
      x: range[0] + (bin + 0.5) * width, y: Math.max(share, rest[bin]),
      text: `${number(range[0] + bin * width)} to ${number(range[0] + (bin + 1) * width)}: ${percent(share, 0)} of ${label}, ${percent(rest[bin], 0)} of the others`,
    })),
    marks: (place) => [
      outline(rest, range, place, "series-other"), outline(own, range, place, "series-0"),
      rule(place, { x: domain.threshold, text: "threshold" }),
      !close && rule(place, { x: domain.best, look: "best" }),
    ],
    rest: close ? "Dashed: the threshold." : `Dashed: the threshold, ${number(domain.threshold)}. Dotted: the best one here, ${number(domain.best)}.`,
  });
}

function rocOf(domain, label) {
  const chance = (place) => s("line", { class: "chart-rule span", x1: place.x(0), y1: place.y(0), x2: place.x(1), y2: place.y(1) });
  const path = (place) => domain.roc.map(([alarms, recall]) => `${place.x(alarms).toFixed(1)},${place.y(recall).toFixed(1)}`).join(" ");
  return createChart({
    label: `ROC curve of ${label}, ${domain.name}`,
    x: { range: [0, 1], ticks: SHARES, title: "false alarms" },
    y: { range: [0, 1.02], ticks: SHARES },
    spots: domain.roc.map(([alarms, recall, threshold]) => ({
      x: alarms, y: recall,
      text: `${threshold === null ? "Nothing called so" : `From ${number(threshold)} on`}: finds ${percent(recall)}, false alarms ${percent(alarms)}`,
    })),
    marks: (place) => [
      chance(place), s("polyline", { class: "chart-line series-0", points: path(place) }),
      mark(0, place.x(domain.here[0]), place.y(domain.here[1]), 4.5),
      domain.model && s("rect", { class: "chart-model", x: place.x(domain.model[0]) - 4, y: place.y(domain.model[1]) - 4, width: 8, height: 8 }),
    ],
    rest: `Finds (upwards) against false alarms; area ${number(domain.area)}.`,
  });
}

function detectorOf(one) {
  const count = one.channels.length;
  return h("article", { class: "detector" },
    h("h3", {}, one.label, h("span", { class: "pattern-remark" }, `${count} channel${count === 1 ? "" : "s"} of ${one.layer}${one.proven ? "" : ", not beyond chance"}`)),
    one.domains.map((domain) => h("div", { class: "detector-domain" },
      h("h4", {}, domain.name),
      keys([{ name: one.label, look: "series-0" }, { name: "all others", look: "series-other" }, ...(domain.model ? [{ name: "the model's own answer", look: "hollow" }] : [])]),
      h("div", { class: "chart-pair" }, scoresOf(domain, one.label), rocOf(domain, one.label)),
      h("p", { class: "found-words" }, domain.words))));
}

export async function render(section) {
  return h("div", { class: "detectors" }, section.detectors.map(detectorOf), h("p", { class: "caption" }, section.caption));
}
