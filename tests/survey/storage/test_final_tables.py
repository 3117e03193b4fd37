"""The final tables say of every channel and class what NumPy says of the vectors, however they are cut into blocks."""

from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tiny_surveys import rounded, write_survey

from featuremaps.survey.storage import final_tables
from featuremaps.survey.storage.atomic_files import Store
from featuremaps.survey.storage.pooled import RANKINGS
from featuremaps.survey.survey import Survey

LABELS = [0, 1, -1, 1, 0, 2, 2, 1, -1, 0, 1]
RANDOM = np.random.default_rng(3)
MEANS = {"early": RANDOM.normal(size=(11, 5)), "late": RANDOM.normal(size=(11, 7))}
VALUES = {name: rounded(means, means + RANDOM.random(means.shape)) for name, means in MEANS.items()}


def made(**more: Any) -> Survey:
    """Two layers over eleven pictures, of which two have no label."""
    return write_survey(VALUES, LABELS, ["a", "b", "c", "d"], shard_size=4, keep=3, **more)


def rows(survey: Survey, name: str, layer: str) -> dict[str, np.ndarray]:
    """The columns of one layer in a table."""
    table = pq.read_table(survey.path / name)
    columns = {column: np.array(table[column].to_pylist()) for column in table.column_names}
    of_layer = columns["layer"] == layer
    return {column: values[of_layer] for column, values in columns.items()}


@pytest.mark.parametrize("block", [1, 2**24])
def test_channels_and_classes_are_what_the_vectors_say(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(final_tables, "BLOCK", block)
    survey, labels = made(), np.array(LABELS)
    for layer, values in VALUES.items():
        channels = rows(survey, "channels.parquet", layer)
        assert channels["channel"].tolist() == list(range(values.channels))
        np.testing.assert_allclose(channels["mean"], values.mean.mean(0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(channels["peak_max"], values.largest.max(0), rtol=1e-6)
        np.testing.assert_allclose(channels["q50"], np.median(values.mean, 0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(channels["active"], (values.largest > 0).mean(0), rtol=1e-9)
        classes = rows(survey, "classes.parquet", layer)
        for label in range(4):
            own, row = values.mean[labels == label], classes["label"] == label
            assert (classes["count"][row] == len(own)).all()
            np.testing.assert_allclose(classes["sum"][row], own.sum(0), rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(classes["sum_of_squares"][row], np.square(own).sum(0), rtol=1e-5, atol=1e-5)
        highest = classes["max"][classes["label"] == 1]
        np.testing.assert_allclose(highest.astype(float), values.largest[labels == 1].max(0), rtol=1e-6)
        assert all(value is None or np.isnan(value) for value in classes["max"][classes["label"] == 3])


def test_the_best_of_all_shards_stand_in_order() -> None:
    survey = made()
    for layer, values in VALUES.items():
        top = rows(survey, "top.parquet", layer)
        for by, end in RANKINGS:
            every = values.mean if by == "mean" else values.largest
            order = np.argsort(-every if end == "strongest" else every, axis=0, kind="stable")[:3]
            of_ranking = (top["by"] == by) & (top["end"] == end)
            np.testing.assert_array_equal(top["picture"][of_ranking].reshape(-1, 3), order.T)
            expected = np.take_along_axis(every, order, 0).T
            np.testing.assert_array_equal(top["value"][of_ranking].reshape(-1, 3).astype(np.float32), expected)


@pytest.mark.parametrize("width", [1, 2, 3, 100])
def test_blocks_hold_every_channel_once(width: int) -> None:
    survey = made()
    store, layer = Store(survey.path, survey.manifest), survey.layers["late"]
    seen, means = [], []
    for channels, pools in final_tables.blocks(store, layer, width):
        assert pools["mean"].shape == (len(channels), 11)
        seen += channels
        means.append(pools["mean"])
    assert seen == list(range(7))
    np.testing.assert_array_equal(np.concatenate(means).T, VALUES["late"].mean)
