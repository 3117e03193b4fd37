// The colour bar with numbers at its ends and middle.

import { h, number } from "featuremaps/dom.js";
import { activePalette, colours, lookOf, paletteStrip } from "featuremaps/paint.js";

export const SCALES = {
  max: { name: "positive only", ends: ["0", "half", "its maximum"], says: "negative values cut off, each map divided by its maximum", saysAll: "negative values cut off, all maps divided by the layer's maximum" },
  minmax: { name: "lowest to highest", ends: ["its minimum", "", "its maximum"], says: "each map from its minimum to its maximum", saysAll: "all maps from the layer's minimum to its maximum" },
  signed: { name: "signed", ends: ["\u2212 its peak", "0", "+ its peak"], says: "each map divided by its largest magnitude, sign kept", saysAll: "all maps divided by the layer's largest magnitude, sign kept" },
};

function bar(name, ends) {
  const strip = paletteStrip(name);
  strip.setAttribute("role", "img");
  strip.setAttribute("aria-label", `Colour bar of ${name}, from ${ends[0]} to ${ends[2]}`);
  return h("div", { class: "legend" }, strip, h("div", { class: "legend-ends", "aria-hidden": "true" }, ends.map((end) => h("span", {}, end))));
}

const endsOf = ({ scale, across }) =>
  SCALES[scale].ends.map((end) => (across === "layer" ? end.replace(/its/, "the layer's") : end));

// What the colours mean for all maps of a section, each with its own maximum or with that of their layer.
export function sharedLegend(store) {
  const holder = h("div", { class: "legend-holder" });
  const draw = (state) => holder.replaceChildren(bar(activePalette(state), endsOf(state)));
  draw(store.get());
  store.subscribe((state, before) => {
    if (state.scale !== before.scale || state.across !== before.across || activePalette(state) !== activePalette(before)) draw(state);
  });
  return holder;
}

// What the colours mean for one map, in its own raw numbers.
export function mapLegend(map, picture, state) {
  const { low, high } = colours(map, picture, state);
  return bar(activePalette(lookOf(map, state)), [low, (low + high) / 2, high].map(number));
}
