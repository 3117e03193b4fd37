// Every map of a report that can be opened by its address or put beside another one, whichever section it stands in.

import { decode } from "featuremaps/grid.js";
import { methodName } from "featuremaps/names.js";
import { load } from "featuremaps/pictures.js";
import { unpack } from "featuremaps/unpack.js";

// `section(index)` unpacks a section's data once, for its module and for this.
export function createLibrary({ sections, media }) {
  const unpacked = new Map();
  const pictures = new Map();
  const section = (index) => {
    if (!unpacked.has(index)) unpacked.set(index, unpack(sections[index], media));
    return unpacked.get(index);
  };
  const shelves = sections.flatMap((data, index) => (data.kind === "explanations" ? [{ id: `section-${index + 1}`, index, title: data.title, pictures: data.pictures }] : []));

  // The places where maps are: `[{ id, title, pictures: [{ id, name, maps: [{ id, name }] }] }]`.
  const places = shelves.map(({ id, title, pictures: all }) => ({
    id, title,
    pictures: all.flatMap((picture, index) => {
      const own = `${id}-${index + 1}`;
      const maps = (picture.maps ?? []).flatMap((map, place) => (map.failure === null ? [{ id: `${own}-map-${place + 1}`, name: nameOf(map) }] : []));
      return maps.length ? [{ id: own, name: picture.name, maps }] : [];
    }),
  })).filter(({ pictures: shown }) => shown.length);

  // The picture and one of its maps, ready to be painted.
  async function open(id) {
    const [, shelf, picture, map] = /^(section-\d+)-(\d+)-map-(\d+)$/.exec(id) ?? [];
    const own = shelves.find((one) => one.id === shelf);
    const data = own && (await section(own.index)).pictures[picture - 1];
    const of = data?.maps?.[map - 1];
    if (!of || of.failure !== null) return null;
    const key = `${shelf}-${picture}`;
    if (!pictures.has(key)) pictures.set(key, { ...data, seen: await load(data.seen), original: await load(data.original) });
    return { picture: pictures.get(key), map: { ...of, id, grid: decode(of.map) }, title: own.title };
  }
  return { section, places, open };
}

function nameOf({ method, layer, target }) {
  return [methodName(method), layer && layer !== "input" && `at ${layer}`, target && `for ${target.replace(/^top: /, "")}`].filter(Boolean).join(" ");
}
