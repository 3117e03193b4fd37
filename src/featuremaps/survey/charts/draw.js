// Draws Vega-Lite charts into a page, one after another, and lets the arrow keys walk through what a pointer would find.

const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity };
const LIBRARY = "charts-library";
let library = null;
let last = Promise.resolve();

// The library lies in the page, deflated; it is unpacked for the first chart.
async function unpacked() {
  const bytes = Uint8Array.from(atob(document.getElementById(LIBRARY).textContent), (letter) => letter.charCodeAt(0));
  const text = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
  return import(`data:text/javascript;charset=utf-8,${encodeURIComponent(text)}`);
}

const turn = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

// In an empty figure the chart appears once the figure has its place and the charts asked for before are drawn.
export function drawChart(figure, chart) {
  const placed = new ResizeObserver(() => {
    if (!figure.clientWidth) return;
    placed.disconnect();
    last = last.then(turn).then(() => draw(figure, chart)).catch((error) => figure.replaceChildren(`This chart could not be drawn: ${error}`));
  });
  placed.observe(figure);
}

async function draw(figure, chart) {
  if (!figure.isConnected) return;
  library ??= unpacked();
  const { vegaEmbed } = await library;
  // Expressions are interpreted: a page whose policy forbids `eval` draws charts too.
  await vegaEmbed(figure, chart, { actions: false, ast: true, mode: "vega-lite", renderer: "svg" });
  readable(figure, chart.description ?? "Chart");
  figure.dispatchEvent(new CustomEvent("drawn", { bubbles: true }));
}

// What can be pointed at: the cells around the marks where there are any, else the marks that say something.
function spotsOf(figure) {
  const marks = [...figure.querySelectorAll("svg path, svg rect")].filter(({ __data__: item }) => item?.tooltip);
  const cells = marks.filter(({ __data__: item }) => item.isVoronoi);
  return cells.length ? cells : marks;
}

function centreOf(mark) {
  const item = mark.__data__;
  if (item.isVoronoi) return new DOMPoint(item.datum.x, item.datum.y).matrixTransform(mark.getScreenCTM());
  const { left, top, width, height } = mark.getBoundingClientRect();
  return { x: left + width / 2, y: top + height / 2 };
}

function saidOf({ __data__: { tooltip } }) {
  return Object.entries(tooltip).map(([name, value]) => `${name} ${value}`).join(", ");
}

// The figure becomes a slider over its marks: each is pointed at in turn, and read out.
function readable(figure, name) {
  const spots = spotsOf(figure);
  if (!spots.length) return;
  let at = null;
  const send = (kind, mark) => {
    const { x, y } = centreOf(mark);
    mark.dispatchEvent(new PointerEvent(kind, { bubbles: true, clientX: x, clientY: y }));
  };
  const leave = () => {
    for (const kind of at === null ? [] : ["pointerout", "mouseout"]) send(kind, spots[at]);
    at = null;
  };
  const point = (next) => {
    leave();
    at = next;
    for (const kind of ["pointerover", "pointermove"]) send(kind, spots[at]);
    figure.setAttribute("aria-valuenow", String(at + 1));
    figure.setAttribute("aria-valuetext", saidOf(spots[at]));
  };
  const attributes = { role: "slider", tabindex: 0, "aria-label": name, "aria-valuemin": 1, "aria-valuemax": spots.length, "aria-valuenow": 1 };
  for (const [key, value] of Object.entries({ ...attributes, "aria-valuetext": `${spots.length} values` })) figure.setAttribute(key, String(value));
  figure.addEventListener("blur", leave);
  // A finger does not hover: what it taps is pointed at.
  figure.addEventListener("click", ({ target }) => spots.includes(target) && point(spots.indexOf(target)));
  figure.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    point(Math.min(spots.length - 1, Math.max(0, (at ?? (step < 0 ? spots.length : -1)) + step)));
  });
}
