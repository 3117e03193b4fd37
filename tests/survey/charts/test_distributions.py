"""Distributions against a slow count of every bin."""

import numpy as np
import pytest

from featuremaps.survey.charts.distributions import BINS, Kind, distributions
from featuremaps.survey.charts.theme import DOTTED, Mark, finished


def parts(chart):
    """The outlines' rows and the bins' rows."""
    rows = chart["datasets"]
    return [rows[layer["data"]["name"]] for layer in chart["layer"][:2]]


@pytest.fixture
def kinds() -> list[Kind]:
    generator = np.random.default_rng(0)
    return [Kind("cat", "red", generator.normal(1, 1, 50)), Kind("low", "blue", generator.normal(0, 1, 70))]


def test_shares_are_counted(kinds) -> None:
    outlines, bins = parts(finished(distributions(kinds, [Mark("threshold", 0.5)], "score"), "T"))
    assert len(bins) == BINS
    for place, kind in enumerate(kinds):
        for row in bins[1:-1]:
            inside = sum(row["low"] <= score < row["high"] for score in kind.scores.tolist())
            assert row[f"share{place}"] == pytest.approx(inside / len(kind.scores), abs=0.5 / len(kind.scores))
        own = [row["share"] for row in outlines if row["kind"] == kind.name]
        assert own == [row[f"share{place}"] for row in bins] + [bins[-1][f"share{place}"]]
        assert sum(own[:-1]) == pytest.approx(1, abs=1e-4)


def test_a_threshold_outside_the_scores_is_on_the_axis(kinds) -> None:
    _, bins = parts(finished(distributions(kinds, [Mark("threshold", 99.0)], "score"), "T"))
    assert bins[-1]["high"] > 99


def test_scores_that_are_all_the_same_have_bins() -> None:
    _, bins = parts(
        finished(distributions([Kind("a", "red", np.zeros(5)), Kind("b", "red", np.zeros(0))], [], "s"), "T")
    )
    assert sum(row["share0"] for row in bins) == 1
    assert sum(row["share1"] for row in bins) == 0


def test_marks_are_named_in_the_legend(kinds) -> None:
    chart = finished(distributions(kinds, [Mark("threshold", -9.0), Mark("best here", 9.0, DOTTED)], "score"), "T")
    (rules,) = chart["layer"][2:]
    scale = rules["encoding"]["strokeDash"]["scale"]
    assert scale == {"domain": ["threshold -9", "best here 9"], "range": [[5, 4], [1.5, 3.5]]}
    assert [row["at"] for row in chart["datasets"][rules["data"]["name"]]] == [-9, 9]
