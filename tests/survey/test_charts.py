"""Interactive charts hold the figures that the detector has, in colours everybody tells apart, and not too many points."""

from dataclasses import replace

import numpy as np
import pytest
from stand_in_detector import surveyed

from featuremaps.survey.charts import MOST, comparison_charts, roc_chart, scores_chart, separation_chart
from featuremaps.survey.detection import Detection
from featuremaps.survey.models import ModelComparison, compare_models


@pytest.fixture(scope="module")
def compared() -> ModelComparison:
    pairs = {name: (surveyed(name, "photograph"), surveyed(name, "xray")) for name in ("demo", "demo-fixed")}
    return compare_models(pairs, layer="layer4")


def xrays(compared: ModelComparison) -> Detection:
    found = compared.of("demo-fixed", "hammer").target
    assert found is not None
    return found


def rows_of(chart, part) -> list[dict[str, object]]:
    """The data of a chart's part; Altair names it once, for all parts."""
    return chart["datasets"][part["data"]["name"]]


def test_scores_and_both_thresholds(compared: ModelComparison) -> None:
    found = xrays(compared)
    chart = scores_chart(found)
    points, rules = chart["layer"]
    rows = rows_of(chart, points)
    assert [row["picture"] for row in rows] == list(found.names)
    np.testing.assert_allclose([row["score"] for row in rows], found.scores, rtol=1e-5)
    assert [row["kind"] == "with hammer" for row in rows] == found.positives.tolist()
    assert sum(row["called"] == "hammer" for row in rows) == int((found.scores >= found.threshold).sum())
    assert [row["threshold"] for row in rows_of(chart, rules)] == ["brought along", "best here"]
    assert {said["field"] for said in points["encoding"]["tooltip"]} == {"picture", "kind", "score", "called"}


def test_many_pictures_are_thinned_out_with_a_note(compared: ModelComparison) -> None:
    count = 50_000
    many = replace(
        xrays(compared),
        names=tuple(map(str, range(count))),
        positives=np.arange(count) % 5 == 0,
        scores=np.linspace(0, 1, count, dtype=np.float32),
        probabilities=None,
    )
    chart = scores_chart(many)
    rows = rows_of(chart, chart["layer"][0])
    assert len(rows) == MOST
    assert (rows[0]["place"], rows[-1]["place"]) == (0, count - 1)
    assert chart["title"]["subtitle"] == "2,000 of 50,000 pictures, evenly taken"
    assert "subtitle" not in scores_chart(xrays(compared))["title"]


def test_roc_curves_carry_their_thresholds(compared: ModelComparison) -> None:
    standing = compared.of("demo-fixed", "hammer")
    curves = {"photograph": standing.source, "X-ray": xrays(compared)}
    chart = roc_chart(curves)
    for name, found in curves.items():
        rows = [row for row in rows_of(chart, chart) if row["name"] == name]
        np.testing.assert_allclose([row["recall"] for row in rows], found.roc.recalls, atol=1e-5)
        np.testing.assert_allclose([row["alarms"] for row in rows], found.roc.false_alarm_rates, atol=1e-5)
        assert rows[0]["threshold"] is None  # infinite, which JSON has not
    (carried,) = [row for row in rows_of(chart, chart["layer"][2]) if row["name"] == "X-ray"]
    assert carried["recall"] == pytest.approx(xrays(compared).confusion.recall.value, abs=1e-5)


def test_separation_has_every_class_model_and_domain(compared: ModelComparison) -> None:
    chart = separation_chart(compared)
    rows = rows_of(chart, chart)
    assert len(rows) == 3 * 2 * 2
    for row in rows:
        standing = compared.of(row["model"], row["class"])
        found = standing.source if row["domain"] == "source" else standing.target
        assert found is not None
        assert row["area"] == pytest.approx(found.area.value, abs=1e-5)
        assert row["low"] <= row["area"] <= row["high"]


def test_a_comparison_has_the_curves_of_every_model_and_domain(compared: ModelComparison) -> None:
    charts = comparison_charts(compared)
    assert list(charts) == ["separation", *(f"roc-{label}" for label in compared.labels)]
    names = {row["name"] for row in rows_of(charts["roc-hammer"], charts["roc-hammer"])}
    assert names == {f"{name}, {name}-{data}" for name in ("demo", "demo-fixed") for data in ("photograph", "xray")}


def test_saving_writes_a_page_to_hover_over(compared: ModelComparison, tmp_path) -> None:
    for found in (compared, xrays(compared)):
        written = found.save(tmp_path / type(found).__name__)
        page = written[-1].read_text(encoding="utf-8")
        assert written[-1].name == "charts.html"
        assert page.count('<figure data-chart="') == (4 if found is compared else 2)
        assert "src=" not in page.split('<script type="module">')[0]
