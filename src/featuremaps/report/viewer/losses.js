// What is left of a score when something is taken out: as a number over a bar whose mark is what it was.

import { h } from "featuremaps/dom.js";

export const signed = (value) => `${value < 0 ? "+" : "\u2212"}${Math.abs(value).toFixed(2)}`;
export const share = (value) => (value === null ? "unknown" : value.toFixed(2));

// How much is gone, in words; "" where that is not known.
export function gone(value, whole) {
  if (value === null || whole === null) return "";
  return Math.abs(whole - value) < 0.005 ? "as it was" : signed(whole - value);
}

export function leftBar(value, whole) {
  return h("span", { class: "region-left", "aria-hidden": "true", style: { "--share": Math.min(1, value ?? 0), "--whole": Math.min(1, whole ?? 0) } });
}

export function leftCell(value, whole, name) {
  return h("td", { "data-name": name }, h("span", { class: "region-number" }, share(value)), leftBar(value, whole),
    whole !== null && value !== null && h("span", { class: "walk-under" }, gone(value, whole)));
}
