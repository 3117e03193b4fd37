"""Tables on disk: written one after the other into one file, read again, and said where they cannot be."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from featuremaps.errors import SurveyError
from featuremaps.survey.storage.atomic_files import atomically
from featuremaps.survey.storage.parquet_tables import parquet, reading, values_of


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


def test_rows_stand_in_groups_of_the_size_asked_for(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=10).astype(np.float32)
    for plain in (False, True):
        atomically(tmp_path / "t", parquet(lambda: pa.table({"x": numbers}), rows=4, plain=plain))
        with reading(tmp_path / "t") as file:
            assert [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)] == [4, 4, 2]
            np.testing.assert_array_equal(values_of(file.read()["x"]), numbers)


def test_a_table_that_cannot_be_made_leaves_no_file(tmp_path: Path) -> None:
    def fails() -> pa.Table:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        atomically(tmp_path / "t", parquet(lambda: pa.table({"x": [1]}), fails))
    assert list(tmp_path.iterdir()) == []


def test_a_column_that_is_not_there_is_a_damaged_survey(tmp_path: Path) -> None:
    atomically(tmp_path / "t", parquet(lambda: pa.table({"x": [1]})))
    with pytest.raises(SurveyError, match="cannot be read"), reading(tmp_path / "t") as file:
        file.read().column("y")
