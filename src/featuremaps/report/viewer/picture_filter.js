// Which pictures are shown, and in which order: by what was right, by label, by confidence, by doubt, by a word.

import { select } from "featuremaps/controls.js";
import { h, plural } from "featuremaps/dom.js";
import { isRight } from "featuremaps/verdict.js";

const sure = ({ top }) => top?.[0]?.probability ?? null;
const isDoubtful = ({ maps, failure }) => Boolean(failure) || (maps ?? []).some(({ warnings, failure: failed }) => failed || warnings?.length);
const CONFIDENCES = {
  any: ["any", () => true],
  low: ["below 50%", (share) => share < 0.5],
  middle: ["50% to 90%", (share) => share >= 0.5 && share < 0.9],
  high: ["90% and more", (share) => share >= 0.9],
};
const last = (value, otherwise) => value ?? otherwise;
const SORTS = {
  given: ["as given", () => 0],
  least: ["least sure first", (a, b) => last(sure(a), 2) - last(sure(b), 2)],
  most: ["most sure first", (a, b) => last(sure(b), -1) - last(sure(a), -1)],
  name: ["name", (a, b) => a.name.localeCompare(b.name, undefined, { numeric: true })],
  label: ["label", (a, b) => (a.label ?? "").localeCompare(b.label ?? "") || a.name.localeCompare(b.name)],
};
const KINDS = {
  all: ["All", () => true],
  right: ["Right", (picture) => isRight(picture) === true],
  wrong: ["Wrong", (picture) => isRight(picture) === false],
  doubt: ["With a doubt", isDoubtful],
};
export const ANYTHING = Object.freeze({ kind: "all", label: "", confidence: "any", sort: "given", words: "" });

function holds(picture, words) {
  const text = [picture.name, picture.label, ...(picture.top ?? []).slice(0, 1).map(({ label }) => label)].join(" ").toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

// The places of the pictures that are asked for, in the order asked for.
export function chosen(pictures, { kind, label, confidence, sort, words }) {
  const fits = (picture) => KINDS[kind][1](picture) && (!label || picture.label === label || picture.top?.[0]?.label === label)
    && (confidence === "any" || (sure(picture) !== null && CONFIDENCES[confidence][1](sure(picture)))) && holds(picture, words);
  const places = pictures.map((_, place) => place).filter((place) => fits(pictures[place]));
  return places.sort((a, b) => SORTS[sort][1](pictures[a], pictures[b]) || a - b);
}

let groups = 0;

// Calls `change(places)` now and whenever another choice is made. `clear()` shows everything again.
export function pictureFilter(pictures, change) {
  let wanted = ANYTHING;
  const name = `kind-${groups++}`;
  const count = h("output", { class: "quiet", "aria-live": "polite" });
  const labels = [...new Set(pictures.flatMap(({ label, top }) => [label, top?.[0]?.label]).filter(Boolean))].sort();
  const set = (part) => {
    wanted = { ...wanted, ...part };
    const places = chosen(pictures, wanted);
    count.textContent = places.length === pictures.length ? "" : `${places.length} of ${plural(pictures.length, "picture")}`;
    change(places);
  };
  const kinds = Object.entries(KINDS).map(([kind, [words, fits]]) => [kind, words, pictures.filter(fits).length]).filter(([kind, , many]) => kind === "all" || many);
  const segments = kinds.length > 1 && h("fieldset", { class: "segments" }, h("legend", { class: "visually-hidden" }, "Which pictures"),
    kinds.map(([kind, words, many]) => h("label", {}, h("input", { type: "radio", name, value: kind, checked: kind === "all", onchange: () => set({ kind }) }), h("span", {}, `${words} ${many}`))));
  const search = h("input", { type: "search", class: "search", placeholder: "Search", "aria-label": "Search the pictures", oninput: () => set({ words: search.value.trim() }) });
  const options = (table) => Object.entries(table).map(([key, [words]]) => [key, words]);
  const controls = () => [
    segments,
    labels.length > 1 && select("Label", [["", "any"], ...labels.map((label) => [label, label])], "", (label) => set({ label })),
    pictures.some((picture) => sure(picture) !== null) && select("Confidence", options(CONFIDENCES), "any", (confidence) => set({ confidence })),
    select("Sort", options(SORTS), "given", (sort) => set({ sort })),
    search, count,
  ].filter(Boolean);
  const element = h("div", { class: "picture-filter", role: "group", "aria-label": "Which pictures are shown" }, controls());
  const clear = () => {
    search.value = "";
    element.querySelectorAll("select").forEach((one) => (one.selectedIndex = 0));
    if (segments) segments.querySelector("input").checked = true;
    set(ANYTHING);
    (segments ? segments.querySelector("input") : search).focus();
  };
  return { element, clear, start: () => set({}) };
}
