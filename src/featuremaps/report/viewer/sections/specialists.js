// Which channels each class uses: a class after the other, its best channels with their strongest pictures.

import { failure, h } from "featuremaps/dom.js";
import { foundPicture } from "featuremaps/survey_pictures.js";

function channelOf({ unit, words, pictures, proven }, label) {
  return h("div", { class: "found-unit" },
    h("p", { class: "found-head" }, h("code", {}, unit), h("span", { class: proven ? "quiet" : "quiet doubtful" }, words)),
    h("ol", { class: "found-row", "aria-label": `The pictures in which ${unit} is strongest` },
      pictures.map((one) => foundPicture(one, unit, { own: one.label === label }))));
}

function classOf(one) {
  const heading = h("h3", {}, one.label);
  if (one.failure) return h("article", { class: "found-class" }, heading, failure("This class cannot be shown.", one.failure));
  return h("article", { class: "found-class" }, heading,
    h("div", { class: "found-channels" }, one.channels.map((channel) => channelOf(channel, one.label))),
    h("p", { class: "found-words" }, one.words, one.article && h("span", { class: "walk-under" }, one.article)));
}

export async function render(section) {
  return h("div", { class: "specialists" }, section.classes.map(classOf), h("p", { class: "caption" }, section.caption));
}
