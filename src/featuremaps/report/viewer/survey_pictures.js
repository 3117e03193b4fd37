// Pictures of a survey: what a unit sees, the whole picture with the place framed, and where the unit fires.

import { digits, h } from "featuremaps/dom.js";

const share = (value) => `${(100 * value).toFixed(2)}%`;

function frame([left, top, right, bottom]) {
  return h("span", { class: "found-frame", style: { left: share(left), top: share(top), width: share(right - left), height: share(bottom - top) } });
}

// The picture in grey light, bright where the unit's map is high.
function spotlit(one, alt) {
  const { picture, map } = one;
  const mask = `url("${map}")`;
  return h("span", { class: "found-lit" },
    h("img", { class: "found-dim", src: picture.source, alt, width: picture.width, height: picture.height }),
    h("img", { class: "found-bright", src: picture.source, alt: "", style: { "mask-image": mask, "-webkit-mask-image": mask } }), one.box && frame(one.box));
}

function whole(one, alt) {
  if (one.map) return spotlit(one, alt);
  const { source, width, height } = one.picture;
  return h("span", { class: "found-lit" }, h("img", { src: source, alt, width, height }), one.box && frame(one.box));
}

// One picture: the part first where there is one, the whole beside it small. `own` says whether it shows the class.
export function foundPicture(one, unit, { own = null, rank = null } = {}) {
  const note = h("span", { class: "found-note" },
    h("span", { class: own === false ? "found-label other" : "found-label", title: one.name }, one.label || one.name),
    one.value !== null && h("span", { class: "tile-value" }, `${rank === null ? "" : `${rank + 1}. `}${digits(one.value)}`));
  if (!one.part) return h("li", { class: "found" }, whole(one, `${one.name}, and where ${unit} fires in it`), note);
  return h("li", { class: "found" },
    h("span", { class: "found-pair" },
      h("img", { class: "found-part", src: one.part.source, alt: `The part that ${unit} sees of ${one.name}` }),
      h("span", { class: "found-whole" }, whole(one, `The whole of ${one.name}`))),
    note);
}
