"""Charts of models beside each other: how well each separates every class, and their ROC curves."""

from typing import Any

from featuremaps.survey.charts.detections import roc_chart
from featuremaps.survey.charts.look import DIGITS, Chart, Rows, colour, data, finished, legend, said
from featuremaps.survey.models import ModelComparison

CURVES = 24
ROW, BETWEEN = 12, 14
"""Pixels for an interval, and between the classes."""


def comparison_charts(comparison: ModelComparison) -> dict[str, Chart]:
    """The charts of models beside each other, by name; ROC curves of the first `CURVES` classes."""
    charts = {"separation": separation_chart(comparison)}
    for label in comparison.labels[:CURVES]:
        standings = [comparison.of(model, label) for model in comparison.models]
        both = [(one.model, found) for one in standings for found in (one.source, one.target) if found is not None]
        curves = {f"{model}, {found.data}": found for model, found in both}
        charts[f"roc-{label}"] = roc_chart(curves, f"ROC curves of {label}")
    if len(comparison.labels) > CURVES:
        charts["separation"]["usermeta"]["note"] += f"; ROC curves of the first {CURVES} classes"
    return charts


def separation_chart(comparison: ModelComparison) -> Chart:
    """The area of every class, model and domain with its interval; hover for the figures and the thresholds."""
    import altair as alt

    rows = _rows(comparison)
    models = list(comparison.models)
    colours = alt.Scale(domain=models, range=[colour(number) for number in range(len(models))])
    told: dict[str, Any] = {"class": "class", "model": "model", "pictures": "data"}
    told |= {name: (name, ".3f") for name in ("area", "low", "high")}
    told |= {"threshold brought along": ("threshold", DIGITS), "best here": ("best", DIGITS)}
    base = alt.Chart().encode(
        y=alt.Y("class:N", title=None, sort=list(comparison.labels), axis=alt.Axis(grid=False)),
        yOffset=alt.YOffset("place:N", sort=[f"{model} {where}" for model in models for where in ("source", "target")]),
        color=alt.Color("model:N", scale=colours, title=None, legend=legend(models)),
    )
    base = base.transform_calculate(place="datum.model + ' ' + datum.domain")
    scale = alt.Scale(domain=[min(0.45, *(row["low"] for row in rows)), 1.0])
    rules = base.mark_rule(strokeWidth=1.5, tooltip=None).encode(
        x=alt.X("low:Q", scale=scale, title="area (AUC)"), x2="high:Q"
    )
    shapes = alt.Scale(domain=["source", "target"], range=["circle", "diamond"])
    points = base.mark_point(filled=True, size=70, opacity=1, tooltip=said(told)).encode(
        x=alt.X("area:Q", scale=scale), shape=alt.Shape("domain:N", scale=shapes, title=None)
    )
    chart = alt.layer(rules, points, data=data(rows)).properties(
        height=BETWEEN * len(comparison.labels) + ROW * len(rows)
    )
    return finished(chart, "How well each model's own channels separate each class", "with 95 % intervals")


def _rows(comparison: ModelComparison) -> Rows:
    return [
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
        for standing in comparison.standings
        for where, one in (("source", standing.source), ("target", standing.target))
        if one is not None
    ]
