// A page for each unit, chosen by the address (#layer4-452); its data come as a script, which also works from a disk.

import { select } from "featuremaps/controls.js";
import { digits, failure, h, percent, plural } from "featuremaps/dom.js";
import { foundPicture } from "featuremaps/survey_pictures.js";
import { themeControl } from "featuremaps/theme.js";
import { address, brickOf, wallOf } from "featuremaps/unit_wall.js";

const parts = new Map();

// The data file of a part, loaded once.
function load(key) {
  if (!parts.has(key)) {
    parts.set(key, new Promise((resolve, reject) => {
      const script = document.createElement("script");
      window.featuremapsUnits = (content) => window.dispatchEvent(new CustomEvent(`units-${content.key}`, { detail: content }));
      window.addEventListener(`units-${key}`, ({ detail }) => resolve(detail), { once: true });
      script.onerror = () => {
        parts.delete(key);
        reject(new Error(`data/${key} could not be loaded. It belongs beside this page.`));
      };
      script.src = `data/${key}`;
      document.head.append(script);
    }));
  }
  return parts.get(key);
}

// "#layer4-452" or "#layer4:452"; the last dash or colon divides layer and channel.
export function parse(hash) {
  const found = /^#(.+)[-:](\d+)$/.exec(decodeURIComponent(hash));
  return found ? { layer: found[1], channel: Number(found[2]) } : null;
}

function profileOf({ profile, classes }) {
  if (!profile.length) return null;
  const most = Math.max(...profile.map(([, value]) => Math.abs(value)), 1e-12);
  return h("div", {}, h("h2", {}, "Mean per class"),
    h("ol", { class: "unit-bars" }, profile.map(([name, value]) => h("li", {},
      h("span", { class: "unit-name", title: name }, name),
      h("span", { class: "unit-bar" }, h("span", { class: value < 0 ? "below" : "", style: { width: `${(100 * Math.abs(value)) / most}%` } })),
      h("span", { class: "tile-value" }, digits(value))))),
    classes > profile.length && h("p", { class: "caption" }, `The ${profile.length} highest of ${classes} classes.`));
}

const QUANTILES = ["min", "q01", "q05", "q25", "q50", "q75", "q95", "q99", "max"];
const QUANTILE_NAMES = { min: "lowest", q01: "1%", q05: "5%", q25: "25%", q50: "middle", q75: "75%", q95: "95%", q99: "99%", max: "highest" };

function statisticsOf({ statistics }, { pictures, rows }) {
  const fact = (name, value) => [h("dt", {}, name), h("dd", {}, value)];
  return h("div", {}, h("h2", {}, "In figures"),
    h("dl", { class: "made" },
      fact("Active in", `${percent(statistics.active, 0)} of ${pictures.toLocaleString("en")} ${rows}`),
      fact("Sparsity: positions that are 0", percent(statistics.sparsity, 0)),
      fact("Mean", `${digits(statistics.mean)}, deviation ${digits(statistics.std)}`),
      fact("Highest value", `${digits(statistics.peak_mean)} on average, deviation ${digits(statistics.peak_std)}`)),
    h("table", { class: "unit-quantiles" },
      h("caption", {}, `Of so many ${rows} the channel's mean, or its highest value, lies below`),
      h("thead", {}, h("tr", {}, h("td", {}), ["mean", "highest"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, QUANTILES.map((name) => h("tr", {}, h("th", { scope: "row" }, QUANTILE_NAMES[name]),
        h("td", {}, digits(statistics[name])), h("td", {}, digits(statistics[`peak_${name}`])))))));
}

// Two digits; what is not perfect does not read as if it were.
function correlation(value) {
  const short = (Math.trunc(100 * value) / 100).toFixed(2).replace("-", "\u2212");
  return Math.abs(value) < 1 && Math.abs(value) > 0.995 ? `${value < 0 ? "below \u2212" : "above "}0.99` : short;
}

// Channels like this one, each by the picture in which it is strongest.
function nearestOf({ nearest }, layer, known, bricks) {
  if (!nearest.length) return null;
  return h("div", {}, h("h2", {}, "Channels that rise and fall with it"),
    h("ol", { class: "wall unit-near" }, nearest.map(([channel, value]) => {
      const note = [`${layer}:${channel}`, h("span", { class: "tile-value" }, `correlation ${correlation(value)}`)];
      return known.has(channel) ? brickOf(bricks.get(channel) ?? { channel }, layer, note) : h("li", {}, h("span", { class: "no-thumbnail" }), h("span", { class: "brick-note" }, note));
    })));
}

function bodyOf(unit, content, { name }, index, known, bricks) {
  const address = `${name}:${unit.channel}`;
  const pictures = unit.top.map(({ row, value, box, map }) => {
    const { name: file, label, source, size: [width, height] } = content.pictures[row];
    return { name: file, label, value, box, map, part: null, picture: { source, width, height } };
  });
  const silent = !(unit.statistics.active > 0);
  return [
    silent && h("p", { class: "warning" }, `This channel is above 0 in none of the ${index.rows}.`),
    h("section", {}, h("ol", { class: "found-row unit-top", "aria-label": `Pictures in which ${address} is strongest` },
      pictures.map((one, rank) => foundPicture(one, address, { rank }))),
    h("p", { class: "caption" }, `The strongest of ${index.pictures.toLocaleString("en")} ${index.rows}, with the unit's highest value.${pictures.some((one) => one.map) ? ` Bright where it fires; framed is ${index.rows === "pictures" ? "what it sees from its strongest place" : "the region that counts"}, where that is not all.` : ""}`)),
    unit.drawing && h("figure", { class: "pattern-drawing" }, h("img", { src: unit.drawing, alt: `A picture made so that ${address} is strong` }), h("figcaption", {}, "Drawn. Trust the real pictures first.")),
    h("section", { class: "unit-facts" }, profileOf(unit), statisticsOf(unit, index), nearestOf(unit, name, known, bricks)),
  ];
}

export function mountUnits(root, index) {
  const layers = new Map(index.layers.map((layer) => [layer.name, { ...layer, known: new Set(layer.channels) }]));
  const heading = h("h1", { tabindex: -1 });
  const place = h("div", {});
  const bar = h("div", { class: "unit-bar-top" });
  const go = (layer, channel) => (location.hash = address(layer, channel));

  function controls(layer, channel) {
    const at = layer.channels.indexOf(channel);
    const step = (text, label, to) => h("button", { type: "button", class: "step", "aria-label": label, disabled: to === undefined, onclick: () => go(layer.name, to) }, text);
    const input = h("input", { class: "search", type: "number", min: layer.channels[0], max: layer.channels.at(-1), value: channel, "aria-label": "Channel", onchange: () => go(layer.name, Number(input.value)) });
    bar.replaceChildren(
      select("Layer", index.layers.map(({ name }) => [name, name]), layer.name, (name) => go(name, layers.get(name).channels[0])),
      h("label", { class: "choice" }, h("span", {}, "Channel"), input),
      h("a", { href: `#${encodeURIComponent(layer.name)}` }, "All units"), step("\u2039", "Previous unit", layer.channels[at - 1]), step("\u203a", "Next unit", layer.channels[at + 1]));
  }
  async function showWall(layer) {
    heading.textContent = `${plural(layer.channels.length, "unit")} of ${layer.name}`;
    document.title = `${layer.name}, ${index.model}`;
    bar.replaceChildren(select("Layer", index.layers.map(({ name }) => [name, name]), layer.name, (name) => (location.hash = encodeURIComponent(name))));
    try {
      const { units } = await load(`${layer.number}-wall.js`);
      place.replaceChildren(...wallOf(units, layer.name));
    } catch (error) {
      place.replaceChildren(failure("The wall cannot be shown.", error.message));
    }
    root.dataset.ready = layer.name;
  }
  async function show() {
    const named = decodeURIComponent(location.hash.slice(1)) || index.layers[0].name;
    if (layers.has(named)) return showWall(layers.get(named));
    const wanted = parse(location.hash) ?? { layer: named, channel: NaN };
    const layer = layers.get(wanted.layer);
    const name = `${wanted.layer}:${wanted.channel}`;
    heading.textContent = name;
    document.title = `${name}, ${index.model}`;
    if (!layer?.known.has(wanted.channel)) {
      controls(layer ?? layers.values().next().value, NaN);
      place.replaceChildren(failure(`There is no page for ${name}.`, `There are pages for ${index.layers.map((one) => `${one.channels.length} units of ${one.name}`).join(", ")}.`));
    } else {
      controls(layer, wanted.channel);
      try {
        const at = layer.channels.indexOf(wanted.channel);
        const [content, wall] = await Promise.all([load(`${layer.number}-${Math.floor(at / index.part)}.js`), load(`${layer.number}-wall.js`)]);
        const bricks = new Map(wall.units.map((one) => [one.channel, one]));
        if (heading.textContent !== name) return;
        const unit = content.units.find(({ channel }) => channel === wanted.channel);
        place.replaceChildren(...bodyOf(unit, content, layer, index, layer.known, bricks).filter(Boolean));
      } catch (error) {
        place.replaceChildren(failure("This unit cannot be shown.", error.message));
      }
    }
    root.dataset.ready = name;
  }
  addEventListener("hashchange", show);
  root.replaceChildren(h("main", { class: "page" },
    h("header", { class: "top" }, h("div", { class: "masthead" }, h("p", { class: "maker" }, `featuremaps · ${index.model}`), themeControl()), heading, bar),
    place));
  show();
}
