// What the writer packed: pictures that stand in several places travel once, maps deflated. Undone a section at a time.

import { bytes } from "featuremaps/grid.js";

export async function inflate(parts) {
  const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The value with `{ $media }` replaced by what it stands for, and `deflated` by `integers`, as bytes.
export async function unpack(value, media) {
  if (Array.isArray(value)) return Promise.all(value.map((part) => unpack(part, media)));
  if (value === null || typeof value !== "object") return value;
  if (value.$media !== undefined) return media[value.$media];
  const names = Object.keys(value);
  const parts = await Promise.all(names.map((name) => unpack(value[name], media)));
  const fields = Object.fromEntries(names.map((name, place) => [name, parts[place]]));
  if (fields.deflated === undefined) return fields;
  const { deflated, ...rest } = fields;
  return { ...rest, integers: await inflate([bytes(deflated)]) };
}
