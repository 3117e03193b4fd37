// Pictures from the payload, and the strip in which a reader chooses one of them.

import { h } from "featuremaps/dom.js";

export async function load(entry) {
  if (!entry) return null;
  const image = new Image();
  image.src = entry.source;
  await image.decode();
  return { ...entry, image };
}

let strips = 0;

// Calls `choose(index)` when another picture is chosen. A single picture is shown without a choice.
export function pictureStrip(pictures, choose) {
  const name = `picture-${strips++}`;
  const face = ({ seen, name: text }) => [
    seen ? h("img", { src: seen.source, alt: "" }) : h("span", { class: "no-thumbnail" }),
    h("span", { class: "thumbnail-name" }, text),
  ];
  if (pictures.length === 1) return h("div", { class: "strip" }, h("div", { class: "strip-item" }, face(pictures[0])));
  const items = pictures.map((picture, index) => {
    const input = h("input", { type: "radio", name, checked: index === 0, onchange: () => choose(index) });
    return h("label", { class: "strip-item" }, input, face(picture));
  });
  return h("fieldset", { class: "strip" }, h("legend", { class: "visually-hidden" }, "Picture"), items);
}
