"""Charts to hover over, as Vega-Lite by Altair: a detector's scores, its ROC curve, how models separate classes.

A chart is a specification in plain data; `chart_page.py` makes a page of several that needs nothing else.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from featuremaps.survey.colours import class_look
from featuremaps.survey.detection import Detection
from featuremaps.survey.models import ModelComparison
from featuremaps.survey.plots import WITH, WITHOUT

Chart = dict[str, Any]
WIDTH, HEIGHT, SQUARE = 460, 240, 300
CURVES = 8
MOST = 2000
"""More points than this are thinned out evenly, with a note: each costs about a hundred bytes of the page."""


def detection_charts(found: Detection) -> dict[str, Chart]:
    """The charts of one detector on one set of pictures, by name."""
    return {"scores": scores_chart(found), "roc": roc_chart({found.data: found})}


def comparison_charts(comparison: ModelComparison) -> dict[str, Chart]:
    """The charts of models beside each other, by name; ROC curves of the first `CURVES` classes."""
    charts = {"separation": separation_chart(comparison)}
    for label in comparison.labels[:CURVES]:
        standings = [comparison.of(model, label) for model in comparison.models]
        both = [(one.model, found) for one in standings for found in (one.source, one.target) if found is not None]
        curves = {f"{model}, {found.data}": found for model, found in both}
        charts[f"roc-{label}"] = roc_chart(curves, f"ROC curves of {label}")
    return charts


def scores_chart(found: Detection) -> Chart:
    """Every picture's score in order, with the class and without, and both thresholds; hover for the picture's name."""
    import altair as alt

    rows = [
        {
            "place": place,
            "picture": found.names[place],
            "score": float(found.scores[place]),
            "kind": f"with {found.label}" if found.positives[place] else "without",
            "called": found.label if found.scores[place] >= found.threshold else "not",
        }
        for place in _thinned(len(found.names), MOST)
    ]
    kinds = alt.Scale(domain=[f"with {found.label}", "without"], range=[WITH, WITHOUT])
    shapes = alt.Scale(domain=[f"with {found.label}", "without"], range=["circle", "triangle-up"])
    points = (
        alt.Chart(_data(rows))
        .mark_point(filled=True, size=34, opacity=0.9)
        .encode(
            x=alt.X("place:Q", title="picture", axis=alt.Axis(grid=False)),
            y=alt.Y("score:Q", title="score"),
            color=alt.Color("kind:N", scale=kinds, title=None),
            shape=alt.Shape("kind:N", scale=shapes, title=None),
            tooltip=[
                alt.Tooltip("picture:N"),
                alt.Tooltip("kind:N", title="shows"),
                alt.Tooltip("score:Q", format=".4~g"),
                alt.Tooltip("called:N", title="called"),
            ],
        )
    )
    lines = [
        {"threshold": "brought along", "score": found.threshold},
        {"threshold": "best here", "score": found.best.value},
    ]
    rules = (
        alt.Chart(_data(lines))
        .mark_rule(color="currentColor", strokeWidth=1.5)
        .encode(
            y="score:Q",
            strokeDash=alt.StrokeDash("threshold:N", scale=alt.Scale(range=[[1, 0], [3, 3]], domain=_names(lines))),
            tooltip=[alt.Tooltip("threshold:N"), alt.Tooltip("score:Q", format=".4~g")],
        )
    )
    left_out = len(found.names) - len(rows)
    note = f"{len(rows):,} of {len(found.names):,} pictures, evenly taken" if left_out else ""
    return _finished(alt.layer(points, rules), f"Scores for {found.label} in {found.data}", note)


def roc_chart(found: Mapping[str, Detection], title: str = "ROC curves") -> Chart:
    """ROC curves by name, each with its carried threshold as a point; hover for the threshold at every step."""
    import altair as alt

    rows, carried = [], []
    for name, one in found.items():
        curve = one.roc
        for i in _thinned(len(curve.thresholds), MOST // 4):
            alarms, recall = float(curve.false_alarm_rates[i]), float(curve.recalls[i])
            value = float(curve.thresholds[i])
            row = {"name": name, "alarms": alarms, "recall": recall, "order": i}
            rows.append(row | {"threshold": value if np.isfinite(value) else None})
        counts = one.confusion
        place = {"alarms": counts.false_alarm_rate.value, "recall": counts.recall.value}
        carried.append({"name": name, **place, "threshold": one.threshold})
    colours = alt.Scale(domain=list(found), range=[class_look(number)[0] for number in range(len(found))])
    share = alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1])
    x = alt.X("alarms:Q", title="false alarms", axis=share, scale=alt.Scale(domain=[0, 1]))
    y = alt.Y("recall:Q", title="found", axis=share, scale=alt.Scale(domain=[0, 1]))
    said = [
        alt.Tooltip("name:N", title="curve"),
        alt.Tooltip("threshold:Q", format=".4~g"),
        alt.Tooltip("recall:Q", title="found", format=".1%"),
        alt.Tooltip("alarms:Q", title="false alarms", format=".1%"),
    ]
    colour = alt.Color("name:N", scale=colours, title=None, legend=alt.Legend(symbolType="stroke"))
    base = alt.Chart().encode(x=x, y=y, color=colour)
    lines = base.mark_line(interpolate="step-after", clip=False).encode(
        order="order:Q", strokeDash=alt.StrokeDash("name:N", title=None, scale=alt.Scale(domain=list(found)))
    )
    steps = base.mark_point(size=90, opacity=0).encode(tooltip=said)
    kept = alt.Chart(_data(carried)).mark_point(filled=True, size=110, opacity=1)
    marks = kept.encode(x=x, y=y, color=colour, tooltip=said)
    chart = alt.layer(lines, steps, marks, data=_data(rows)).properties(width=SQUARE, height=SQUARE)
    return _finished(chart, title, "points: the thresholds brought along")


def separation_chart(comparison: ModelComparison) -> Chart:
    """The area of every class, model and domain with its interval; hover for the figures and the thresholds."""
    import altair as alt

    rows: list[dict[str, Any]] = []
    for standing in comparison.standings:
        for where, one in (("source", standing.source), ("target", standing.target)):
            if one is not None:
                rows.append(
                    {
                        "class": standing.label,
                        "model": standing.model,
                        "domain": where,
                        "data": one.data,
                        "area": one.area.value,
                        "low": one.area.interval.low,
                        "high": one.area.interval.high,
                        "threshold": one.threshold,
                        "best": one.best.value,
                    }
                )
    models = list(comparison.models)
    colours = alt.Scale(domain=models, range=[class_look(number)[0] for number in range(len(models))])
    base = alt.Chart().encode(
        y=alt.Y("class:N", title=None, sort=list(comparison.labels), axis=alt.Axis(grid=False)),
        yOffset=alt.YOffset("place:N", sort=[f"{model} {where}" for model in models for where in ("source", "target")]),
        color=alt.Color("model:N", scale=colours, title=None),
        tooltip=[
            alt.Tooltip("class:N"),
            alt.Tooltip("model:N"),
            alt.Tooltip("data:N", title="pictures"),
            *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("area", "low", "high")),
            alt.Tooltip("threshold:Q", title="threshold brought along", format=".4~g"),
            alt.Tooltip("best:Q", title="best here", format=".4~g"),
        ],
    )
    base = base.transform_calculate(place="datum.model + ' ' + datum.domain")
    scale = alt.Scale(domain=[min(0.45, *(row["low"] for row in rows)), 1.0])
    rules = base.mark_rule(strokeWidth=1.5).encode(x=alt.X("low:Q", scale=scale, title="area (AUC)"), x2="high:Q")
    shapes = alt.Scale(domain=["source", "target"], range=["circle", "diamond"])
    points = base.mark_point(filled=True, size=70, opacity=1).encode(
        x=alt.X("area:Q", scale=scale), shape=alt.Shape("domain:N", scale=shapes, title=None)
    )
    chart = alt.layer(rules, points, data=_data(rows)).properties(height=alt.Step(14))
    return _finished(chart, "How well each model's own channels separate each class", "with 95 % intervals")


def _finished(chart: Any, title: str, note: str) -> Chart:
    """The specification, in the colours of the page around it: words and axes take the page's text colour."""
    words = dict.fromkeys(("labelColor", "titleColor", "tickColor", "domainColor", "gridColor"), "currentColor")
    text = {"titleColor": "currentColor", "labelColor": "currentColor"}
    heading = {"text": title, "subtitle": note, "anchor": "start"}
    found: Chart = chart.properties(title={key: value for key, value in heading.items() if value}).to_dict()
    found.setdefault("width", WIDTH)
    found.setdefault("height", HEIGHT)
    found["config"] = {
        "background": "transparent",
        "font": "system-ui, sans-serif",
        "view": {"stroke": None},
        "axis": {**words, "gridOpacity": 0.15, "domainOpacity": 0.4, "tickOpacity": 0.4},
        "legend": {**text, "symbolBaseFillColor": "currentColor", "symbolBaseStrokeColor": "currentColor"},
        "title": {"color": "currentColor", "subtitleColor": "currentColor"},
    }
    return found


def _data(rows: list[dict[str, Any]]) -> Any:
    import altair as alt

    return alt.InlineData(values=[{name: _short(value) for name, value in row.items()} for row in rows])


def _short(value: object) -> object:
    """Six digits are more than anybody sees."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _names(rows: list[dict[str, Any]]) -> list[str]:
    return [str(row["threshold"]) for row in rows]


def _thinned(count: int, most: int) -> list[int]:
    """At most `most` of `count` places, spread evenly, first and last included."""
    if count <= most:
        return list(range(count))
    return sorted({round(place) for place in np.linspace(0, count - 1, most).tolist()})
