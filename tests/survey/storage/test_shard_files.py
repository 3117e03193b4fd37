"""What is written of a shard is read again: vectors, candidates, labels; and a file that cannot be read is said."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from tiny_surveys import Values, made_up, write_survey

from featuremaps.errors import SurveyError
from featuremaps.survey.storage.atomic_files import Store, atomically
from featuremaps.survey.storage.parquet_tables import parquet, reading, values_of
from featuremaps.survey.storage.pooled import best
from featuremaps.survey.storage.shard_files import BestSoFar, rebuilt
from featuremaps.survey.storage.stored_rows import labels_in
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


def test_candidates_stand_again_from_what_is_on_disk() -> None:
    values = np.float32(np.random.default_rng(1).permutation(24).reshape(12, 2))
    survey = made_up(values, [-1] * 12, shard_size=3, keep=4)
    standing = rebuilt(Store(survey.path, survey.manifest)).best["conv", ("mean", "weakest")]
    whole = best(torch.from_numpy(values), torch.arange(12), torch.zeros(12, 2, dtype=torch.int32), 4, "weakest")
    assert torch.equal(standing.values, whole.values)
    assert torch.equal(standing.pictures, whole.pictures)


def test_only_what_comes_in_is_admitted() -> None:
    so_far, ranking = BestSoFar(2), ("mean", "strongest")
    places = torch.zeros(3, 1, dtype=torch.int32)
    for start, values in ((0, [1.0, 5.0, 3.0]), (3, [2.0, 4.0, 0.0])):
        numbers = torch.arange(start, start + 3)
        stands = so_far.admit("x", ranking, best(torch.tensor(values)[:, None], numbers, places, 2))
    assert stands.values.tolist() == [[5.0, 4.0]]
    assert stands.pictures.tolist() == [[1, 4]]


def test_labels_where_some_are_none() -> None:
    assert labels_in(pa.table({"label": pa.array([3, None, 0], pa.int32())})).tolist() == [3, -1, 0]
    assert labels_in(pa.table({"label": pa.array([], pa.int32())})).tolist() == []


def test_tables_are_written_one_after_the_other_and_read(tmp_path: Path) -> None:
    parts = [pa.table({"x": [0, 1]}), pa.table({"x": [2]})]
    atomically(tmp_path / "t", parquet(*(lambda part=part: part for part in parts)))
    with reading(tmp_path / "t") as file:
        assert (file.num_row_groups, values_of(file.read()["x"]).tolist()) == (2, [0, 1, 2])
    (tmp_path / "t").write_bytes(b"PAR1")
    for name, what in (("t", "cannot be read"), ("gone", "is missing")):
        with (
            pytest.raises(SurveyError, match=f"{name} {what}.*: the survey is damaged. Make the same survey"),
            reading(tmp_path / name),
        ):
            pass
