// What can be done with one map: keep it as PNG or .npy, copy the Python that makes it, link to it, compare it.

import { copyText } from "featuremaps/clipboard.js";
import { h } from "featuremaps/dom.js";
import { fileName, npy, pngBlob, save } from "featuremaps/files.js";

// In a notebook's frame there is no address to come back to.
export const framed = location.protocol === "about:";

const tool = (words, about, onclick) => h("button", { type: "button", class: "tool", title: about, onclick }, words);

// Values travel in steps of the map's peak: 16 bits of it up to 64 × 64 cells, 8 bits above; pixel maps are cut at
// their 99th percentile. The name says so.
function npyName(map, picture) {
  return `${fileName(picture.name, map.method, map.layer, map.target)}${map.cut ? "__cut-at-99-percent" : ""}${map.grid.bits === 8 ? "__8-bit" : ""}.npy`;
}

function kept(map, canvas, picture) {
  const steps = map.grid.bits ? `The values of this map, in ${map.grid.bits}-bit steps of its peak, float32` : "The values of this map, float32";
  return [
    tool("PNG", "Save the picture as it is shown", async () => save(`${fileName(picture.name, map.method, map.layer, map.target)}.png`, await pngBlob(canvas()))),
    tool(".npy", steps, () => save(npyName(map, picture), npy(map.grid))),
  ];
}

// `canvas()` is what is shown; `compare`, where maps can be compared, opens them side by side.
export function mapTools({ map, picture, canvas, compare }) {
  const text = map.code && [picture.code, map.code].filter(Boolean).join("\n");
  const shown = text && h("pre", { class: "code", tabindex: 0, "aria-label": "Python that makes this map", hidden: true }, text);
  const python = text && tool("Copy the Python", "The lines that make exactly this map", () => copyText(text, shown, python));
  const address = map.id && !framed && `${location.href.replace(/#.*/s, "")}#${map.id}`;
  const place = address && h("span", { class: "code", hidden: true }, address);
  const link = address && tool("Link", "Copy an address that opens this map", () => copyText(address, place, link));
  return h("div", { class: "tools" },
    h("div", { class: "tool-row", role: "group", "aria-label": "This map" }, kept(map, canvas, picture), python, link, compare && tool("Compare", "Put it beside another map", compare)),
    shown, place);
}
