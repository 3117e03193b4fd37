"""Charts of summed activations: every picture's sum in order of class, and the distributions of each class."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from featuremaps.survey.charts import look
from featuremaps.survey.charts.distributions import Kind, distributions
from featuremaps.survey.charts.look import DIGITS, LINE, OTHER, Chart, Rows, Told, colour, data, nearest, said
from featuremaps.survey.charts.marks import Mark, level
from featuremaps.survey.colours import PALETTE, short
from featuremaps.survey.sums import Sums

MOST = 2000
"""More pictures than this are thinned out evenly within each class; areas and thresholds are of all."""
GROUPS, CROWDED = 24, 600
NAME, NARROW, REST = 16, 0.08, "other classes"


def sums_charts(found: Sums, names: Sequence[str], groups: int = GROUPS) -> dict[str, Chart]:
    """For each of the first groups that have channels both charts, as `pictures-0`, `values-0` and so on.

    `names` are the pictures'. The last chart's note says how many groups are left out.
    """
    every = [g for g, channels in enumerate(found.channels) if channels]
    rows = shown_rows(found.labels)
    table = _table(found, names, rows, every[:groups])
    charts = {}
    for g in every[:groups]:
        charts[f"pictures-{g}"] = _by_picture(found, g, rows, table)
        charts[f"values-{g}"] = _by_value(found, g)
    if len(every) > groups:
        charts[f"values-{every[groups - 1]}"]["usermeta"]["note"] += f"; {len(every) - groups} more are not charted"
    return charts


def shown_rows(labels: np.ndarray, most: int = MOST) -> np.ndarray:
    """The labelled pictures in order of class, at most about `most`: of each class the same share, evenly spread."""
    order = np.argsort(labels, kind="stable")
    order = order[labels[order] >= 0]
    if len(order) <= most:
        return order
    share = most / len(order)
    parts = [np.flatnonzero(labels == label) for label in np.unique(labels[order])]
    kept = [part[np.linspace(0, len(part) - 1, max(1, round(len(part) * share))).astype(int)] for part in parts]
    return np.concatenate(kept)


def _table(found: Sums, names: Sequence[str], rows: np.ndarray, groups: Sequence[int]) -> Rows:
    """A row for each picture shown, with the sums of these groups: the data of every chart by picture."""
    return [
        {"place": place, "picture": names[row], "class": found.classes[found.labels[row]]}
        | {f"sum{g}": float(found.values[row, g]) for g in groups}
        for place, row in enumerate(rows.tolist())
    ]


def _by_picture(found: Sums, g: int, rows: np.ndarray, table: Rows) -> Chart:
    import altair as alt

    spans = _spans(found, rows)
    told: Told = {"picture": "picture", "class": "class", "sum": (f"sum{g}", DIGITS)}
    near, kinds = nearest(), _kinds(found, g)
    names = [kind.name for kind in kinds]
    colours = alt.Scale(domain=names, range=[kind.colour for kind in kinds])
    points = (
        alt.Chart(data(table))
        .mark_point(filled=True, opacity=0.75, tooltip=said(told), cursor="crosshair")
        .transform_calculate(kind=f"indexof({json.dumps(names)}, datum.class) < 0 ? '{REST}' : datum.class")
        .encode(
            x=alt.X(
                "place:Q",
                title="pictures, in order of class",
                scale=alt.Scale(domain=[-0.5, len(rows) - 0.5], nice=False),
                axis=_class_axis(spans, len(rows)),
            ),
            y=alt.Y(f"sum{g}:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=4)),
            color=alt.Color("kind:N", scale=colours, title=None, legend=look.legend(names)),
            size=alt.condition(near, alt.value(140), alt.value(24 if len(rows) <= CROWDED else 12)),
        )
        .add_params(near)
    )
    ends = [{"place": start - 0.5} for _, start, _ in spans[1:]]
    layers = [alt.Chart(data(ends)).mark_rule(color=LINE, tooltip=None).encode(x="place:Q")] if ends else []
    chart = alt.layer(*layers, points, *level(_marks(found, g)))
    return look.finished(chart, f"Channels of {found.groups[g]}, picture by picture", _note(found, g))


def _spans(found: Sums, rows: np.ndarray) -> list[tuple[str, int, int]]:
    """Where each class's pictures begin, and where the next one's do."""
    labels = found.labels[rows]
    starts = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist()]
    ends = [*starts[1:], len(rows)]
    return [(found.classes[labels[start]], start, end) for start, end in zip(starts, ends, strict=True) if start < end]


def _class_axis(spans: list[tuple[str, int, int]], count: int) -> Any:
    """The names of the classes that are wide enough, in the middle of their pictures."""
    import altair as alt

    wide = [(name, (start + end - 1) / 2) for name, start, end in spans if end - start > count * NARROW]
    named = [short(name, NAME) for name, _ in wide]
    places = [place for _, place in wide]
    return alt.Axis(
        values=places,
        labelExpr=f"{json.dumps(named)}[indexof({json.dumps(places)}, datum.value)]",
        grid=False,
        ticks=False,
        labelOverlap="greedy",
    )


def _kinds(found: Sums, g: int) -> list[Kind]:
    """The classes with their colours; of more than there are colours the group's own, and all others as one."""
    values, labels, own = found.values[:, g], found.labels, found.own(g)
    if len(found.classes) <= len(PALETTE):
        kinds = [Kind(name, colour(label), values[labels == label]) for label, name in enumerate(found.classes)]
    else:
        kinds = [Kind(REST, OTHER, values[(labels >= 0) & (labels != own)])]
        if own is not None:
            kinds.append(Kind(found.classes[own], colour(0), values[labels == own]))
    return [kind for kind in kinds if len(kind.scores)]


def _by_value(found: Sums, g: int) -> Chart:
    chart = distributions(_kinds(found, g), _marks(found, g), "sum of the channels")
    return look.finished(chart, f"Channels of {found.groups[g]}, distributions", _note(found, g))


def _note(found: Sums, g: int) -> str:
    count = len(found.channels[g])
    area = found.areas[g]
    return f"{count} channel{'' if count == 1 else 's'}" + ("" if area is None else f", area {area}")


def _marks(found: Sums, g: int) -> list[Mark]:
    threshold = found.thresholds[g]
    return [] if threshold is None else [Mark("threshold", threshold.value)]
