"""A trial on disk: a manifest and, for each chunk of pictures, a table of measurements and one of curves."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from featuremaps.errors import OptionError
from featuremaps.evidence.chunks import Chunk, Measurement

MANIFEST, SCHEMA = "trial.json", 1
MEASUREMENTS = pa.schema(
    [
        ("picture", pa.int32()),
        ("method", pa.string()),
        ("layer", pa.string()),
        ("measure", pa.string()),
        ("value", pa.float64()),
        ("undefined", pa.string()),
    ]
)
CURVES = pa.schema(
    [
        ("picture", pa.int32()),
        ("method", pa.string()),
        ("layer", pa.string()),
        ("order", pa.string()),
        ("fill", pa.string()),
        ("probabilities", pa.list_(pa.float32())),
    ]
)


@dataclass(frozen=True)
class TrialFolder:
    """Where a trial lies. A chunk counts as done once its measurements, which are written last, are there."""

    path: Path

    def begin(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest, or check that the one there is of the same trial, if any of that was done.

        Raises `OptionError` that names what differs.
        """
        if not (self.path / MANIFEST).is_file() or (self._empty() and self.manifest()):
            if self.path.exists() and not self.path.is_dir():
                raise OptionError(f"a trial is kept in a folder, and {self.path} is a file. Give another out=.")
            self.path.mkdir(parents=True, exist_ok=True)
            self._write(MANIFEST, lambda path: path.write_text(json.dumps({"schema": SCHEMA, **manifest}, indent=1)))
            return
        there = self.manifest()
        different = [name for name in manifest if there.get(name) != json.loads(json.dumps(manifest[name]))]
        if different:
            raise OptionError(
                f"{self.path} holds a trial that differs from the one asked for, in {', '.join(different)}. "
                "Give another out= for a new trial, or ask for what is there."
            )

    def _empty(self) -> bool:
        """Whether no picture is done, as where a trial was refused."""
        return not any(self.path.glob("measurements-*.parquet"))

    def manifest(self) -> dict[str, Any]:
        """What was tried; `OptionError` where there is no trial."""
        try:
            there: dict[str, Any] = dict(json.loads((self.path / MANIFEST).read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise OptionError(f"{self.path} holds no trial that can be read: {error}.") from error
        if there.get("schema") != SCHEMA:
            raise OptionError(
                f"{self.path} holds a trial of schema {there.get('schema')}; this version reads {SCHEMA}."
            )
        return there

    def chunk(self, rows: Sequence[int], seen: str) -> Chunk | None:
        """The chunk of these pictures if it is done, or None. `OptionError` where they were other ones."""
        if not (self.path / f"measurements-{rows[0]:05}.parquet").is_file():
            return None
        chunk = self._read(rows[0])
        if chunk.rows != tuple(rows):
            return None
        if chunk.seen != seen:
            raise OptionError(
                f"pictures {rows[0]} to {rows[-1]} of the trial in {self.path} have other inputs or masks now. "
                "Give another out= for a new trial."
            )
        return chunk

    def chunks(self) -> Iterator[Chunk]:
        """All chunks that are done, in order; where two share pictures, as with another `batch_size`, the first."""
        done: set[int] = set()
        for path in sorted(self.path.glob("measurements-*.parquet")):
            chunk = self._read(int(path.stem.rpartition("-")[2]))
            if done.isdisjoint(chunk.rows):
                done.update(chunk.rows)
                yield chunk

    def write(self, chunk: Chunk) -> None:
        """Write a chunk, whole or not at all."""
        number = chunk.rows[0]
        about = {
            "rows": json.dumps(chunk.rows),
            "passes": str(chunk.passes),
            "seen": chunk.seen,
            "doubts": json.dumps(chunk.doubts),
        }
        rows = [
            (row, *key, order, fill, values.tolist())
            for (key, order, fill), curves in chunk.curves.items()
            for row, values in zip(chunk.rows, curves, strict=True)
        ]
        said = [(each.picture, *each.row, each.measure, each.value, each.undefined) for each in chunk.measurements]
        self._write(f"curves-{number:05}.parquet", lambda path: pq.write_table(_columns(rows, CURVES, about), path))
        self._write(
            f"measurements-{number:05}.parquet", lambda path: pq.write_table(_columns(said, MEASUREMENTS, about), path)
        )

    def _read(self, number: int) -> Chunk:
        table = self._table(f"measurements-{number:05}.parquet")
        about = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
        measurements = tuple(
            Measurement((row["method"], row["layer"]), row["measure"], row["picture"], row["value"], row["undefined"])
            for row in table.to_pylist()
        )
        curves: dict[Any, list[Any]] = {}
        for row in self._table(f"curves-{number:05}.parquet").to_pylist():
            key = (row["method"], row["layer"]), row["order"], row["fill"]
            curves.setdefault(key, []).append(row["probabilities"])
        arrays = {key: np.asarray(values, np.float32) for key, values in curves.items()}
        rows, doubts = (tuple(json.loads(about.get(name, "[]"))) for name in ("rows", "doubts"))
        return Chunk(rows, measurements, arrays, int(about["passes"]), about["seen"], doubts)

    def _table(self, name: str) -> pa.Table:
        try:
            return pq.read_table(self.path / name)
        except (OSError, pa.ArrowInvalid) as error:
            raise OptionError(
                f"{self.path / name} cannot be read: {str(error).rstrip('.')}. Delete "
                f"measurements{name[name.index('-') :]}, and a trial with this out= makes these pictures anew."
            ) from error

    def _write(self, name: str, write: Any) -> None:
        temporary = self.path / f".{name}.{os.getpid()}"
        write(temporary)
        temporary.replace(self.path / name)


def _columns(rows: Sequence[tuple[Any, ...]], schema: pa.Schema, about: Mapping[str, str]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema.with_metadata(dict(about)))
