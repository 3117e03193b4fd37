"""Charts of a detector hold the figures that it has, and not too many points."""

from dataclasses import replace
from itertools import pairwise

import altair as alt
import numpy as np
import pytest
from altair.utils import schemapi
from tiny_surveys import survey_of_demo

from featuremaps.survey.analysis.detector_evaluation import DetectorEvaluation
from featuremaps.survey.analysis.model_comparison import ModelComparison, compare_models
from featuremaps.survey.charts.detections import MOST, roc_chart, score_distributions_chart, scores_chart


@pytest.fixture(scope="module")
def compared() -> ModelComparison:
    pairs = {
        name: (survey_of_demo(name, "photograph"), survey_of_demo(name, "xray")) for name in ("demo", "demo-fixed")
    }
    return compare_models(pairs, layer="layer4")


def xrays(compared: ModelComparison) -> DetectorEvaluation:
    found = compared.of("demo-fixed", "hammer").target
    assert found is not None
    return found


def rows_of(chart, part) -> list[dict[str, object]]:
    """The data of a chart's part; Altair names it once, for all parts."""
    return chart["datasets"][part["data"]["name"]]


def test_scores_and_both_thresholds(compared: ModelComparison) -> None:
    found = xrays(compared)
    chart = scores_chart(found)
    points, lines = chart["layer"]
    rows = rows_of(chart, points)
    assert [row["picture"] for row in rows] == list(found.names)
    np.testing.assert_allclose([row["score"] for row in rows], found.scores, rtol=1e-5)
    assert [row["kind"] == "with hammer" for row in rows] == found.positives.tolist()
    assert sum(row["called"] == "hammer" for row in rows) == int((found.scores >= found.threshold).sum())
    first, second = rows_of(chart, lines)
    assert [first["at"], second["at"]] == pytest.approx([found.threshold, found.best.value], rel=1e-5)
    assert (first["mark"].split()[0], second["mark"].split()[0]) == ("threshold", "best")
    assert lines["encoding"]["strokeDash"]["scale"]["domain"] == [first["mark"], second["mark"]]


def test_thresholds_that_are_nearly_the_same_are_marked_once(compared: ModelComparison) -> None:
    found = replace(xrays(compared), threshold=xrays(compared).best.value)
    chart = scores_chart(found)
    assert len(rows_of(chart, chart["layer"][1])) == 1


def test_charts_are_valid_though_altair_does_not_look_at_every_part(compared: ModelComparison) -> None:
    found = xrays(compared)
    for chart in (scores_chart(found), score_distributions_chart(found), roc_chart({"hammer": found})):
        alt.Chart.from_dict({name: part for name, part in chart.items() if name != "config"})
    assert schemapi.DEBUG_MODE  # Altair looks at what others make


def test_distributions_of_scores(compared: ModelComparison) -> None:
    found = xrays(compared)
    chart = score_distributions_chart(found)
    bins = rows_of(chart, chart["layer"][1])
    scores = found.scores[found.positives].astype(float)
    middle = bins[len(bins) // 2]["low"]
    below = sum(row["share0"] for row in bins if row["high"] <= middle * (1 + 1e-9))
    assert below == pytest.approx(np.mean(scores < middle), abs=1e-3)


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
    assert chart["usermeta"]["note"] == "2,000 of 50,000 pictures, evenly taken"
    assert scores_chart(xrays(compared))["usermeta"]["note"] == ""


def distance(point: np.ndarray, first: np.ndarray, last: np.ndarray) -> float:
    """How far a point is from the line between two others."""
    along = last - first
    share = np.clip((point - first) @ along / max(along @ along, 1e-30), 0, 1)
    return float(np.linalg.norm(first + share * along - point))


def test_roc_curves_carry_their_thresholds(compared: ModelComparison) -> None:
    standing = compared.of("demo-fixed", "hammer")
    curves = {"photograph": standing.source, "X-ray": xrays(compared)}
    chart = roc_chart(curves)
    for name, found in curves.items():
        rows = [row for row in rows_of(chart, chart["layer"][1]) if row["name"] == name]
        drawn = np.array([[row["alarms"], row["recall"]] for row in rows])
        curve = np.stack([found.roc.false_alarm_rates, found.roc.recalls], 1)
        # Every point of the curve lies on what is drawn, every drawn point is one of the curve's.
        for point in curve:
            assert min(distance(point, first, last) for first, last in pairwise(drawn)) < 1e-4
        assert all(np.abs(curve - corner).max(1).min() < 1e-4 for corner in drawn)
        assert len(rows) < len(curve)
        assert rows[0]["threshold"] is None  # infinite, which JSON has not
    (carried,) = [row for row in rows_of(chart, chart["layer"][2]) if row["name"] == "X-ray"]
    assert carried["recall"] == pytest.approx(xrays(compared).confusion.recall.value, abs=1e-5)


def test_an_answer_without_a_threshold_is_a_square_with_its_name(compared: ModelComparison) -> None:
    found = xrays(compared)
    chart = roc_chart({"hammer": found}, rivals={"the model": found.best.counts})
    square = chart["layer"][3]
    (row,) = rows_of(chart, square)
    assert row["name"] == "the model"
    assert square["encoding"]["shape"]["scale"] == {"domain": ["the model"], "range": ["square"]}
    assert row["alarms"] == pytest.approx(found.best.counts.false_alarm_rate.value, abs=1e-5)


def test_saving_writes_a_page_to_hover_over(compared: ModelComparison, tmp_path) -> None:
    for found in (compared, xrays(compared)):
        written = found.save(tmp_path / type(found).__name__)
        page = written[-1].read_text(encoding="utf-8")
        assert written[-1].name == "charts.html"
        assert page.count('<figure class="chart" data-chart="') == (4 if found is compared else 3)
