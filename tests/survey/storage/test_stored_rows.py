"""Rows of a survey as objects: labels that are none, several labels of a picture, and a class asked for alone."""

import numpy as np
import pyarrow as pa
import pytest

from featuremaps.survey.storage.stored_rows import Predictions, label_sets_in, labels_in


def test_labels_where_some_are_none() -> None:
    assert labels_in(pa.table({"label": pa.array([3, None, 0], pa.int32())})).tolist() == [3, -1, 0]
    assert labels_in(pa.table({"label": pa.array([], pa.int32())})).tolist() == []


def test_several_labels_of_a_picture() -> None:
    table = pa.table({"labels": pa.array([[0, 2], [], None, [1]], pa.list_(pa.int32()))})
    sets = label_sets_in(table)
    assert sets is not None
    assert sets.members.tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 0], [0, 1, 0]]
    assert [pair.tolist() for pair in sets.pairs] == [[0, 0, 3], [0, 2, 1]]
    assert sets.of(2).tolist() == [1, 0, -1, 0]
    wider = label_sets_in(table, 5)
    assert wider is not None
    assert wider.members.shape == (4, 5)


def test_a_table_of_single_labels_has_no_sets() -> None:
    assert label_sets_in(pa.table({"label": [0, 1]})) is None


def test_the_probability_of_an_output_that_was_kept_or_not() -> None:
    kept = Predictions(
        np.array([1, 0]), np.float32([0.7, 0.6]), np.array([[1, 3], [0, 1]]), np.float32([[0.7, 0.2], [0.6, 0.3]])
    )
    assert kept.of(1).tolist() == pytest.approx([0.7, 0.3])
    assert kept.of(3).tolist() == pytest.approx([0.2, 0])
