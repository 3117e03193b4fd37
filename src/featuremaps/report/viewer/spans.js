// Values between two ends as marks on a track: before and after, an interval, a band that chance reaches. Laid out by
// shares of the width, so that they fit wherever they stand.

import { h, wholePercent } from "featuremaps/dom.js";

const known = (value) => value !== null && value !== undefined && Number.isFinite(value);

// `before`, `after`, `low`, `high` and the ends of `band` are values; `from` and `to` the ends of the track, `rules` lines
// across it. `label` says it all in words.
export function track({ before = null, after = null, low = null, high = null, band = null, rules = [], from = 0, to = 1, label, kind = "" }) {
  const place = (value) => `${(100 * (Math.min(to, Math.max(from, value)) - from)) / (to - from)}%`;
  const stretch = (name, one, two) => h("span", { class: name, style: { left: place(Math.min(one, two)), right: `calc(100% - ${place(Math.max(one, two))})` } });
  return h("span", { class: `track ${kind}`, role: "img", "aria-label": label },
    h("span", { class: "track-rail" }),
    band && stretch("track-band", band[0], band[1]),
    rules.map((value) => h("span", { class: "track-rule", style: { left: place(value) } })),
    known(before) && known(after) && stretch("track-way", before, after),
    known(low) && known(high) && stretch("track-interval", low, high),
    known(before) && h("span", { class: "track-dot before", style: { left: place(before) } }),
    known(after) && h("span", { class: "track-dot after", style: { left: place(after) } }));
}

// Whole percent: the numbers beside a track.
export function share(value) {
  return known(value) ? `${wholePercent(value)}%` : "unknown";
}

export function between(low, high) {
  return known(low) && known(high) ? `${wholePercent(low)} to ${share(high)}` : "no interval";
}

// Rows of groups, how often each is called right before and after: `[{ name, before, after, worst }]`.
export function beforeAfterRows(rows, { brief = false } = {}) {
  return h("ul", { class: "changes" }, rows.map(({ name, before, after, worst }) => h("li", {},
    h("span", { class: "changes-name" }, name, worst && h("span", { class: "changes-worst" }, " fared worst"), !brief && h("span", { class: "quiet" }, ` ${before.of}`)),
    track({ before: before.value, after: after.value, low: brief ? null : after.low, high: brief ? null : after.high,
      label: `${name}: ${share(before.value)} called right before, ${share(after.value)} after, interval ${between(after.low, after.high)}` }),
    h("span", { class: "changes-value" }, `${share(before.value)} \u2192 ${share(after.value)}`))));
}
