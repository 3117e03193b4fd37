// Shortcuts: the sentence, the pictures, the proof; or that there is none and what would have been found; and the repair.

import { failure, h, number, plural } from "featuremaps/dom.js";
import { chip } from "featuremaps/verdict.js";
import { beforeAfterRows, between, share, track } from "featuremaps/spans.js";

function exampleOf({ picture, label, called }) {
  const right = label === called;
  return h("li", { class: right ? "example right" : "example wrong" },
    h("img", { src: picture.source, width: picture.width, height: picture.height, alt: `${label}, called ${called}: ${right ? "right" : "wrong"}` }),
    h("span", { class: "example-note", "aria-hidden": "true" }, h("span", { class: "mark-sign" }, right ? "\u2713" : "\u2715"), ` ${called}`));
}

function rowOf({ title, pictures, called }, label) {
  const of = called.of ? `${share(called.value)} of ${called.of} called ${label}` : "no pictures";
  return h("div", { class: "examples" },
    h("p", { class: "examples-title" }, h("strong", {}, title), h("span", { class: "quiet" }, of)),
    pictures.length ? h("ul", { class: "examples-row", "aria-label": title }, pictures.map(exampleOf)) : h("p", { class: "examples-none quiet" }, "There is none among the pictures."));
}

function proofOf({ title, why, before, after, low, high, control, pictures, holds }) {
  if (why) return h("li", {}, h("p", { class: "proof-title" }, title), h("p", { class: "quiet" }, why));
  const beside = `random directions move it by ${share(control)} at most`;
  const words = `${share(before)} before, ${share(after)} after (interval ${between(low, high)}); ${beside}; ${plural(pictures, "picture")}${holds ? "" : "; not beyond chance"}`;
  return h("li", {},
    h("p", { class: "proof-title" }, title, h("strong", {}, ` ${share(before)} \u2192 ${share(after)}`)),
    track({ before, after, low, high, band: [before - control, before + control], label: `${title}: ${words}` }),
    h("p", { class: "proof-ends", "aria-hidden": "true" }, h("span", {}, "0%"), h("span", {}, "100%")),
    h("p", { class: "proof-note" }, `Interval ${between(low, high)}; ${beside}; ${plural(pictures, "picture")}.`, !holds && " Not beyond chance."));
}

const WORDS = { "p_value": "p, corrected for all that was tried", separation: "distance of the two groups (Ashman's D)" };
const written = (value) => (value === null ? "none" : typeof value === "number" ? number(value) : String(value));

const doubtsOf = (doubts) => doubts.map((sentence) => h("p", { class: "shortcut-doubt" }, sentence));

function numbersOf({ numbers, answers, proofs }) {
  return h("details", { class: "folded numbers" }, h("summary", {}, "In words and numbers"),
    [...answers, ...proofs].map((sentence) => h("p", { class: "shortcut-words" }, sentence)),
    h("dl", { class: "made" }, Object.entries(numbers).map(([name, value]) => [h("dt", {}, WORDS[name] ?? name.replaceAll("_", " ")), h("dd", {}, written(value))])));
}

function findingOf(one) {
  if (one.failure) return h("article", { class: "shortcut" }, h("h3", {}, one.label), failure("This finding cannot be shown.", one.failure));
  return h("article", { class: "shortcut" },
    h("h3", { class: "shortcut-claim" }, one.claim), doubtsOf(one.doubts),
    h("div", { class: "shortcut-body" },
      h("div", { class: "shortcut-pictures" }, one.rows.map((row) => rowOf(row, one.label))),
      h("div", { class: "shortcut-proof" },
        h("h4", {}, `Proof: the probability of ${one.label}`),
        h("ul", { class: "proofs" }, one.proof.map(proofOf)),
        h("p", { class: "track-key quiet", "aria-hidden": "true" }, h("span", { class: "key before" }, "before"), h("span", { class: "key after" }, "after"), h("span", { class: "key band" }, "random directions")),
        numbersOf(one))));
}

// No finding is a result: what would have been found, by how many of a class's pictures lack it.
function noneOf({ power, pictures, classes, tried }) {
  const row = ({ share: lacking, drop }) => h("li", {},
    h("span", { class: "changes-name" }, `lacking in ${share(lacking)} of a class`),
    track({ band: drop === null ? null : [drop, 1], label: drop === null ? "nothing would have been found" : `found from an effect of ${share(drop)} on`, kind: "power" }),
    h("span", { class: "changes-value" }, drop === null ? "not found" : `from ${share(drop)} on`));
  return h("div", { class: "none" },
    h("h3", {}, power.title),
    h("p", { class: "none-lead" }, `${plural(pictures, "picture")} of ${plural(classes.length, "class", "classes")}, ${plural(tried, "attribute")} looked at.`),
    power.shares.length > 0 && h("div", { class: "none-power" },
      h("h4", {}, "What would have been found, in 8 of 10 times"),
      h("ul", { class: "changes" }, power.shares.map(row)),
      h("p", { class: "proof-ends power-ends", "aria-hidden": "true" }, h("span", {}, "no effect"), h("span", {}, "every answer turned round"))),
    h("p", { class: "shortcut-words" }, power.words));
}

function layersOf({ layers, repairable, label }) {
  if (!layers.length) return h("p", { class: "quiet" }, `There are too few pictures of ${label} without it to tell.`);
  return [
    h("ul", { class: "changes" }, layers.map(({ layer, value, low, high }) => h("li", {},
      h("code", { class: "changes-name" }, layer),
      track({ after: value, low, high, from: 0, rules: [0.5, repairable], label: `${layer}: area under the ROC curve ${value.toFixed(2)}, interval ${low === null ? "unknown" : `${low.toFixed(2)} to ${high.toFixed(2)}`}` }),
      h("span", { class: "changes-value" }, value.toFixed(2))))),
    h("p", { class: "caption" }, `Area under the ROC curve of a linear probe, held out. Lines: 0.5 is chance; from ${repairable} on the class counts as told.`),
  ];
}

function waysOf(ways) {
  const cell = ({ value, low, high }) => `${share(value)} (${between(low, high)})`;
  return h("details", { class: "folded" }, h("summary", {}, `Ways tried: ${ways.length - 1}`),
    h("table", { class: "ways" },
      h("thead", {}, h("tr", {}, ["Way", "Settings", "Worst group", "All"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, ways.map((way) => h("tr", {},
        h("th", { scope: "row" }, way.title), h("td", { "data-name": "Settings" }, way.settings || "\u2013"),
        h("td", { "data-name": "Worst group" }, cell(way.worst)), h("td", { "data-name": "All" }, cell(way.all)))))));
}

function repairOf(repair, changed) {
  return h("article", { class: "shortcut repair" },
    h("h3", { class: "shortcut-claim" }, repair.repaired ? "It can be repaired" : "It cannot be repaired here", " ", chip(repair.repaired, repair.repaired ? "repaired" : "not repaired")),
    h("p", { class: "shortcut-words" }, repair.sentence),
    repair.advice && h("p", { class: "shortcut-words" }, repair.advice),
    h("div", { class: "repair-body" },
      h("div", {}, h("h4", {}, "Called right, before and after"), beforeAfterRows([...repair.groups, { name: "all", worst: false, ...repair.all }]),
        h("p", { class: "caption" }, `Held-out pictures, by ${repair.way}${repair.repaired ? "" : ", the best try"}; behind each name how many. Bars are 95% intervals.`)),
      h("div", {}, h("h4", {}, `How well layers tell ${repair.label} without the shortcut`), layersOf(repair))),
    waysOf(repair.ways),
    changed && h("details", { class: "folded" }, h("summary", {}, "All of the survey's pictures, before and after"), beforeAfterRows(changed)));
}

export async function render(section) {
  return h("div", { class: "shortcuts" },
    section.found.map(findingOf),
    section.power && noneOf(section),
    section.repair && repairOf(section.repair, section.changed),
    !section.repair && section.changed && h("article", { class: "shortcut" }, h("h3", {}, "Before and after"), beforeAfterRows(section.changed)),
    section.unproven.length > 0 && h("details", { class: "folded" },
      h("summary", {}, `${plural(section.unproven.length, "more suspicion")}, not proven`),
      section.unproven.map((sentence) => h("p", { class: "shortcut-words" }, sentence))),
    section.notes.map((note) => h("p", { class: "caption" }, `Note: ${note}.`)));
}
