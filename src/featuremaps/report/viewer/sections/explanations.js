// Pictures, what the model answered, and the maps that explain the answer.

import { breakable, failure, h, percent, plural } from "featuremaps/dom.js";
import { toolbar } from "featuremaps/controls.js";
import { createGroup } from "featuremaps/figure.js";
import { renderMatrices } from "featuremaps/matrix.js";
import { load } from "featuremaps/pictures.js";
import { createStore, displayState } from "featuremaps/store.js";

function answer(picture) {
  if (!picture.top.length) return h("p", { class: "quiet" }, "The model's answer was not recorded.");
  const rows = picture.top.map(({ label, index, probability, covers }) => {
    const truth = label === picture.label && label !== picture.top[0].label;
    const bar = h("span", { class: "bar", style: { "--share": covers ?? probability ?? 0 } });
    return h("li", { class: truth ? "truth" : "" },
      h("span", { class: "class-name", title: `class ${index}` }, label, truth && h("span", { class: "quiet" }, " (its label)")),
      h("span", { class: "share" }, percent(covers ?? probability)), bar);
  });
  const shares = picture.top[0].covers === null || picture.top[0].covers === undefined ? "probability" : "share of the picture";
  return h("ol", { class: "answer", "aria-label": `Top classes with their ${shares}` }, rows);
}

function verdict({ label, top }) {
  if (!label) return null;
  const right = top[0]?.label === label;
  return h("p", { class: "verdict" }, right ? "Right: labelled " : "Labelled ", h("strong", {}, label),
    !right && top.length > 0 && ["; the model says ", h("strong", { class: "said" }, top[0].label)]);
}

function alternative({ name, top, label }) {
  const said = top.length ? ` The model ${top[0].covers ? "finds" : "says"} ${top[0].label}, ${percent(top[0].covers || top[0].probability)}.` : "";
  return `${name}, as the model saw it.${label ? ` Labelled ${label}.` : ""}${said}`;
}

async function renderPicture(data, id, store) {
  const heading = h("h3", { id: `${id}-name` }, breakable(data.name));
  const article = h("article", { class: "picture", id, "aria-labelledby": `${id}-name` });
  if (data.failure) {
    article.append(h("header", {}, heading), failure("This picture could not be shown.", data.failure));
    return article;
  }
  const [seen, original] = await Promise.all([load(data.seen), load(data.original)]);
  const picture = { ...data, seen, original };
  seen.image.alt = alternative(data);
  const body = picture.maps.length
    ? renderMatrices(picture, store, createGroup())
    : [h("p", { class: "empty" }, "No map was asked for.")];
  article.append(
    h("div", { class: "picture-side" }, heading, h("div", { class: "picture-summary" }, seen.image, h("div", {}, verdict(data), answer(data)))),
    h("div", { class: "picture-maps" }, body));
  return article;
}

// One picture that cannot be drawn is a panel that says so; the others are drawn.
async function guarded(data, id, store) {
  try {
    return await renderPicture(data, id, store);
  } catch (error) {
    return h("article", { class: "picture", id }, failure(`${data.name} could not be shown.`, String(error)));
  }
}

function calledOf({ top, label }) {
  const said = top[0].label;
  if (!label) return h("span", { class: "quiet" }, said);
  const right = said === label;
  return h("span", { class: right ? "called right" : "called wrong" }, h("span", { class: "visually-hidden" }, right ? "right: " : "wrong: "), said);
}

// Every picture small: the way to each of them, with what the model calls it.
function thumbnails(section, id) {
  if (section.pictures.length < 2) return null;
  const items = section.pictures.map((picture, index) =>
    h("li", {}, h("a", { href: `#${id}-${index + 1}` },
      picture.seen ? h("img", { src: picture.seen.source, alt: "" }) : h("span", { class: "no-thumbnail" }),
      h("span", { class: "thumbnail-name" }, picture.name),
      picture.top?.length ? calledOf(picture) : null)));
  return h("ul", { class: "thumbnails", "aria-label": "Pictures" }, items);
}

export async function render(section, { id, rejected }) {
  if (!section.pictures.length) {
    const why = rejected.length ? ` ${plural(rejected.length, "picture was", "pictures were")} rejected; the reasons are below.` : "";
    return h("p", { class: "empty" }, `There is no picture to explain.${why}`);
  }
  const store = createStore(displayState(section.display));
  const pictures = await Promise.all(section.pictures.map((picture, index) => guarded(picture, `${id}-${index + 1}`, store)));
  const mapped = section.pictures.some((picture) => picture.maps?.some((map) => map.map));
  const placed = section.pictures.some((picture) => picture.original);
  return h("div", { class: "explanations" }, thumbnails(section, id), mapped && toolbar(store, { placed }), pictures);
}
