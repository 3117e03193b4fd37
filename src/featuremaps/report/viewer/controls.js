// The controls of a section: what is shown, how strongly, how scaled, in which colours.

import { h } from "featuremaps/dom.js";
import { SCALES, sharedLegend } from "featuremaps/legend.js";
import { activePalette, paletteNames } from "featuremaps/paint.js";

const VIEWS = { original: "Original", overlay: "Overlay", raw: "Raw map" };
let groups = 0;

export function viewControl(store) {
  const name = `view-${groups++}`;
  const choices = Object.entries(VIEWS).map(([value, label]) => {
    const input = h("input", { type: "radio", name, value, onchange: () => store.set({ view: value }) });
    store.subscribe((state) => (input.checked = state.view === value));
    input.checked = store.get().view === value;
    return h("label", {}, input, h("span", {}, label));
  });
  return h("fieldset", { class: "segments" }, h("legend", { class: "visually-hidden" }, "Show"), choices);
}

export function strengthControl(store) {
  const output = h("output", {});
  const input = h("input", { type: "range", min: 0, max: 100, step: 1, "aria-label": "Strength of the overlay" });
  input.addEventListener("input", () => store.set({ strength: input.valueAsNumber / 100, view: "overlay" }));
  const show = ({ strength, view }) => {
    input.value = String(Math.round(100 * strength));
    output.textContent = `${Math.round(100 * strength)}%`;
    holder.classList.toggle("idle", view !== "overlay");
  };
  const holder = h("label", { class: "strength" }, h("span", {}, "Strength"), input, output);
  store.subscribe(show);
  show(store.get());
  return holder;
}

// One slider from the picture as it is to the map at its strongest.
export function overlaySlider(store) {
  const input = h("input", { type: "range", min: 0, max: 100, step: 1, value: Math.round(100 * store.get().strength), "aria-label": "From the original to the overlay" });
  input.addEventListener("input", () => store.set({ strength: input.valueAsNumber / 100 }));
  return h("label", { class: "overlay-slider" }, h("span", {}, "Original"), input, h("span", {}, "Overlay"));
}

export function select(label, options, value, choose) {
  const element = h("select", { onchange: () => choose(element.value) });
  element.append(...options.map(([name, text]) => h("option", { value: name, selected: name === value }, text)));
  return h("label", { class: "choice" }, h("span", {}, label), element);
}

export function scaleControl(store) {
  const options = Object.entries(SCALES).map(([value, { name }]) => [value, name]);
  return select("Values", options, store.get().scale, (scale) => store.set({ scale }));
}

export function colourControl(store) {
  const holder = h("div", {});
  const draw = (state) => {
    const signed = state.scale === "signed";
    const options = paletteNames(signed).map((name) => [name, name.replace(/_r$/, "")]);
    const choose = (name) => store.set(signed ? { diverging: name } : { sequential: name });
    holder.replaceChildren(select("Colours", options, activePalette(state), choose));
  };
  store.subscribe((state, before) => state.scale !== before.scale && draw(state));
  draw(store.get());
  return holder;
}

function checkbox(label, title, checked, change) {
  const input = h("input", { type: "checkbox", checked, onchange: () => change(input.checked) });
  return h("label", { class: "tick", title }, input, h("span", {}, label));
}

// Choices that a narrow screen folds away.
export function displayMenu(...choices) {
  const more = h("details", { class: "more" }, h("summary", {}, "Display"), h("div", { class: "more-body" }, choices));
  // A wide screen has room for everything, and the style sheet hides the summary there.
  const wide = matchMedia("(min-width: 60rem)");
  wide.addEventListener("change", () => (more.open = wide.matches));
  more.open = wide.matches;
  return more;
}

export function toolbar(store, { placed }) {
  const more = displayMenu(
    scaleControl(store),
    colourControl(store),
    checkbox("Fade weak areas", "Let the picture show through where the map is weak", store.get().fade, (fade) => store.set({ fade })),
    placed && checkbox("On the whole original picture", "Undo the model's crop and resize", store.get().whole, (whole) => store.set({ whole })));
  const element = h("div", { class: "toolbar", role: "group", "aria-label": "How the maps are shown" },
    viewControl(store), strengthControl(store), sharedLegend(store), more, printNote(store));
  return measured(element);
}

// Headings stick below the toolbar, whose height depends on what fits beside each other.
export function measured(toolbar) {
  const measure = () => toolbar.parentElement?.style.setProperty("--toolbar-height", `${toolbar.offsetHeight}px`);
  new ResizeObserver(measure).observe(toolbar);
  return toolbar;
}

// Paper has no slider: say what it was set to.
function printNote(store) {
  const note = h("p", { class: "print-only" });
  const show = (state) => {
    const how = { overlay: `Map over picture at ${Math.round(100 * state.strength)}% strength`, raw: "Maps alone", original: "Pictures without maps" };
    note.textContent = `${how[state.view]}; ${SCALES[state.scale].says}; colours ${activePalette(state)}.`;
  };
  store.subscribe(show);
  show(store.get());
  return note;
}
