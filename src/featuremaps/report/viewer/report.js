// The whole page from its data: title, findings, contents, one module per section, and how it was made.

import { failure, h, plural } from "featuremaps/dom.js";
import { loadPalettes } from "featuremaps/paint.js";
import { renderMethods, renderProvenance, renderRejected } from "featuremaps/provenance.js";
import { themeControl } from "featuremaps/theme.js";

const SCHEMA = 1;

// A section is drawn by the module of its kind; one that fails says so in its place.
async function renderSection(data, id, payload) {
  const part = { id, title: data.title };
  try {
    const module = await import(`featuremaps/sections/${data.kind}.js`);
    part.body = await module.render(data, { id, rejected: payload.rejected });
    part.contents = module.contents?.(data, id);
  } catch (error) {
    part.body = failure(`This section (${data.kind}) could not be shown.`, String(error));
  }
  return part;
}

function closingParts({ provenance, rejected }) {
  const parts = [];
  if (rejected.length) parts.push({ id: "rejected", title: "Pictures left out", body: renderRejected(rejected) });
  if (provenance.methods.length) parts.push({ id: "methods", title: "Methods", body: renderMethods(provenance.methods) });
  parts.push({ id: "made", title: "How this was made", body: renderProvenance(provenance) });
  return parts;
}

function contentsOf(parts) {
  return h("nav", { class: "contents", "aria-label": "Contents" },
    h("ol", {}, parts.map(({ id, title, contents }) => h("li", {}, h("a", { href: `#${id}` }, title), contents))));
}

// In a frame without an address a link to a part of the page would load the frame's parent: scroll instead.
function followLinks(root) {
  root.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]');
    const place = link && document.getElementById(link.getAttribute("href").slice(1));
    if (!place) return;
    event.preventDefault();
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    place.scrollIntoView({ behavior: calm ? "auto" : "smooth" });
    place.setAttribute("tabindex", "-1");
    place.focus({ preventScroll: true });
  });
}

function header(payload, parts) {
  return h("header", { class: "top" },
    h("div", { class: "masthead" }, h("p", { class: "maker" }, "featuremaps"), themeControl()),
    h("h1", {}, payload.title),
    payload.findings.length > 0 && h("div", { class: "findings" }, payload.findings.map((finding) => h("p", {}, finding))),
    contentsOf(parts));
}

export async function mount(root, payload) {
  if (payload.schema !== SCHEMA) {
    root.replaceChildren(failure("This report cannot be shown.", `Its data has layout ${payload.schema}; this viewer knows layout ${SCHEMA}.`));
    return;
  }
  loadPalettes(payload.palettes);
  const sections = await Promise.all(payload.sections.map((data, index) => renderSection(data, `section-${index + 1}`, payload)));
  if (!sections.length) sections.push({ id: "section-1", title: "Nothing to show", body: h("p", { class: "empty" }, "This report has no sections.") });
  const parts = [...sections, ...closingParts(payload)];
  const version = payload.provenance.versions.featuremaps;
  root.replaceChildren(h("main", { class: "page" },
    header(payload, parts),
    parts.map(({ id, title, body }) => h("section", { id, "aria-labelledby": `${id}-title` }, h("h2", { id: `${id}-title` }, title), body)),
    h("footer", { class: "end" }, `Made with featuremaps${version ? ` ${version}` : ""}. This file is complete: it fetches nothing.`)));
  followLinks(root);
  root.dataset.ready = plural(sections.length, "section");
}
