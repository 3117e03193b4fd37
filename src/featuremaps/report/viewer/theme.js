// Light, dark, or as the system has it.

import { h } from "featuremaps/dom.js";

const NAMES = { auto: "Automatic", light: "Light", dark: "Dark" };

export function themeControl() {
  const choose = (value) => {
    if (value === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = value;
  };
  const choices = Object.entries(NAMES).map(([value, label]) => {
    const input = h("input", { type: "radio", name: "theme", value, checked: value === "auto", onchange: () => choose(value) });
    return h("label", {}, input, h("span", {}, label));
  });
  return h("fieldset", { class: "segments theme" }, h("legend", { class: "visually-hidden" }, "Colours of the page"), choices);
}
