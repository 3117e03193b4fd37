// The whole page from its data: what is met first, the way through it, one module per section, and how it was made.

import { failure, h, plural } from "featuremaps/dom.js";
import { firstScreen } from "featuremaps/first_screen.js";
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
async function sectionBody(data, id, payload) {
  try {
    const [module, content] = await Promise.all([import(`featuremaps/sections/${data.kind}.js`), unpack(data, payload.media)]);
    return await module.render(content, { id, rejected: payload.rejected });
  } catch (error) {
    return failure(`This section (${data.kind}) could not be shown.`, String(error));
  }
}

function partsOf(payload) {
  const { provenance, rejected } = payload;
  const parts = payload.sections.map((data, index) => {
    const id = `section-${index + 1}`;
    const failed = data.kind === "failure";
    return createPart({ id, title: data.title, question: data.question, count: data.count, failed, summary: data.summary ?? (failed ? data.message : ""), make: () => sectionBody(data, id, payload) });
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

// The one entry: `data` as the writer or a server gives it, packed or not, drawn into `element`.
export async function render({ data: payload, element: root }) {
  if (payload.schema !== SCHEMA) {
    root.replaceChildren(failure("This report cannot be shown.", `Its data has layout ${payload.schema}; this viewer knows layout ${SCHEMA}.`));
    return;
  }
  loadPalettes(payload.palettes);
  loadNames(payload.names);
  const parts = partsOf(payload);
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
  followLinks(root, parts);
  root.dataset.ready = plural(payload.sections.length || 1, "section");
  await fillAll(parts);
  root.dataset.filled = "";
}
