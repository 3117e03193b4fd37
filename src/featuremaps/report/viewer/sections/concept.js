// A concept: pictures with it and without it in order along it, how well it is told, and which classes rest on it.

import { h, number, plural } from "featuremaps/dom.js";
import { between, share, track } from "featuremaps/spans.js";

function exampleOf({ picture, name, strength }) {
  return h("li", { class: "example plain" },
    h("img", { src: picture.source, width: picture.width, height: picture.height, alt: `${name}: ${number(strength)} along the concept` }),
    h("span", { class: "example-note", "aria-hidden": "true" }, number(strength)));
}

function rowOf({ title, count, pictures }) {
  return h("div", { class: "examples" },
    h("p", { class: "examples-title" }, h("strong", {}, title), h("span", { class: "quiet" }, plural(count, "picture"))),
    pictures.length ? h("ul", { class: "examples-row", "aria-label": title }, pictures.map(exampleOf)) : h("p", { class: "examples-none quiet" }, "The pictures are not at hand."));
}

function wayOf({ name, used, accuracy, low, high, cosine }) {
  return h("li", {},
    h("span", { class: "changes-name" }, name, h("span", { class: "quiet" }, used ? " used" : ` cosine ${cosine.toFixed(2)}`)),
    track({ after: accuracy, low, high, rules: [0.5], label: `${name}: ${share(accuracy)} of held-out pictures told right, interval ${between(low, high)}` }),
    h("span", { class: "changes-value" }, share(accuracy)));
}

// Effects on one scale, 0 in its middle, beside the reach of random concepts.
function classesOf(rows, told) {
  const reach = Math.max(...rows.flatMap(({ effect, random }) => [effect, ...random].map(Math.abs)), 1e-12);
  const row = ({ label, effect, random, share: rising, sure, words }) => h("li", {},
    h("span", { class: "changes-name" }, label, h("span", { class: "quiet" }, ` ${rising.of}${sure ? "" : ", by chance"}`)),
    track({ after: effect, band: random, rules: [0], from: -reach, to: reach, label: `${label}: ${words}` }),
    h("span", { class: "changes-value" }, effect > 0 ? "+" : "", number(effect)));
  return h("div", {},
    h("h4", {}, "Which classes rest on it"),
    h("ul", { class: "changes" }, rows.map(row)),
    h("p", { class: "caption" }, `How far a class's score changes from pictures without it to pictures with it, to first order; behind each name how many pictures, ${told}. Bars hold 95 of 100 random concepts.`));
}

export async function render(section) {
  return h("div", { class: "shortcuts" }, h("article", { class: section.holds ? "shortcut" : "shortcut untold" },
    h("h3", { class: "shortcut-claim" }, section.claim),
    h("div", { class: "shortcut-body" },
      h("div", { class: "shortcut-pictures" }, section.rows.map(rowOf), h("p", { class: "caption" }, "From the strongest to the weakest: how far each lies along it, where those without it lie at 0 on average.")),
      h("div", { class: "concept-told" },
        h("h4", {}, "Held-out pictures told right"),
        h("ul", { class: "changes" }, section.ways.map(wayOf)),
        h("p", { class: "caption" }, "The line is chance, 50%. Bars are 95% intervals."),
        section.classes && classesOf(section.classes, section.told))),
    section.notes.map((note) => h("p", { class: "caption" }, `Note: ${note}.`))));
}
