// The colour bar with numbers at its ends and middle.

import { h, number } from "featuremaps/dom.js";
import { activePalette, colours, paletteStrip } from "featuremaps/paint.js";

export const SCALES = {
  max: { name: "positive only", ends: ["0", "half", "its maximum"], says: "negative values cut off, each map divided by its maximum" },
  minmax: { name: "lowest to highest", ends: ["its minimum", "", "its maximum"], says: "each map from its minimum to its maximum" },
  signed: { name: "signed", ends: ["\u2212 its peak", "0", "+ its peak"], says: "each map divided by its largest magnitude, sign kept" },
};

function bar(name, ends) {
  const strip = paletteStrip(name);
  strip.setAttribute("role", "img");
  strip.setAttribute("aria-label", `Colour bar of ${name}, from ${ends[0]} to ${ends[2]}`);
  return h("div", { class: "legend" }, strip, h("div", { class: "legend-ends", "aria-hidden": "true" }, ends.map((end) => h("span", {}, end))));
}

// What the colours mean for all maps of a section, each with its own maximum.
export function sharedLegend(store) {
  const holder = h("div", { class: "legend-holder" });
  const draw = (state) => holder.replaceChildren(bar(activePalette(state), SCALES[state.scale].ends));
  draw(store.get());
  store.subscribe((state, before) => {
    if (state.scale !== before.scale || activePalette(state) !== activePalette(before)) draw(state);
  });
  return holder;
}

// What the colours mean for one map, in its own raw numbers.
export function mapLegend(map, picture, state) {
  const { low, high } = colours(map, picture, state);
  return bar(activePalette(state), [low, (low + high) / 2, high].map(number));
}
