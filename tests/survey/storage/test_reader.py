"""What is read of a survey, piece by piece: vectors, ranks and statistics of the channels asked for, and no more."""

from typing import Any

import numpy as np
import pytest
from tiny_surveys import made_up, rounded, write_survey

from featuremaps.errors import ImageError, LayerNotFoundError, OptionError
from featuremaps.survey.survey import Survey

RANDOM = np.random.default_rng(5)
VALUES = {name: rounded(RANDOM.permutation(11 * 4).reshape(11, 4)) for name in ("early", "late")}


@pytest.fixture(scope="module")
def survey() -> Survey:
    """Two layers of four channels over eleven pictures, in three shards."""
    return write_survey(VALUES, [0, 1] * 5 + [-1], ["a", "b"], shard_size=4, keep=3)


def test_blocks_are_the_vectors_with_the_rows_they_stand_for(survey: Survey) -> None:
    parts = list(survey.blocks("late", "max"))
    assert [(rows.start, rows.stop) for rows, _ in parts] == [(0, 4), (4, 8), (8, 11)]
    np.testing.assert_array_equal(np.concatenate([values for _, values in parts]), VALUES["late"].largest)
    np.testing.assert_array_equal(survey.vectors("late", "max"), VALUES["late"].largest)


def test_vectors_of_no_channel(survey: Survey) -> None:
    assert survey.vectors("late", "mean", []).shape == (11, 0)


@pytest.mark.parametrize("end", ["strongest", "weakest"])
def test_the_top_of_a_unit_is_its_row_in_the_top_of_all(survey: Survey, end: Any) -> None:
    every = survey.tops("late", 2, by="mean", end=end)
    assert every["value"].shape == (4, 2)
    sign = -1 if end == "strongest" else 1
    for channel in range(4):
        ranked = survey.top(f"late:{channel}", 2, by="mean", end=end)
        order = np.argsort(sign * VALUES["late"].mean[:, channel])[:2]
        assert [one.row for one in ranked] == order.tolist() == every["row"][channel].tolist()
        assert [one.value for one in ranked] == VALUES["late"].mean[order, channel].tolist()
        assert [one.rank for one in ranked] == [0, 1]


def test_more_ranks_than_were_kept_are_refused_or_left_out(survey: Survey) -> None:
    assert survey.tops("late", 9)["value"].shape == (4, 3)
    with pytest.raises(OptionError, match="keeps the 3 strongest"):
        survey.top("late:0", 4)


def test_statistics_are_of_one_layer(survey: Survey) -> None:
    np.testing.assert_allclose(survey.statistics("early")["mean"], VALUES["early"].mean.mean(0), rtol=1e-5)


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda survey: survey.layer_of(), LayerNotFoundError, "2 layers"),
        (lambda survey: survey.layer_of("lat"), LayerNotFoundError, "Did you mean 'late'"),
        (lambda survey: survey.unit_of("late"), LayerNotFoundError, "'late:0'"),
        (lambda survey: survey.unit_of("late:4"), LayerNotFoundError, "channels 0 to 3; 4 was asked for"),
        (lambda survey: survey.vectors("late", "median"), OptionError, "median"),
        (lambda survey: survey.vectors("late", "mean", [4]), LayerNotFoundError, "channels 0 to 3; 4 was asked for"),
        (lambda survey: survey.picture(0), ImageError, "has no file of its own"),
    ],
)
def test_what_is_not_there_is_said(survey: Survey, ask: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ask(survey)


def test_a_copy_has_the_same_identity_and_other_values_another() -> None:
    values = np.arange(6.0).reshape(3, 2)
    one, same, other = made_up(values, [0, 1, 0]), made_up(values, [0, 1, 0]), made_up(values + 1, [0, 1, 0])
    assert one.identity == same.identity != other.identity
    assert one.verify() == len(one.manifest.files) > 0
