"""Charts of models beside each other: how well each separates every class, and their ROC curves."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from featuremaps.survey.charts.detections import roc_chart
from featuremaps.survey.charts.theme import DIGITS, Chart, colour, data, finished, legend, said, unchecked
from featuremaps.survey.measures.auc import FEWEST
from featuremaps.survey.measures.scored_pictures import ScoredPictures

CURVES = 24
ROW, BETWEEN = 12, 14
"""Pixels for an interval, and between the classes."""


class TestedModel(NamedTuple):
    """A model, the domain it was tested on, and the scores of its channels there."""

    model: str
    domain: Literal["source", "target"]
    scored: ScoredPictures


def comparison_charts(tested: Sequence[TestedModel]) -> dict[str, Chart]:
    """The charts of models beside each other, by name; ROC curves of the first `CURVES` classes."""
    charts = {"separation": separation_chart(tested)}
    labels = list(dict.fromkeys(test.scored.label for test in tested))
    for label in labels[:CURVES]:
        curves = {f"{test.model}, {test.scored.data}": test.scored for test in tested if test.scored.label == label}
        charts[f"roc-{label}"] = roc_chart(curves, f"ROC curves of {label}")
    if len(labels) > CURVES:
        charts["separation"]["usermeta"]["note"] += f"; ROC curves of the first {CURVES} classes"
    return charts


@unchecked
def separation_chart(tested: Sequence[TestedModel]) -> Chart:
    """The area of every class, model and domain with its interval; hover for the figures and the thresholds."""
    import altair as alt

    labels = list(dict.fromkeys(test.scored.label for test in tested))
    rows = [
        {
            "class": test.scored.label,
            "order": labels.index(test.scored.label),
            "model": test.model,
            "domain": test.domain,
            "data": test.scored.data,
            "area": test.scored.area.value,
            **test.scored.area.interval._asdict(),
            "threshold": test.scored.threshold,
            "best": test.scored.best.value,
        }
        for test in tested
    ]
    models = list(dict.fromkeys(test.model for test in tested))
    colours = alt.Scale(domain=models, range=[colour(number) for number in range(len(models))])
    told: dict[str, Any] = {"class": "class", "model": "model", "pictures": "data"}
    told |= {name: (name, ".3f") for name in ("area", "low", "high")}
    told |= {"threshold brought along": ("threshold", DIGITS), "best here": ("best", DIGITS)}
    base = alt.Chart().encode(
        y=alt.Y("class:N", title=None, sort=alt.EncodingSortField("order", op="min"), axis=alt.Axis(grid=False)),
        yOffset=alt.YOffset("place:N", sort=[f"{model} {where}" for model in models for where in ("source", "target")]),
        color=alt.Color("model:N", scale=colours, title=None, legend=legend(models)),
    )
    base = base.transform_calculate(place="datum.model + ' ' + datum.domain")
    scale = alt.Scale(domain=[min(0.45, *(test.scored.area.interval.low for test in tested)), 1.0])
    rules = base.mark_rule(strokeWidth=1.5, tooltip=None).encode(
        x=alt.X("low:Q", scale=scale, title="area under the ROC curve (AUROC)"), x2="high:Q"
    )
    shapes = alt.Scale(domain=["source", "target"], range=["circle", "diamond"])
    told_apart = alt.Undefined if any(test.domain == "target" for test in tested) else None
    points = base.mark_point(filled=True, size=70, opacity=1, tooltip=said(told)).encode(
        x=alt.X("area:Q", scale=scale), shape=alt.Shape("domain:N", scale=shapes, title=None, legend=told_apart)
    )
    chart = alt.layer(rules, points, data=data(rows)).properties(height=BETWEEN * len(labels) + ROW * len(rows))
    return finished(
        chart,
        "How well each model's own channels separate each class",
        f"with 95% intervals, where a class has {FEWEST} pictures",
    )
