"""Pooled channels on disk: some in any order, and in full precision where half would lose what they say."""

import numpy as np
from tiny_surveys import Values, write_survey

from featuremaps.survey.storage.parquet_tables import values_of
from featuremaps.survey.storage.vector_files import read_vectors, vectors_table


def test_vectors_of_some_channels_in_any_order() -> None:
    values = np.float32(np.random.default_rng(0).normal(size=(7, 5)) * [1, 1e-9, 1, 1e6, 1])  # two are kept in full
    kept = Values(values, values, np.zeros((7, 5, 2), np.int32))
    survey = write_survey({"conv": kept}, [-1] * 7, shard_size=4)
    np.testing.assert_allclose(survey.vectors("conv"), values, rtol=1e-3)
    layer, means = survey.layers["conv"], survey.vectors("conv")
    for shard, rows in ((0, slice(0, 4)), (1, slice(4, 7))):
        np.testing.assert_array_equal(read_vectors(survey.path, layer, "mean", shard), means[rows].T)
        some = read_vectors(survey.path, layer, "mean", shard, [3, 0, 1])
        np.testing.assert_array_equal(some, means[rows][:, [3, 0, 1]].T)


def test_a_table_of_vectors_keeps_what_half_precision_would_lose() -> None:
    values = np.stack([np.linspace(0, 1, 9), 1000 + np.linspace(0, 0.1, 9)], 1).astype(np.float32)
    table = vectors_table(np.arange(9), values)
    assert [str(field.type) for field in table.schema] == ["int64", "halffloat", "float"]
    np.testing.assert_array_equal(values_of(table["1"]), values[:, 1])


def test_a_table_without_rows_has_all_its_channels() -> None:
    table = vectors_table(np.arange(0), np.zeros((0, 3), np.float32), "region")
    assert (table.column_names, table.num_rows) == (["region", "0", "1", "2"], 0)


def test_what_overflows_half_precision_or_is_tiny_in_it_is_kept_in_full() -> None:
    values = np.float32([[7e4, 1e-6, 0, 6e4], [1, 2e-6, 0, 1]])
    kinds = [str(field.type) for field in vectors_table(np.arange(2), values).schema]
    assert kinds == ["int64", "float", "float", "halffloat", "halffloat"]
