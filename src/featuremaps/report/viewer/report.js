// The whole page from its data: what is met first, the way through it, one module per section, and how it was made.

import { openComparison } from "featuremaps/compare.js";
import { failure, h, plural } from "featuremaps/dom.js";
import { fileName, save, svgBlob } from "featuremaps/files.js";
import { firstScreen } from "featuremaps/first_screen.js";
import { createLibrary } from "featuremaps/library.js";
import { loadNames } from "featuremaps/names.js";
import { SUMMARY, followLinks, navigation } from "featuremaps/navigation.js";
import { loadPalettes } from "featuremaps/paint.js";
import { createPart, fillAll, openAllButton, openForPrint } from "featuremaps/parts.js";
import { renderMethods, renderProvenance, renderRejected } from "featuremaps/provenance.js";
import { themeControl } from "featuremaps/theme.js";
import { unpack } from "featuremaps/unpack.js";

const SCHEMA = 1;
const ABOUT = "About this report";

// A section is drawn by the module of its kind; one that fails says so in its place.
async function sectionBody(data, index, id, payload, context) {
  try {
    const { library, compare } = context;
    const [module, content] = await Promise.all([import(`featuremaps/sections/${data.kind}.js`), library.section(index)]);
    return await module.render(content, { id, rejected: payload.rejected, library, compare });
  } catch (error) {
    return failure(`This section (${data.kind}) could not be shown.`, String(error));
  }
}

function partsOf(payload, context) {
  const { provenance, rejected } = payload;
  const parts = payload.sections.map((data, index) => {
    const id = `section-${index + 1}`;
    const failed = data.kind === "failure";
    return createPart({ id, title: data.title, question: data.question, count: data.count, failed, summary: data.summary ?? (failed ? data.message : ""), make: () => sectionBody(data, index, id, payload, context) });
  });
  if (!parts.length) parts.push(createPart({ id: "section-1", title: "Nothing to show", make: () => h("p", { class: "empty" }, "This report has no sections.") }));
  if (rejected.length) parts.push(createPart({ id: "rejected", title: "Pictures left out", question: ABOUT, count: rejected.length, summary: `${rejected[0].name}: ${rejected[0].reason}`, make: () => renderRejected(rejected) }));
  if (provenance.methods.length) parts.push(createPart({ id: "methods", title: "Methods", question: ABOUT, count: provenance.methods.length, make: () => renderMethods(provenance.methods) }));
  parts.push(createPart({ id: "made", title: "How this was made", question: ABOUT, summary: provenance.command, make: () => renderProvenance(provenance) }));
  return parts;
}

// A first screen that cannot be drawn leaves the sentences.
async function firstOf(payload) {
  const findings = payload.findings.length > 0 && h("div", { class: "findings" }, payload.findings.map((finding) => h("p", {}, finding)));
  if (!payload.first) return [findings];
  if (payload.first.failure) return [failure("The first screen could not be shown.", payload.first.failure), findings];
  const shown = await unpack(payload.first, payload.media).then(firstScreen).catch((error) => [failure("The first screen could not be shown.", String(error))]);
  return [...shown, findings && h("details", { class: "folded words" }, h("summary", {}, "All findings in words"), findings)];
}

// A chart that is drawn can be kept as the drawing that it is.
function keepable(figure) {
  const svg = figure.querySelector("svg");
  if (!svg || figure.parentElement.classList.contains("chart-kept")) return;
  const name = fileName(figure.getAttribute("aria-label") ?? "chart");
  const button = h("button", { type: "button", class: "tool", "aria-label": `Save as SVG: ${name}`, onclick: () => save(`${name}.svg`, svgBlob(figure.querySelector("svg"))) }, "SVG");
  const holder = h("div", { class: "chart-kept" });
  figure.replaceWith(holder);
  holder.append(figure, button);
}

// The one entry: `data` as the writer or a server gives it, packed or not, drawn into `element`.
export async function render({ data: payload, element: root }) {
  if (payload.schema !== SCHEMA) {
    root.replaceChildren(failure("This report cannot be shown.", `Its data has layout ${payload.schema}; this viewer knows layout ${SCHEMA}.`));
    return;
  }
  loadPalettes(payload.palettes);
  loadNames(payload.names);
  root.addEventListener("drawn", ({ target }) => keepable(target));
  const library = createLibrary(payload);
  const compare = (left, right) => openComparison(library, left, right);
  const parts = partsOf(payload, { library, compare });
  const version = payload.provenance.versions.featuremaps;
  const header = h("header", { class: "top", id: SUMMARY },
    h("div", { class: "masthead" }, h("p", { class: "maker" }, "featuremaps"), themeControl()),
    h("h1", {}, payload.title), await firstOf(payload));
  root.replaceChildren(h("div", { class: "framed" },
    h("a", { class: "skip", href: `#${SUMMARY}` }, "Skip to the report"),
    navigation(parts, openAllButton(parts)),
    h("main", { class: "page" }, header, parts.map(({ element }) => element),
      h("footer", { class: "end" }, `Made with featuremaps${version ? ` ${version}` : ""}. This file is complete: it fetches nothing.`))));
  openForPrint(parts);
  await parts[0].open();
  followLinks(root, parts, compare);
  root.dataset.ready = plural(payload.sections.length || 1, "section");
  await fillAll(parts);
  root.dataset.filled = "";
}
