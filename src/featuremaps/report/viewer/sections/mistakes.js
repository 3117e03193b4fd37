// The model's own answers: what it confuses with what, and its mistakes with whose channels were louder.

import { h, number, percent, plural } from "featuremaps/dom.js";

const FIRST = 12;

function cellOf(count, share, truth, said, choose) {
  const right = truth === said;
  const style = { "--share": String(share) };
  const words = `${truth} called ${said}: ${count}`;
  if (!count || right) return h("td", { class: right ? "right" : "", style, "aria-label": words }, String(count));
  const button = h("button", { type: "button", "aria-pressed": "false", "aria-label": `${words}. Show only these`, onclick: () => choose(truth, said, button) }, String(count));
  return h("td", { style }, button);
}

function matrixOf(section, choose) {
  const { classes, counts, totals } = section;
  return h("div", { class: "confusion-holder", tabindex: 0, role: "group", "aria-label": "Confusion" },
    h("table", { class: "confusion" },
      h("caption", {}, "What the pictures show (rows) and what the model says (columns)"),
      h("thead", {}, h("tr", {}, h("td", {}), classes.map((name) => h("th", { scope: "col" }, name)), h("th", { scope: "col", class: "quiet" }, "right"))),
      h("tbody", {}, classes.map((truth, row) => h("tr", {},
        h("th", { scope: "row" }, truth),
        classes.map((said, column) => cellOf(counts[row][column], totals[row] ? counts[row][column] / totals[row] : 0, truth, said, choose)),
        h("td", { class: "plain quiet" }, totals[row] ? percent(counts[row][row] / totals[row], 0) : ""))))));
}

const sigma = (value) => `${value >= 0 ? "+" : ""}${number(Number(value.toFixed(1)))}σ`;

function mistakeOf(one) {
  const { source, width, height } = one.picture;
  return h("li", { class: "mistake" },
    h("img", { src: source, alt: one.name, width, height, loading: "lazy" }),
    h("p", { class: "found-note" },
      h("span", { title: one.name }, one.truth, h("span", { class: "quiet" }, " called "), h("strong", {}, one.predicted), ` ${percent(one.probability, 0)}`),
      one.louder !== null && h("span", { class: "walk-under" }, "louder: ", one.louder),
      one.loudness.length > 0 && h("span", { class: "walk-under" }, one.loudness.map(({ label, value }) => `${label} ${sigma(value)}`).join(", "))));
}

export async function render(section) {
  const list = h("ol", { class: "mistakes-list" });
  const note = h("p", { class: "found-words", role: "status" });
  const more = h("button", { type: "button", class: "walk-toggle", onclick: () => show(chosen, Infinity) }, "Show all");
  let chosen = null;
  let pressed = null;
  function show(pair, most = FIRST) {
    chosen = pair;
    const found = section.mistakes.filter((one) => !pair || (one.truth === pair[0] && one.predicted === pair[1]));
    list.replaceChildren(...found.slice(0, most).map(mistakeOf));
    more.hidden = found.length <= most;
    const here = `${Math.min(found.length, most)} of ${plural(section.total, "mistake")}`;
    const own = pair && section.counts[section.classes.indexOf(pair[0])][section.classes.indexOf(pair[1])];
    note.textContent = !section.total ? "No mistakes."
      : pair ? `${pair[0]} called ${pair[1]}: ${plural(own, "picture")}, ${found.length === own ? "all" : `of which this file holds ${found.length}`}. Choose the cell again to see the others.`
        : `${here}, the most certain first. Choose a cell above to see only its own.`;
  }
  function choose(truth, said, button) {
    const again = pressed === button;
    pressed?.setAttribute("aria-pressed", "false");
    pressed = again ? null : button;
    pressed?.setAttribute("aria-pressed", "true");
    show(again ? null : [truth, said]);
  }
  show(null);
  const fewer = section.classes.length < section.of_classes && `Shown are the ${section.classes.length} classes most often confused, of ${section.of_classes}. `;
  return h("div", { class: "mistakes" },
    h("div", { class: "confusion-row" }, matrixOf(section, choose), h("div", { class: "found-words" }, section.words.map((sentence) => h("p", {}, sentence)))),
    list, more, note, h("p", { class: "caption" }, fewer, section.caption));
}
