// The sum of a group of channels in every picture, as in the article: picture by picture, or as distributions.

import { createChart, histogram, keys, mark, outline, rule, spread, ticks } from "featuremaps/chart.js";
import { h, number, percent, plural } from "featuremaps/dom.js";

const BINS = 24;
const MOST_COLOURS = 7;
let groups = 0;

const axis = (range, count) => ({ range, ticks: ticks(...range, count).map((at) => ({ at, text: number(at) })) });

// Of many classes only the group's own has a colour.
const seriesOf = (label, own, count) => (count <= MOST_COLOURS ? label : label === own ? 0 : null);
const lookOf = (label, own, count) => {
  const series = seriesOf(label, own, count);
  return series === null ? "series-other" : `series-${series}`;
};

// Where each class's pictures begin and end.
function spans(labels) {
  const found = [];
  labels.forEach((label, index) => (found.at(-1)?.label === label ? (found.at(-1).end = index) : found.push({ label, start: index, end: index })));
  return found;
}

function byPicture(section, group) {
  const { labels, names, classes } = section;
  const range = spread([...group.values, ...(group.threshold === null ? [] : [group.threshold])]);
  const parts = spans(labels);
  const wide = parts.filter(({ start, end }) => end - start > labels.length * 0.08);
  return createChart({
    label: `Sum of the channels of ${group.name}, picture by picture`,
    x: { range: [-0.5, labels.length - 0.5], ticks: wide.map(({ label, start, end }) => ({ at: (start + end) / 2, text: classes[label].slice(0, 16) })), title: "pictures, in order of class" },
    y: axis(range, 4),
    spots: group.values.map((value, index) => ({ x: index, y: value, text: `${number(value)}: ${names[index]}, ${classes[labels[index]]}` })),
    marks: (place) => [
      parts.slice(1).map(({ start }) => rule(place, { x: start - 0.5, look: "span" })),
      group.values.map((value, index) => mark(seriesOf(labels[index], group.own, classes.length), place.x(index), place.y(value), labels.length > 600 ? 1.75 : 2.5)),
      group.threshold !== null && rule(place, { y: group.threshold, text: `threshold ${number(group.threshold)}` }),
    ],
    rest: "Point at a picture, or use the arrow keys.",
  });
}

function byValue(section, group) {
  const { labels, classes } = section;
  const range = spread(group.values, 0.02);
  const present = [...new Set(labels)];
  const shares = present.map((label) => histogram(group.values.filter((_, index) => labels[index] === label), range, BINS));
  const most = Math.max(...shares.flat(), 0.01);
  const width = (range[1] - range[0]) / BINS;
  const textOf = (bin) => {
    const here = present.map((label, i) => [label, shares[i][bin]]).filter(([, share]) => share > 0).sort((a, b) => b[1] - a[1]).slice(0, 5);
    return `${number(range[0] + bin * width)} to ${number(range[0] + (bin + 1) * width)}: ${here.map(([label, share]) => `${percent(share, 0)} of ${classes[label]}`).join(", ") || "no picture"}`;
  };
  return createChart({
    label: `Sum of the channels of ${group.name}, as distributions`,
    x: { ...axis(range, 5), title: "sum of the channels" },
    y: { range: [0, most * 1.05], ticks: ticks(0, most, 3).map((at) => ({ at, text: percent(at, 0) })) },
    spots: Array.from({ length: BINS }, (_, bin) => ({ x: range[0] + (bin + 0.5) * width, y: Math.max(...shares.map((one) => one[bin])), text: textOf(bin) })),
    along: true,
    marks: (place) => [
      present.map((label, i) => outline(shares[i], range, place, lookOf(label, group.own, classes.length))),
      group.threshold !== null && rule(place, { x: group.threshold, text: `threshold ${number(group.threshold)}` }),
    ],
    rest: "Share of each class's pictures.",
  });
}

const VIEWS = { pictures: ["By picture", byPicture], values: ["Distributions", byValue] };

function panelOf(section, group) {
  const present = [...new Set(section.labels)];
  const count = section.classes.length;
  const named = count <= MOST_COLOURS
    ? present.map((label) => ({ name: section.classes[label], look: lookOf(label, group.own, count) }))
    : [group.own !== null && { name: section.classes[group.own], look: "series-0" }, { name: "other classes", look: "series-other" }].filter(Boolean);
  const place = h("div", {});
  const element = h("article", { class: "sum-panel" },
    h("h3", {}, `Channels of ${group.name}`), keys(named), place,
    h("p", { class: "found-words" }, group.words, group.channels.length > 0 && h("span", { class: "walk-under" }, h("code", {}, `${group.layer}: ${group.channels.slice(0, 25).join(", ")}${group.channels.length > 25 ? ", …" : ""}`))));
  return { element, show: (view) => place.replaceChildren(VIEWS[view][1](section, group)) };
}

export async function render(section) {
  const panels = section.groups.map((group) => panelOf(section, group));
  const name = `sums-${groups++}`;
  const show = (view) => panels.forEach((panel) => panel.show(view));
  const choices = Object.entries(VIEWS).map(([view, [text]], index) => h("label", {}, h("input", { type: "radio", name, value: view, checked: index === 0, onchange: () => show(view) }), h("span", {}, text)));
  show("pictures");
  return h("div", { class: "sums" },
    h("fieldset", { class: "segments" }, h("legend", { class: "visually-hidden" }, "Show the sums"), choices),
    h("div", { class: "chart-grid" }, panels.map((panel) => panel.element)),
    h("p", { class: "caption" }, section.caption, section.left_out > 0 && ` The charts leave out ${plural(section.left_out, "picture")}, evenly within each class; the areas are of all.`));
}
