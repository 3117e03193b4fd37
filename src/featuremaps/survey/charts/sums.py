"""Charts of summed activations: every picture's sum in order of class, and the distributions of each class.

No name stands bare in an expression, where Vega takes "constructor" or "toString" for what every object has.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from featuremaps.plotting.class_colours import PALETTE, short
from featuremaps.survey.charts import theme
from featuremaps.survey.charts.distributions import Kind, distributions
from featuremaps.survey.charts.theme import (
    DIGITS,
    LINE,
    OTHER,
    Chart,
    Mark,
    Rows,
    Told,
    colour,
    data,
    lines,
    nearest,
    said,
    unchecked,
)
from featuremaps.survey.measures.scored_pictures import SummedGroup

MOST = 2000
"""More pictures than this are thinned out evenly within each class; areas and thresholds are of all."""
GROUPS, CROWDED = 24, 600
NAME, NARROW, REST = 16, 0.08, "other classes"


@unchecked
def sums_charts(
    groups: Sequence[SummedGroup],
    *,
    labels: Int[np.ndarray, " picture"],
    classes: Sequence[str],
    names: Sequence[str],
    most: int = GROUPS,
    counted: str = "pictures",
) -> dict[str, Chart]:
    """For each of the first `most` groups that have channels both charts, as `pictures-0`, `values-0` and so on.

    `labels` and `names` are the pictures', and `counted` says what is counted as these. The last chart's note says how
    many groups are left out.
    """
    every = {g: group for g, group in enumerate(groups) if group.channels}
    shown = dict(list(every.items())[:most])
    rows = shown_rows(labels)
    places = [
        {"place": place, "picture": names[row], "class": classes[labels[row]], "label": int(labels[row])}
        | {f"sum{g}": float(group.sums[row]) for g, group in shown.items()}
        for place, row in enumerate(rows.tolist())
    ]
    spans = _spans(labels[rows], classes)
    charts: dict[str, Chart] = {}
    for g, group in shown.items():
        kinds = _kinds(group, labels, classes)
        charts[f"pictures-{g}"] = _by_picture(group, f"sum{g}", kinds, spans, places, counted)
        charts[f"values-{g}"] = _by_value(group, kinds)
    if len(every) > most:
        charts[f"values-{list(shown)[-1]}"]["usermeta"]["note"] += f"; {len(every) - most} more are not charted"
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


def _by_picture(
    group: SummedGroup, field: str, kinds: Sequence[Kind], spans: list[tuple[str, int, int]], places: Rows, counted: str
) -> Chart:
    """`field` is the name of the group's sum in `places`, the data that all charts by picture share."""
    import altair as alt

    told: Told = {counted[:-1]: "picture", "class": "class", "sum": (field, DIGITS)}
    near, count = nearest(), len(places)
    names = [kind.name for kind in kinds]
    charted = sorted({row["label"] for row in places if row["class"] in names})
    colours = alt.Scale(domain=names, range=[kind.colour for kind in kinds])
    points = (
        alt.Chart(data(places))
        .mark_point(filled=True, opacity=0.75, tooltip=said(told), cursor="crosshair")
        .transform_calculate(kind=f"indexof({charted}, datum.label) < 0 ? '{REST}' : datum.class")
        .encode(
            x=alt.X(
                "place:Q",
                title=f"{counted}, in order of class",
                scale=alt.Scale(domain=[-0.5, count - 0.5], nice=False),
                axis=_class_axis(spans, count),
            ),
            y=alt.Y(f"{field}:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=4)),
            color=alt.Color("kind:N", scale=colours, title=None, legend=theme.legend(names)),
            size=alt.condition(near, alt.value(140), alt.value(24 if count <= CROWDED else 12)),
        )
        .add_params(near)
    )
    ends = [{"place": start - 0.5} for _, start, _ in spans[1:]]
    layers = [alt.Chart(data(ends)).mark_rule(color=LINE, tooltip=None).encode(x="place:Q")] if ends else []
    chart = alt.layer(*layers, points, *lines(_marks(group), "y"))
    return theme.finished(chart, f"Channels of {group.name}, {counted[:-1]} by {counted[:-1]}", _note(group))


def _spans(labels: Int[np.ndarray, " picture"], classes: Sequence[str]) -> list[tuple[str, int, int]]:
    """Where each class's pictures begin, and where the next one's do; `labels` are in order."""
    starts = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist()]
    ends = [*starts[1:], len(labels)]
    return [(classes[labels[start]], start, end) for start, end in zip(starts, ends, strict=True) if start < end]


def _class_axis(spans: list[tuple[str, int, int]], count: int) -> Any:
    """The names of the classes that are wide enough, in the middle of their pictures."""
    import altair as alt

    wide = [(name, (start + end - 1) / 2) for name, start, end in spans if end - start > count * NARROW]
    named = [short(name, NAME) for name, _ in wide]
    places = [place for _, place in wide]
    return alt.Axis(
        values=places,
        labelExpr=f"slice({json.dumps(['=' + name for name in named])}[indexof({json.dumps(places)}, datum.value)], 1)",
        grid=False,
        ticks=False,
        labelOverlap="greedy",
    )


def _kinds(group: SummedGroup, labels: Int[np.ndarray, " picture"], classes: Sequence[str]) -> list[Kind]:
    """The classes with their colours; of more than there are colours the group's own, and all others as one."""
    if len(classes) <= len(PALETTE):
        kinds = [Kind(name, colour(label), group.sums[labels == label]) for label, name in enumerate(classes)]
    else:
        kinds = [Kind(REST, OTHER, group.sums[(labels >= 0) & (labels != group.label)])]
        if group.label is not None:
            kinds.append(Kind(group.name, colour(0), group.sums[labels == group.label]))
    return [kind for kind in kinds if len(kind.scores)]


def _by_value(group: SummedGroup, kinds: Sequence[Kind]) -> Chart:
    chart = distributions(kinds, _marks(group), "sum of the channels")
    return theme.finished(chart, f"Channels of {group.name}, distributions", _note(group))


def _note(group: SummedGroup) -> str:
    count = len(group.channels)
    return f"{count} channel{'' if count == 1 else 's'}" + ("" if group.area is None else f", AUROC {group.area}")


def _marks(group: SummedGroup) -> list[Mark]:
    return [] if group.threshold is None else [Mark("threshold", group.threshold.value)]
