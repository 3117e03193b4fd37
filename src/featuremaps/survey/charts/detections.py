"""Charts of a detector: every picture's score, the scores' distributions, and ROC curves."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from featuremaps.plotting import class_colours
from featuremaps.survey.charts.distributions import Kind, distributions
from featuremaps.survey.charts.theme import (
    DIGITS,
    DOTTED,
    INK,
    LINE,
    SQUARE,
    Chart,
    Mark,
    Rows,
    Told,
    colour,
    data,
    finished,
    legend,
    lines,
    nearest,
    said,
    thinned,
    unchecked,
)
from featuremaps.survey.measures.proportions import Counts
from featuremaps.survey.measures.roc import Roc
from featuremaps.survey.measures.scored_pictures import ScoredPictures

MOST = 2000
"""More points than this are thinned out evenly, with a note: each costs about a hundred bytes of the page."""
STEPS = 400
"""A ROC curve keeps at most so many of its corners."""
WITH, WITHOUT = f"var(--with, {class_colours.WITH})", f"var(--without, {class_colours.WITHOUT})"
"""As in the printed figures."""
CLOSE = 0.01
"""Two thresholds nearer than this share of the scores' range are marked as one."""


@unchecked
def scores_chart(pictures: ScoredPictures) -> Chart:
    """Every picture's score in order, with the class and without, and both thresholds; hover for the picture's name."""
    import altair as alt

    kinds, names = _kinds(pictures), pictures.names
    rows = [
        {
            "place": place,
            "picture": names[place],
            "score": float(pictures.scores[place]),
            "kind": kinds[0] if pictures.positives[place] else kinds[1],
            "called": pictures.label if pictures.scores[place] >= pictures.threshold else f"not {pictures.label}",
        }
        for place in thinned(len(names), MOST)
    ]
    near = nearest()
    told: Told = {"picture": "picture", "truth": "kind", "score": ("score", DIGITS), "called": "called"}
    points = (
        alt.Chart(data(rows))
        .mark_point(filled=True, opacity=0.9, tooltip=said(told), cursor="crosshair")
        .encode(
            x=alt.X("place:Q", title="picture", scale=alt.Scale(nice=False), axis=alt.Axis(grid=False, tickCount=6)),
            y=alt.Y("score:Q", title="score", scale=alt.Scale(zero=False)),
            color=alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=[WITH, WITHOUT]), title=None),
            shape=alt.Shape("kind:N", scale=alt.Scale(domain=kinds, range=["circle", "triangle-up"]), title=None),
            size=alt.condition(near, alt.value(150), alt.value(34)),
        )
        .add_params(near)
    )
    note = f"{len(rows):,} of {len(names):,} pictures, evenly taken" if len(rows) < len(names) else ""
    title = f"Scores for {pictures.label} in {pictures.data}"
    return finished(alt.layer(points, *lines(_marks(pictures), "y")), title, note)


@unchecked
def score_distributions_chart(pictures: ScoredPictures) -> Chart:
    """How the scores of pictures with the class and without are distributed, with both thresholds."""
    sides = zip(_kinds(pictures), (WITH, WITHOUT), (pictures.positives, ~pictures.positives), strict=True)
    kinds = [Kind(name, look, pictures.scores[rows]) for name, look, rows in sides]
    chart = distributions(kinds, _marks(pictures), "score")
    return finished(chart, f"Scores of pictures with and without {pictures.label} in {pictures.data}")


def _kinds(pictures: ScoredPictures) -> list[str]:
    """What the pictures with the class are called, and those without."""
    return [f"with {pictures.label}", f"without {pictures.label}"]


def _marks(pictures: ScoredPictures) -> list[Mark]:
    """The threshold brought along, and where it is another one, the best here."""
    best, reach = pictures.best.value, float(np.ptp(pictures.scores)) or 1.0
    marks = [Mark("threshold", pictures.threshold), Mark("best here", best, DOTTED)]
    return marks[:1] if abs(best - pictures.threshold) < CLOSE * reach else marks


@unchecked
def roc_chart(
    curves: Mapping[str, ScoredPictures], title: str = "ROC curves", rivals: Mapping[str, Counts] | None = None
) -> Chart:
    """ROC curves by name, each with its carried threshold as a point; hover for the threshold at every corner.

    `rivals` are answers without a threshold, such as the model's own, by name: hollow squares.
    """
    import altair as alt

    names = list(curves)
    colours = alt.Scale(domain=names, range=[colour(number) for number in range(len(names))])
    key = legend(names, symbolType="stroke") if len(names) > 1 else None
    ways = {
        "x": _share("alarms", "false alarms"),
        "y": _share("recall", "found"),
        "color": alt.Color("name:N", scale=colours, title=None, legend=key),
    }
    told: Told = {
        "curve": "name",
        "threshold": ("threshold", DIGITS),
        "found": ("recall", ".1%"),
        "false alarms": ("alarms", ".1%"),
    }
    near = nearest()
    corners = alt.Chart(data([row for name, curve in curves.items() for row in _steps(name, curve.roc)])).encode(**ways)
    paths = corners.mark_line(tooltip=None).encode(
        strokeDash=alt.StrokeDash("name:N", title=None, legend=key, scale=alt.Scale(domain=names)),
    )
    steps = corners.mark_point(filled=True, opacity=1, tooltip=said(told), cursor="crosshair").encode(
        size=alt.condition(near, alt.value(120), alt.value(0))
    )
    chance = alt.Chart(data([{"alarms": at, "recall": at} for at in (0, 1)])).mark_line(color=LINE, tooltip=None)
    kept = alt.Chart(data([_place(name, curve.confusion) for name, curve in curves.items()])).encode(**ways)
    marks = kept.mark_point(filled=True, size=90, opacity=1, tooltip=None)
    layers = [chance.encode(x=ways["x"], y=ways["y"]), paths, marks]
    if rivals:
        layers.append(_rivals(rivals, ways["x"], ways["y"]))
    chart = alt.layer(*layers, steps.add_params(near)).properties(height=SQUARE)
    return finished(chart, title, "points: from the detector's threshold on")


def _rivals(rivals: Mapping[str, Counts], x: Any, y: Any) -> Any:
    """Hollow squares, named in the legend."""
    import altair as alt

    names = list(rivals)
    shapes = alt.Scale(domain=names, range=["square"])
    key = legend(names, symbolFillColor="transparent", symbolStrokeColor=INK)
    squares = alt.Chart(data([_place(name, counts) for name, counts in rivals.items()])).mark_point(
        size=110, color=INK, filled=False, opacity=1, tooltip=None
    )
    return squares.encode(x=x, y=y, shape=alt.Shape("name:N", title=None, scale=shapes, legend=key))


def _share(field: str, title: str) -> Any:
    import altair as alt

    axis = alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1])
    way = alt.X if field == "alarms" else alt.Y
    return way(f"{field}:Q", title=title, axis=axis, scale=alt.Scale(domain=[0, 1]))


def _steps(name: str, curve: Roc) -> Rows:
    """The corners of a curve: at all other thresholds it goes straight on."""
    alarms, recalls = np.diff(curve.false_alarm_rates), np.diff(curve.recalls)
    turns = np.abs(alarms[:-1] * recalls[1:] - alarms[1:] * recalls[:-1]) > 1e-12
    corners = np.flatnonzero([True, *turns, True])
    return [
        {
            "name": name,
            "alarms": round(float(curve.false_alarm_rates[i]), 4),
            "recall": round(float(curve.recalls[i]), 4),
            "threshold": float(curve.thresholds[i]) if np.isfinite(curve.thresholds[i]) else None,
        }
        for i in corners[thinned(len(corners), STEPS)].tolist()
    ]


def _place(name: str, counts: Counts) -> dict[str, Any]:
    return {"name": name, "alarms": counts.false_alarm_rate.value, "recall": counts.recall.value}
