// How the report was made, so that someone else can make it again; its methods; the pictures that were left out.

import { h, plural } from "featuremaps/dom.js";
import { methodName } from "featuremaps/names.js";

async function copy(text, source, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // No clipboard here (an old browser, a sandboxed frame): select the text, so that one key press is left.
    getSelection().selectAllChildren(source);
    button.textContent = "Selected: press Ctrl+C";
  }
}

function commandOf(command) {
  // A line breaks between arguments, never inside `--option`.
  const parts = command.split(/(\s+)/).map((part) => (part.trim() ? h("span", { class: "argument" }, part) : part));
  const code = h("code", {}, parts);
  const button = h("button", { type: "button", class: "copy", onclick: () => copy(command, code, button) }, "Copy");
  return h("div", { class: "command" }, h("pre", { tabindex: 0, "aria-label": "Command" }, code), button);
}

export function renderProvenance(provenance) {
  const versions = Object.entries(provenance.versions).map(([name, version]) => `${name} ${version}`).join(", ");
  const rows = [
    ["Model", provenance.model], ["Source", provenance.source], ["Preprocessing", provenance.preprocessing],
    ["Layers", provenance.layers.join(", ")], ["Methods", provenance.methods.map(({ name }) => methodName(name)).join(", ")],
    ["Targets", provenance.targets.join(", ")], ["Seed", provenance.seed], ["Device", provenance.device],
    ["Precision", provenance.precision], ["Versions", versions], ["Made", provenance.created],
  ].filter(([, value]) => value !== null && value !== "");
  return [
    provenance.command && [h("p", {}, "To make this report again:"), commandOf(provenance.command)],
    h("dl", { class: "made" }, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))])),
  ].flat().filter(Boolean);
}

export function renderMethods(methods) {
  return h("dl", { class: "methods" }, methods.map(({ name, summary, paper }) => [
    h("dt", {}, methodName(name), methodName(name) !== name && [" ", h("code", { class: "quiet" }, name)]),
    h("dd", {}, summary, paper && h("span", { class: "paper" }, paper)),
  ]));
}

export function renderRejected(rejected) {
  return [
    h("p", {}, `${plural(rejected.length, "picture was", "pictures were")} not explained.`),
    h("ul", { class: "rejected" }, rejected.map(({ name, reason }) => h("li", {}, h("code", {}, name), ": ", reason))),
  ];
}
