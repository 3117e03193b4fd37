// Pictures, what the model answered, and the maps that explain the answer.

import { breakable, failure, h, percent, plural } from "featuremaps/dom.js";
import { toolbar } from "featuremaps/controls.js";
import { createGroup } from "featuremaps/figure.js";
import { renderMatrices } from "featuremaps/matrix.js";
import { pictureFilter } from "featuremaps/picture_filter.js";
import { pager, pageStart } from "featuremaps/pages.js";
import { load } from "featuremaps/pictures.js";
import { createStore, displayState } from "featuremaps/store.js";
import { thumbnail } from "featuremaps/thumbnails.js";

function answer(picture) {
  if (picture.note) return null;
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

async function renderPicture(data, id, store, { compare }) {
  const heading = h("h3", { id: `${id}-name` }, breakable(data.name));
  const article = h("article", { class: data.maps?.length === 1 ? "picture single" : "picture", id, "aria-labelledby": `${id}-name` });
  if (data.failure) {
    article.append(h("header", {}, heading), failure("This picture could not be shown.", data.failure));
    return article;
  }
  const [seen, original] = await Promise.all([load(data.seen), load(data.original)]);
  const maps = data.maps.map((map, place) => ({ ...map, id: `${id}-map-${place + 1}` }));
  const picture = { ...data, maps, seen, original, compare };
  seen.image.alt = alternative(data);
  const body = picture.maps.length
    ? renderMatrices(picture, store, createGroup())
    : [h("p", { class: "empty" }, picture.note || "No map was asked for.")];
  article.append(
    h("div", { class: "picture-side" }, heading, h("div", { class: "picture-summary" }, seen.image, h("div", {}, verdict(data), answer(data)))),
    h("div", { class: "picture-maps" }, body));
  return article;
}

// One picture that cannot be drawn is a panel that says so; the others are drawn.
async function guarded(data, id, store, context) {
  try {
    return await renderPicture(data, id, store, context);
  } catch (error) {
    return h("article", { class: "picture", id }, failure(`${data.name} could not be shown.`, String(error)));
  }
}

const FILTERED = 3;
const AT_ONCE = 12;
const PAGE = 6;
const WALL = 48;

// The articles of the pictures asked for, all of a few and a page of many; each is made when it is first shown.
function stage(section, id, store, context) {
  const made = new Map();
  const holder = h("div", { class: "picture-articles" });
  const paper = h("p", { class: "print-only" });
  const pages = pager("pictures", (from) => show(places, from).then(() => holder.scrollIntoView()));
  let places = [];
  let start = 0;
  const article = (place) => {
    const own = `${id}-${place + 1}`;
    if (!made.has(place)) made.set(place, guarded(section.pictures[place], own, store, context));
    return made.get(place);
  };
  async function show(next, from = 0) {
    [places, start] = [next, from];
    const size = places.length > AT_ONCE ? PAGE : AT_ONCE;
    const articles = await Promise.all(places.slice(from, from + size).map(article));
    if (places !== next || start !== from) return;
    pages.tell(from, size, places.length);
    paper.textContent = places.length > size ? `${plural(articles.length, "picture")} of ${places.length}, from ${from + 1} on, are printed.` : "";
    holder.replaceChildren(...articles);
  }
  // A link may lead to a picture that is not shown now.
  async function reach(place) {
    const at = places.indexOf(place);
    if (at < 0) await show([place, ...places]);
    else await show(places, pageStart(at, places.length > AT_ONCE ? PAGE : AT_ONCE));
  }
  return { show, reach, parts: [holder, pages.element, paper] };
}

// The pictures small, a page of them at a time; each leads to its article.
function wallOf(section, id, store) {
  const element = h("ul", { class: "thumbnails", "aria-label": "Pictures" });
  const faces = section.pictures.map((picture, place) => thumbnail(picture, `${id}-${place + 1}`, store));
  const pages = pager("small pictures", (from) => show(places, from));
  let places = [];
  function show(next, from = 0) {
    places = next;
    element.replaceChildren(...places.slice(from, from + WALL).map((place) => faces[place]));
    pages.tell(from, WALL, places.length);
  }
  return { show, parts: [element, pages.element] };
}

export async function render(section, { id, rejected, library, compare }) {
  if (!section.pictures.length) {
    const why = rejected.length ? ` ${plural(rejected.length, "picture was", "pictures were")} rejected; the reasons are below.` : "";
    return h("p", { class: "empty" }, `There is no picture to explain.${why}`);
  }
  const store = createStore(displayState(section.display));
  const several = (library?.places.flatMap(({ pictures }) => pictures.flatMap(({ maps }) => maps)).length ?? 0) > 1;
  const articles = stage(section, id, store, { compare: several ? compare : null });
  const mapped = section.pictures.some((picture) => picture.maps?.some((map) => map.map));
  const placed = section.pictures.some((picture) => picture.original);
  const tools = mapped && toolbar(store, { placed });
  const element = h("div", { class: "explanations" });
  element.addEventListener("reach", ({ detail }) => detail.wait.push(articles.reach(detail.place)));
  if (section.pictures.length < 2) {
    await articles.show([0]);
    element.append(...[tools, ...articles.parts].filter(Boolean));
    return element;
  }
  const wall = wallOf(section, id, store);
  const none = h("div", { class: "empty", hidden: true }, h("p", {}, "No picture matches."), h("button", { type: "button", class: "open-all", onclick: () => filter.clear() }, "Clear the filter"));
  let drawn = Promise.resolve();
  const filter = pictureFilter(section.pictures, (places) => {
    wall.show(places);
    none.hidden = places.length > 0;
    if (tools) tools.hidden = !places.length;
    drawn = articles.show(places);
  });
  filter.start();
  await drawn;
  element.append(...[section.pictures.length >= FILTERED && filter.element, ...wall.parts, none, tools, ...articles.parts].filter(Boolean));
  return element;
}
