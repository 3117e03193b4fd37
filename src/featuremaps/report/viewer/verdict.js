// Whether a model's answer was right, in words, marks and numbers.

import { h, percent } from "featuremaps/dom.js";

export function chip(right, words = right ? "right" : "wrong") {
  return h("span", { class: right ? "chip right" : "chip wrong" }, words);
}

// True, false, or null where the truth or the answer is not known.
export function isRight({ label, top, right }) {
  if (right !== undefined) return right;
  return label && top?.length ? top[0].label === label : null;
}

// The model's first choice with its probability and whether it was right, and the probability of the class explained.
export function answerOf(picture, map) {
  const { top } = picture;
  if (!top?.length) return null;
  const right = isRight(picture);
  const target = map.target.replace(/^top: /, "");
  const explained = target !== top[0].label && top.find(({ label }) => label === target);
  return h("span", {}, top[0].label, top[0].probability !== null && ` ${percent(top[0].probability)}`, " ", right !== null && chip(right),
    explained && h("span", { class: "quiet explained" }, `${explained.label} ${percent(explained.probability)}`));
}
