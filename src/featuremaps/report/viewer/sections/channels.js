// The channels of a layer as small maps: choose a picture and a layer, sort, and open one large over the picture.

import { colourControl, displayMenu, measured, scaleControl, select } from "featuremaps/controls.js";
import { digits, failure, h, plural } from "featuremaps/dom.js";
import { SCALES, sharedLegend } from "featuremaps/legend.js";
import { load, pictureStrip } from "featuremaps/pictures.js";
import { unpack } from "featuremaps/sprite.js";
import { createStore, displayState } from "featuremaps/store.js";
import { createBoard } from "featuremaps/tiles.js";

const SORTS = { mean: "mean, highest first", max: "maximum, highest first", name: "channel number" };
const SCALINGS = { map: "each map by itself", layer: "all maps of the layer alike" };
const size = (sides) => sides.join(" \u00d7 ");

// A value that is not known sorts after all others.
function order({ means, maxima }, sort) {
  const channels = means.map((_, index) => index);
  if (sort === "name") return channels;
  const values = (sort === "max" ? maxima : means).map((value) => value ?? -Infinity);
  return channels.sort((a, b) => (values[a] === values[b] ? a - b : values[b] - values[a]));
}

// Maps of signals and volumes are shown as pictures, so in other numbers of values than they have.
function isSmaller({ sprite, size: [height, width, ...more] }) {
  return more.length > 0 || sprite.height !== height || sprite.width !== width;
}

function captionOf(layer, { sort, scale, across }) {
  const { sprite } = layer;
  return h("p", { class: "caption" },
    h("strong", {}, `${plural(sprite.count, "channel")} of ${layer.layer}`), layer.type && ` (${layer.type})`,
    `, ${size(layer.size)} values each`,
    isSmaller(layer) && `, shown as ${size([sprite.height, sprite.width])} averages (means and maxima are those of the full maps)`,
    `. Sorted by ${SORTS[sort]}. Colours: ${across === "layer" ? SCALES[scale].saysAll : SCALES[scale].says}`,
    across === "map" && ", so that brightness cannot be compared between maps",
    sprite.missing !== null && "; grey cells hold a value that is not finite", ".");
}

function mapOf(layer, index, sprite) {
  let grid = null;
  return {
    method: `channel ${index}`,
    layer: layer.layer,
    get grid() {
      return (grid ??= sprite.grid(index));
    },
    limits: (state) => (state.across === "layer" ? sprite.limits(state) : null),
    facts: [
      ["Address", `${layer.layer}:${index}`],
      ["Mean", digits(layer.means[index] ?? NaN)],
      ["Maximum", digits(layer.maxima[index] ?? NaN)],
      ["Cells", isSmaller(layer) && `averages of ${size(layer.size)} values`],
    ],
  };
}

const rankedBy = (layer, sort) => (sort === "max" ? layer.maxima : layer.means);

// The tiles of one layer, in the order asked for; `arrange` sorts them again.
function tilesOf(layer, sprite, board, store) {
  const tiles = layer.means.map((mean, index) => {
    const label = `Channel ${index}, mean ${digits(mean ?? NaN)}, maximum ${digits(layer.maxima[index] ?? NaN)}`;
    const value = h("span", { class: "tile-value" });
    const tile = board.add(mapOf(layer, index, sprite), label, [h("span", { class: "tile-name" }, String(index)), value]);
    return Object.assign(tile, { value });
  });
  const holder = h("div", { class: "tiles", role: "group", style: { "--ratio": layer.width / layer.height } });
  let sorted = [];
  const arrange = () => {
    const { sort } = store.get();
    sorted = order(layer, sort).map((index) => tiles[index]);
    tiles.forEach((tile, index) => (tile.value.textContent = digits(rankedBy(layer, sort)[index] ?? NaN)));
    holder.setAttribute("aria-label", `Channels of ${layer.layer}, sorted by ${SORTS[sort]}`);
    holder.replaceChildren(...sorted.map((tile) => tile.button));
    board.restart(sorted[0]);
  };
  arrange();
  return { holder, arrange, sorted: () => sorted };
}

// Tiles that stand in one line on the page.
function lines(tiles) {
  if (!tiles.length) return [];
  const columns = tiles.filter((tile) => tile.button.offsetTop === tiles[0].button.offsetTop).length;
  return Array.from({ length: Math.ceil(tiles.length / columns) }, (_, line) => tiles.slice(line * columns, (line + 1) * columns));
}

// Which layer: a list, and a step to the ones before and after it.
function layerChoice(choose) {
  const holder = h("div", { class: "layer-choice" });
  const draw = (layers, at) => {
    const names = layers.map((layer, index) => {
      const what = layer.failure === null ? `${layer.sprite.count} \u00d7 ${size(layer.size)}` : "failed";
      return [String(index), `${layer.layer} \u00b7 ${what}`];
    });
    const step = (by, sign, label) =>
      h("button", { type: "button", class: "step", "aria-label": label, title: label, disabled: !layers[at + by], onclick: () => go(by) }, sign);
    const go = (by) => {
      choose(at + by);
      const [back, , on] = holder.children;
      const button = by < 0 ? back : on;
      (button.disabled ? holder.querySelector("select") : button).focus();
    };
    holder.replaceChildren(
      step(-1, "\u2190", "Layer before"),
      select("Layer", names, String(at), (value) => choose(Number(value))),
      step(1, "\u2192", "Layer after"));
    holder.hidden = !layers.length;
  };
  return { holder, draw };
}

function controls(store, choice) {
  const sorts = Object.entries({ mean: "mean", max: "maximum", name: "number" });
  return measured(h("div", { class: "toolbar", role: "group", "aria-label": "Which channels are shown, and how" },
    choice.holder,
    select("Sort by", sorts, store.get().sort, (sort) => store.set({ sort })),
    sharedLegend(store),
    displayMenu(
      select("Scale", Object.entries(SCALINGS), store.get().across, (across) => store.set({ across })),
      scaleControl(store), colourControl(store))));
}

// What stands in place of the tiles where there are none; null where there are some.
function refusal(data, layer) {
  if (data.failure) return failure(`${data.name} could not be shown.`, data.failure);
  if (!layer) return h("p", { class: "empty" }, "No layer of this model gives maps.");
  return layer.failure === null ? null : failure(`${layer.layer} could not be shown.`, layer.failure);
}

// The tiles of one picture and layer at a time; `show` takes both by index.
function createBrowser(pictures, store) {
  const seen = pictures.map(() => null);
  const stage = h("div", { class: "channel-stage" });
  const caption = h("div", {});
  let at = null;
  let shown = null;
  const board = createBoard({ store, rows: () => lines(shown?.sorted() ?? []), steps: () => [shown.sorted()] });
  const choice = layerChoice((layer) => show({ ...at, layer }));
  const layerAt = () => pictures[at.picture].layers?.[at.layer];
  const describe = () => caption.replaceChildren(shown ? captionOf(layerAt(), store.get()) : "");

  async function content(next) {
    const [data, layer] = [pictures[next.picture], layerAt()];
    const refused = refusal(data, layer);
    if (refused) return { holder: refused };
    const [image, sprite] = await Promise.all([seen[next.picture] ?? load(data.seen), unpack(layer.sprite)]);
    seen[next.picture] = image;
    if (at !== next) return null;
    board.start({ name: data.name, original: null, seen: image });
    return tilesOf(layer, sprite, board, store);
  }
  // Of layers chosen in quick succession the last one is shown, whichever is unpacked first.
  async function show(next) {
    at = next;
    choice.draw(pictures[at.picture].layers ?? [], at.layer);
    const made = await content(next).catch((error) => ({ holder: failure("This layer could not be shown.", String(error)) }));
    if (at !== next || !made) return;
    shown = made.sorted ? made : null;
    describe();
    stage.replaceChildren(made.holder);
  }
  // Another picture keeps the layer, where it has one of that name.
  function choosePicture(picture) {
    const same = (pictures[picture].layers ?? []).findIndex(({ layer }) => layer === layerAt()?.layer);
    return show({ picture, layer: Math.max(0, same) });
  }
  store.subscribe((state, before) => {
    if (shown && state.sort !== before.sort) shown.arrange();
    describe();
  });
  return { show, choosePicture, choice, parts: [caption, stage] };
}

export async function render(section, { rejected }) {
  if (!section.pictures.length) {
    const why = rejected.length ? ` ${plural(rejected.length, "picture was", "pictures were")} rejected; the reasons are below.` : "";
    return h("p", { class: "empty" }, `There is no picture whose channels could be shown.${why}`);
  }
  const store = createStore({ ...displayState(section.display), across: section.scaling, sort: section.sort });
  const browser = createBrowser(section.pictures, store);
  await browser.show({ picture: 0, layer: 0 });
  const some = section.pictures.some((picture) => picture.layers?.length);
  return h("div", { class: "channels" },
    pictureStrip(section.pictures, browser.choosePicture), some && controls(store, browser.choice), browser.parts);
}
