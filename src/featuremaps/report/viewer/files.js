// What a reader takes along: a map as NumPy's .npy, a canvas as PNG, a drawing as SVG.

const HEADER = 10;

// Version 1.0 of the format: magic, version, the header's length, a Python dict in text padded to 64 bytes, the values.
export function npy({ values, height, width }) {
  const about = `{'descr': '<f4', 'fortran_order': False, 'shape': (${height}, ${width}), }`;
  const text = about.padEnd(Math.ceil((HEADER + about.length + 1) / 64) * 64 - HEADER - 1) + "\n";
  const head = new Uint8Array(HEADER + text.length);
  head.set([0x93, ..."NUMPY"].map((letter) => (typeof letter === "string" ? letter.charCodeAt(0) : letter)));
  head[6] = 1;
  new DataView(head.buffer).setUint16(8, text.length, true);
  head.set(new TextEncoder().encode(text), HEADER);
  const body = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, place) => body.setFloat32(4 * place, value, true));
  return new Blob([head, body.buffer], { type: "application/octet-stream" });
}

export function svgBlob(svg) {
  const copy = svg.cloneNode(true);
  // A file has no style sheet of the page: the ground that the drawing stands on comes along.
  copy.style.background = getComputedStyle(document.body).backgroundColor;
  return new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" });
}

export const pngBlob = (canvas) => new Promise((resolve) => canvas.toBlob(resolve, "image/png"));

export function fileName(...parts) {
  return parts.filter(Boolean).join("__").replaceAll(/[^\p{L}\p{N}_.+ -]/gu, "-").slice(0, 180);
}

export function save(name, blob) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
