// What a detector finds: the picture with its boxes, each a button that opens its map and what its score rests on.

import { announce, breakable, failure, h } from "featuremaps/dom.js";
import { gone, leftBar, leftCell, share } from "featuremaps/losses.js";
import { methodName } from "featuremaps/names.js";

const place = ({ edges }) => {
  const [left, top, right, bottom] = edges;
  return { "--x": (left + right) / 2, "--y": (top + bottom) / 2, "--w": right - left, "--h": bottom - top };
};
// Of more boxes than these only the chosen one is named on the picture, the others are numbered.
const CROWD = 8;
const area = ({ edges }) => (edges[2] - edges[0]) * (edges[3] - edges[1]);
const called = ({ number, label, whole }) => `${number === null ? "" : `${number}: `}${label}, score ${share(whole)}`;

// Smaller boxes lie above larger ones, so that each can be pressed.
function boxButtons(boxes, choose, id) {
  const order = boxes.map((_, index) => index).sort((a, b) => area(boxes[b]) - area(boxes[a]));
  return boxes.map((box, index) => h("button", {
    type: "button", class: "box", "aria-pressed": "false", "aria-controls": id, "aria-label": called(box), title: called(box),
    style: { ...place(box), "--above": order.indexOf(index) + 1 }, onclick: () => choose(index),
  }, h("span", { class: "box-line" }, h("span", { class: "box-chip" }, h("span", {}, box.number ?? "\u2022"), h("span", { class: "box-word" }, ` ${box.label}`)))));
}

function shown(picture, alt, caption) {
  return picture && h("figure", { class: "region-figure" },
    h("img", { src: picture.source, alt, width: picture.width, height: picture.height }),
    h("figcaption", {}, caption));
}

const told = (value, whole, name) => [h("strong", {}, share(value)), ` ${name}`, leftBar(value, whole), h("span", { class: "quiet" }, gone(value, whole))];

function detailOf(box) {
  const map = box.map && h("span", {}, methodName(box.method), h("span", { class: "quiet" }, " at ", breakable(box.layer)));
  return [
    h("h4", {}, box.name, h("span", { class: "pattern-remark" }, `score ${share(box.whole)}, box ${box.place}`)),
    h("p", { class: "box-verdict" }, box.verdict),
    h("div", { class: "box-pictures" },
      shown(box.map, `Where the picture speaks for ${box.name}`, map),
      shown(box.onlyInside, `Only what lies in the box of ${box.name}`, told(box.alone, box.whole, "with the inside only")),
      shown(box.withoutInside, `All but what lies in the box of ${box.name}`, told(box.without, box.whole, "with the outside only"))),
    box.warnings.map((text) => h("p", { class: "warning" }, text)),
    box.remarks.map((text) => h("p", { class: "caption" }, text)),
  ];
}

function tableOf(boxes, choose, id) {
  const head = (name, under) => h("th", { scope: "col" }, name, h("span", { class: "walk-under" }, under));
  const buttons = boxes.map((box, index) => h("button", { type: "button", class: "box-row", "aria-pressed": "false", "aria-controls": id, onclick: () => choose(index, true) }, box.name));
  const rows = boxes.map((box, index) => h("tr", {},
    h("th", { scope: "row" }, buttons[index]),
    leftCell(box.whole, null, "score"),
    leftCell(box.alone, box.whole, "inside only"),
    leftCell(box.without, box.whole, "outside only")));
  const table = h("table", { class: "regions boxes-table" },
    h("thead", {}, h("tr", {}, head("Box", "surest first"), head("Score", "in the whole picture"), head("Inside only", "all outside the box is gone"), head("Outside only", "what is in the box is gone"))),
    h("tbody", {}, rows));
  return { table, buttons, rows };
}

function pictureOf(one, id) {
  const heading = h("h3", {}, breakable(one.name));
  if (one.failure) return failure(one.name ?? "A picture could not be shown.", one.failure);
  const image = h("img", { src: one.seen.source, alt: `${one.name}, as the detector sees it`, width: one.seen.width, height: one.seen.height });
  if (!one.boxes.length) {
    return h("article", { class: "region-picture" }, heading, h("div", { class: "boxes-stage" }, h("div", { class: "boxes-canvas" }, image),
      h("p", { class: "empty" }, "The detector finds nothing in this picture, however unsure. Its own settings may leave out what is unsure.")));
  }
  const detail = h("div", { class: "box-detail", id });
  const table = tableOf(one.boxes, choose, id);
  const buttons = boxButtons(one.boxes, choose, id);

  function show(index) {
    for (const each of [buttons, table.buttons]) each.forEach((button, at) => button.setAttribute("aria-pressed", String(at === index)));
    table.rows.forEach((row, at) => row.classList.toggle("chosen", at === index));
    detail.replaceChildren(...detailOf(one.boxes[index]).flat());
  }
  function choose(index, far = false) {
    show(index);
    if (far) detail.scrollIntoView({ block: "nearest" });
    announce(`${called(one.boxes[index])}. ${one.boxes[index].verdict}`);
  }
  show(0);
  const canvas = h("div", { class: one.boxes.length > CROWD ? "boxes-canvas crowded" : "boxes-canvas", role: "group", "aria-label": `Boxes in ${one.name}`, style: { "--ratio": one.seen.height / one.seen.width } }, image, buttons);
  return h("article", { class: "region-picture" }, heading,
    one.note && h("p", { class: "warning" }, one.note),
    h("div", { class: "boxes-stage" }, canvas, detail),
    table.table, one.more && h("p", { class: "caption" }, one.more));
}

export async function render(section, { id }) {
  return h("div", { class: "boxes" }, section.pictures.map((one, index) => pictureOf(one, `${id}-box-${index + 1}`)),
    h("p", { class: "caption" }, "Press a box to see what it rests on. A score in a changed picture is that of the detection that fits the box best, times their overlap: it falls where "
      + "the detector is less sure, and where its box moves. What is taken out is filled with what its surroundings lead to, which is no picture the detector knows: read small differences with care."));
}
