"""Charts of models beside each other hold every class, model and domain."""

import json

import altair as alt
import numpy as np
import pytest
from tiny_surveys import made_up, survey_of_demo
from vl_convert import vegalite_to_svg

from featuremaps.survey.analysis.model_comparison import ModelComparison, compare_models
from featuremaps.survey.charts import comparisons
from featuremaps.survey.measures.scored_pictures import ScoredPictures


@pytest.fixture(scope="module")
def compared() -> ModelComparison:
    pairs = {
        name: (survey_of_demo(name, "photograph"), survey_of_demo(name, "xray")) for name in ("demo", "demo-fixed")
    }
    return compare_models(pairs, layer="layer4")


def rows_of(chart, part) -> list[dict[str, object]]:
    """The data of a chart's part; Altair names it once, for all parts."""
    return chart["datasets"][part["data"]["name"]]


def test_separation_has_every_class_model_and_domain(compared: ModelComparison) -> None:
    chart = compared.charts()["separation"]
    rows = rows_of(chart, chart)
    assert len(rows) == 3 * 2 * 2
    for row in rows:
        standing = compared.of(row["model"], row["class"])
        found = standing.source if row["domain"] == "source" else standing.target
        assert found is not None
        assert row["area"] == pytest.approx(found.area.value, abs=1e-5)
        assert row["low"] <= row["area"] <= row["high"]


def test_charts_are_valid(compared: ModelComparison) -> None:
    for chart in compared.charts().values():
        alt.Chart.from_dict({name: part for name, part in chart.items() if name != "config"})


def test_where_no_interval_can_be_given_the_chart_holds_none() -> None:
    few = ScoredPictures("cat", "here", tuple("abcdefg"), np.arange(7) > 3, np.arange(7, dtype=np.float32), 3.5)
    chart = comparisons.separation_chart([comparisons.TestedModel("net", "source", few)])
    (row,) = rows_of(chart, chart)
    assert (row["area"], row["low"], row["high"]) == (1.0, None, None)
    assert "NaN" not in json.dumps(chart)


def test_a_comparison_has_the_curves_of_every_model_and_domain(compared: ModelComparison) -> None:
    charts = compared.charts()
    assert list(charts) == ["separation", *(f"roc-{label}" for label in compared.labels)]
    names = {row["name"] for row in rows_of(charts["roc-hammer"], charts["roc-hammer"]["layer"][1])}
    assert names == {f"{name}, {name}-{data}" for name in ("demo", "demo-fixed") for data in ("photograph", "xray")}


def test_classes_and_models_called_as_what_every_object_has_in_javascript() -> None:
    values = np.linspace(0, 1, 40, dtype=np.float32).reshape(20, 2)
    survey = made_up(values, [0] * 10 + [1] * 10, ("constructor", "toString"))
    charts = compare_models({"valueOf": (survey, survey), "other": (survey, survey)}, layer="conv").charts()
    drawn = {name: vegalite_to_svg({**chart, "width": 300}) for name, chart in charts.items()}
    assert drawn["separation"].index(">constructor<") < drawn["separation"].index(">toString<")  # in their order
    assert all("valueOf" in drawn[name] for name in ("separation", "roc-constructor", "roc-toString"))
