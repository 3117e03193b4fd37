"""Charts of sums hold every picture's sum, in order of class, and name the classes."""

from dataclasses import replace

import altair as alt
import numpy as np
import pytest
from vl_convert import vegalite_to_svg

from featuremaps.survey.analysis.channel_sums import Sums
from featuremaps.survey.charts.sums import MOST, shown_rows
from featuremaps.survey.charts.theme import OTHER, colour, shared

LABELS = np.array([1, 0, -1, 1, 0, 1])
NAMES = tuple("abcdef")


@pytest.fixture
def found() -> Sums:
    values = np.arange(12, dtype=np.float32).reshape(6, 2)
    return Sums(values, ("cat", "mine"), ((3, 4), (5,)), LABELS, ("dog", "cat"), "l", "mean", (None,) * 2, (None,) * 2)


def layer_of(chart, kind):
    return next(layer for layer in chart["layer"] if layer["mark"].get("type") == kind)


def test_pictures_in_order_of_class_with_their_sums(found: Sums) -> None:
    charts, datasets = shared(found.charts(NAMES))
    assert list(charts) == ["pictures-0", "values-0", "pictures-1", "values-1"]
    table = next(rows for rows in datasets.values() if "picture" in rows[0])
    assert [row["picture"] for row in table] == ["b", "e", "a", "d", "f"]
    assert [row["class"] for row in table] == ["dog", "dog", "cat", "cat", "cat"]
    assert [(row["sum0"], row["sum1"]) for row in table] == [(2, 3), (8, 9), (0, 1), (6, 7), (10, 11)]
    for g in (0, 1):
        points = layer_of(charts[f"pictures-{g}"], "point")
        assert points["encoding"]["y"]["field"] == f"sum{g}"
        assert points["encoding"]["color"]["scale"]["domain"] == ["dog", "cat"]
        assert points["encoding"]["x"]["axis"]["values"] == [0.5, 3.0]
    # Both charts by picture show the same data, which is kept once.
    assert sum("picture" in rows[0] for rows in datasets.values()) == 1


def test_charts_are_valid(found: Sums) -> None:
    for chart in found.charts(NAMES).values():
        alt.Chart.from_dict({name: part for name, part in chart.items() if name != "config"})


def test_of_many_classes_only_the_groups_own_has_a_colour(found: Sums) -> None:
    classes = ("dog", "cat", *(f"other{number}" for number in range(8)))
    charts = replace(found, classes=classes).charts(NAMES)
    scale = layer_of(charts["pictures-0"], "point")["encoding"]["color"]["scale"]
    assert scale == {"domain": ["other classes", "cat"], "range": [OTHER, colour(0)]}
    scale = layer_of(charts["values-1"], "area")["encoding"]["color"]["scale"]
    assert scale == {"domain": ["other classes"], "range": [OTHER]}


def test_only_so_many_groups_are_charted_and_the_last_one_says_so(found: Sums) -> None:
    charts = found.charts(NAMES, 1)
    assert list(charts) == ["pictures-0", "values-0"]
    assert charts["values-0"]["usermeta"]["note"] == "2 channels; 1 more are not charted"


def test_groups_without_channels_are_not_charted_as_if_they_were_silent(found: Sums) -> None:
    charts, datasets = shared(replace(found, channels=((), (5,))).charts(NAMES))
    assert list(charts) == ["pictures-1", "values-1"]
    table = next(rows for rows in datasets.values() if "picture" in rows[0])
    assert set(table[0]) == {"place", "picture", "class", "label", "sum1"}


def test_many_pictures_are_thinned_evenly_within_each_class() -> None:
    labels = np.array([1] * 60 + [0] * 30 + [-1] * 10)
    rows = shown_rows(labels, 30)
    assert np.bincount(labels[rows]).tolist() == [10, 20]
    assert shown_rows(labels, 90).tolist() == [*range(60, 90), *range(60)]
    assert len(shown_rows(np.zeros(MOST * 3, int))) == MOST


@pytest.mark.parametrize("name", ["constructor", "toString", "hasOwnProperty"])
def test_a_class_may_be_called_as_what_every_object_has_in_javascript(found: Sums, name: str) -> None:
    plain, named = (replace(found, classes=("dog", each)).charts(NAMES) for each in ("cat" * 4, name))
    for chart in ("pictures-0", "values-0"):
        drawn, expected = (vegalite_to_svg({**charts[chart], "width": 300}) for charts in (named, plain))
        assert drawn.count("<path") == expected.count("<path")
        assert f">{name}<" in drawn
