// Two maps side by side: other models, methods or pictures, under one slider, zoomed and moved together.

import { overlaySlider, select } from "featuremaps/controls.js";
import { h } from "featuremaps/dom.js";
import { createFigure, createGroup } from "featuremaps/figure.js";
import { mapLegend } from "featuremaps/legend.js";
import { framed } from "featuremaps/map_tools.js";
import { createStore, displayState } from "featuremaps/store.js";
import { answerOf } from "featuremaps/verdict.js";
import { attachZoom, createZoom } from "featuremaps/zoom.js";

export const ADDRESS = "compare=";

const places = (library) => library.places.flatMap((place) => place.pictures.flatMap((picture) => picture.maps.map((map) => ({ place, picture, map }))));

// What is most telling beside a map: the same picture and map of another model, else another map of the picture.
export function counterpart(library, id) {
  const all = places(library);
  const own = all.find(({ map }) => map.id === id);
  const method = (name) => name.replace(/ for .*/, "");
  const alike = (one) => one.picture.name === own.picture.name && one.place !== own.place;
  const other = all.find((one) => alike(one) && method(one.map.name) === method(own.map.name)) ?? all.find(alike)
    ?? all.find((one) => one.picture === own.picture && one !== own) ?? all.find((one) => one !== own);
  return other?.map.id ?? id;
}

// One half: what is shown is chosen above, its answer stands below.
function pane(library, store, zoom, group, name, changed) {
  const choices = h("div", { class: "pane-choices" });
  const frame = h("div", { class: "zoom pane-frame", tabindex: 0, role: "group", "aria-label": `${name} map: plus and minus zoom, arrow keys move` });
  const below = h("div", { class: "pane-below" });
  let figure = null;
  let stops = [];
  const release = () => {
    figure?.release();
    stops.forEach((stop) => stop());
    stops = [];
  };
  const holder = h("div", {});
  frame.append(holder);
  const pane = { element: h("section", { class: "pane", "aria-label": name }, choices, frame, below), id: null, release };
  attachZoom(zoom, frame, holder, { arrows: true });

  function choose() {
    const { place, picture, map } = places(library).find((one) => one.map.id === pane.id);
    const pick = (label, options, current, go) => select(label, options.map((one) => [one.id, one.title ?? one.name]), current.id, go);
    // The same picture and map where the other model or picture has them.
    const first = (pictures) => {
      const same = pictures.find(({ name: text }) => text === picture.name) ?? pictures[0];
      return (same.maps.find(({ name: text }) => text === map.name) ?? same.maps.find(({ name: text }) => text.replace(/ for .*/, "") === map.name.replace(/ for .*/, "")) ?? same.maps[0]).id;
    };
    choices.replaceChildren(
      library.places.length > 1 && pick("In", library.places, place, (id) => pane.show(first(library.places.find((one) => one.id === id).pictures))) || "",
      place.pictures.length > 1 && pick("Picture", place.pictures, picture, (id) => pane.show(first([place.pictures.find((one) => one.id === id)]))) || "",
      pick("Map", picture.maps, map, pane.show));
  }
  pane.show = async (id) => {
    const opened = await library.open(id);
    if (!opened) return;
    const focused = choices.contains(document.activeElement) ? [...choices.children].indexOf(document.activeElement.parentElement) : -1;
    release();
    pane.id = id;
    choose();
    choices.children[focused]?.querySelector("select")?.focus();
    const { picture, map } = opened;
    figure = createFigure({ picture, map, store, group, least: 512, plain: true });
    figure.visible = true;
    holder.replaceChildren(figure.canvas, figure.dot);
    frame.style.setProperty("--ratio", picture.seen.width / picture.seen.height);
    figure.draw();
    const describe = () => below.replaceChildren(h("p", { class: "pane-answer" }, answerOf(picture, map) ?? "The model's answer is not known."), figure.readout, mapLegend(map, picture, store.get()),
      ...[...(map.warnings ?? []).map((text) => h("p", { class: "warning" }, text)), ...(map.remarks ?? []).map((text) => h("p", { class: "remark" }, text))]);
    stops.push(store.subscribe(describe));
    describe();
    const point = (event) => group.point(figure.placeOf(event));
    frame.onpointermove = point;
    frame.onpointerleave = () => group.point(null);
    changed();
  };
  return pane;
}

// Opens two maps by their addresses; the page's address becomes theirs.
export async function openComparison(library, left, right = counterpart(library, left)) {
  const store = createStore(displayState({ colormap: "inferno", strength: 0.7, scale: "max" }));
  const [zoom, group, before] = [createZoom(), createGroup(), framed ? "" : location.hash];
  const back = document.activeElement;
  const panes = [];
  const changed = () => !framed && panes.every(({ id }) => id) && history.replaceState(null, "", `#${ADDRESS}${panes.map(({ id }) => id).join(",")}`);
  panes.push(pane(library, store, zoom, group, "Left", changed), pane(library, store, zoom, group, "Right", changed));
  const dialog = h("dialog", { class: "enlarged comparison", "aria-labelledby": "comparison-title" },
    h("header", {}, h("h2", { id: "comparison-title" }, "Side by side"), h("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => dialog.close() }, "\u00d7")),
    h("div", { class: "comparison-controls" }, overlaySlider(store),
      h("div", { class: "tool-row", role: "group", "aria-label": "Zoom" },
        h("button", { type: "button", class: "tool", "aria-label": "Zoom in", onclick: () => zoom.by(1.5) }, "+"),
        h("button", { type: "button", class: "tool", "aria-label": "Zoom out", onclick: () => zoom.by(1 / 1.5) }, "\u2212"),
        h("button", { type: "button", class: "tool", onclick: () => zoom.reset() }, "Whole")),
      h("p", { class: "hint" }, "Wheel or pinch zooms both, dragging moves both, a double click shows all.")),
    h("div", { class: "panes" }, panes.map(({ element }) => element)));
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    panes.forEach(({ release }) => release());
    const announcements = dialog.querySelector("#announcements");
    if (announcements) document.body.append(announcements);
    dialog.remove();
    if (!framed) history.replaceState(null, "", before.startsWith(`#${ADDRESS}`) || !before ? location.pathname + location.search : before);
    back?.focus?.();
  });
  document.body.append(dialog);
  dialog.showModal();
  await Promise.all([panes[0].show(left), panes[1].show(right)]);
}
