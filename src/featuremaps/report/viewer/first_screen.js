// What a reader meets first: the finding, the pictures that prove it side by side, and answers that lead on.

import { overlaySlider } from "featuremaps/controls.js";
import { openMap } from "featuremaps/dialog.js";
import { breakable, h, percent, unbroken } from "featuremaps/dom.js";
import { createFigure, createGroup } from "featuremaps/figure.js";
import { decode } from "featuremaps/grid.js";
import { methodName } from "featuremaps/names.js";
import { load } from "featuremaps/pictures.js";
import { share, track } from "featuremaps/spans.js";
import { createStore, displayState } from "featuremaps/store.js";
import { chip } from "featuremaps/verdict.js";

function answerOf({ answer, probability, right }) {
  if (!answer) return null;
  const kind = right === null ? "" : right ? "right" : "wrong";
  return h("div", { class: `panel-answer ${kind}` },
    h("p", {}, h("strong", {}, probability === null ? answer : `\u201c${answer}\u201d`), probability !== null && ` ${percent(probability, 0)}`),
    probability !== null && h("span", { class: "bar", style: { "--share": probability } }));
}

// The picture as it is, beside it the picture under its map.
async function panelOf(panel, store, group, row) {
  const seen = await load(panel.picture);
  const top = panel.answer ? [{ label: panel.answer, probability: panel.probability }] : [];
  const picture = { name: panel.name, model: panel.title, seen, original: null, placement: null, top, right: panel.right };
  seen.image.alt = `${panel.name}${panel.map ? ", without a map" : ""}`;
  const body = [h("figure", { class: "panel-picture" }, seen.image, h("figcaption", {}, panel.name))];
  if (panel.map) {
    const map = { method: panel.method, layer: panel.layer, target: panel.target, code: panel.code, warnings: [], grid: decode(panel.map) };
    const entry = { map, picture };
    const open = () => openMap({ picture, matrix: [row.filter((each) => each.picture === picture)], store, position: [0, 0] });
    entry.figure = createFigure({ picture, map, store, group, onopen: open });
    row.push(entry);
    body.push(h("figure", { class: "panel-picture" }, entry.figure.button,
      h("figcaption", {}, breakable(methodName(panel.method)), panel.target && [" for ", panel.target], panel.layer && h("span", { class: "quiet" }, ` at ${panel.layer}`))));
  }
  return h("article", { class: panel.map ? "panel" : "panel single" },
    h("h2", { class: "panel-title" }, panel.title, " ", panel.right === null ? null : chip(panel.right)),
    h("div", { class: "panel-pictures" }, body), answerOf(panel));
}

function changeOf({ name, value, before, low, high }) {
  const values = before === null ? percent(value, 0) : `${share(before)} \u2192 ${share(value)}`;
  return h("li", {}, h("span", { class: "changes-name" }, name), track({ before, after: value, low, high, label: `${name}: ${values}` }), h("span", { class: "changes-value" }, values));
}

function cardOf({ title, sentence, pictures, changes, place, link, right }) {
  return h("article", { class: "card" },
    h("h2", { class: right === null ? "" : right ? "right" : "wrong" }, title), h("p", { class: "card-sentence" }, unbroken(sentence)),
    pictures.length > 0 && h("div", { class: "card-pictures" }, pictures.map(({ image, caption }) => h("figure", {},
      h("img", { src: image.source, width: image.width, height: image.height, alt: "" }), caption && h("figcaption", {}, unbroken(caption))))),
    changes.length > 0 && h("ul", { class: "changes" }, changes.map(changeOf)),
    place !== null && h("p", { class: "card-link" }, h("a", { href: `#section-${place}` }, link || "Read on", h("span", { "aria-hidden": "true" }, " \u2192"))));
}

export async function firstScreen({ lead, panels, cards }) {
  const store = createStore(displayState({ colormap: "inferno", strength: 0.7, scale: "max" }));
  const group = createGroup();
  const row = [];
  const drawn = [];
  for (const panel of panels) drawn.push(await panelOf(panel, store, group, row));
  const proof = [
    drawn.length > 0 && h("div", { class: drawn.length === 1 ? "panels one" : "panels" }, drawn),
    row.length > 0 && h("div", { class: "panel-controls" }, overlaySlider(store), h("p", { class: "quiet" }, "Point at a map to read it; click to enlarge.")),
  ];
  const answers = cards.length > 0 && h("div", { class: "cards" }, cards.map(cardOf));
  return [
    lead && h("p", { class: "lead" }, unbroken(lead)),
    drawn.length === 1 && cards.length < 4 ? h("div", { class: "beside" }, h("div", {}, proof), answers) : [proof, answers],
  ];
}
