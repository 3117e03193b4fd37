"""What comes of a chunk of pictures in a trial, and all chunks put together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from featuremaps.evidence.agreement import Values
from featuremaps.evidence.curves import Order
from featuremaps.evidence.explainer import Key
from featuremaps.evidence.fills import Fill

CurveKey = tuple[Key, Order, Fill]


@dataclass(frozen=True)
class Measurement:
    """What a measure says of one picture's explanation, or why it says nothing."""

    row: Key
    measure: str
    picture: int
    value: float
    undefined: str


@dataclass(frozen=True, eq=False)
class Chunk:
    """The measurements and curves (picture, point) of the pictures `rows`; `seen` tells them from others.

    `doubts` are the warnings that every map of them carries.
    """

    rows: tuple[int, ...]
    measurements: tuple[Measurement, ...]
    curves: Mapping[CurveKey, Float[np.ndarray, "picture _point"]]
    passes: int
    seen: str = ""
    doubts: tuple[str, ...] = ()


def gathered(chunks: Sequence[Chunk], measures: Sequence[str], pictures: Sequence[str]) -> dict[str, Any]:
    """The fields of `Standings` that all chunks together give: rows, values, reasons, pictures, curves, passes."""
    tried = sorted(row for chunk in chunks for row in chunk.rows)
    place = {row: number for number, row in enumerate(tried)}
    said = [each for chunk in chunks for each in chunk.measurements]
    keys = {key: number for number, key in enumerate(dict.fromkeys(each.row for each in said))}
    columns = {name: number for number, name in enumerate(measures)}
    values: Values = np.full((len(keys), len(columns), len(tried)), np.nan)
    undefined: dict[tuple[Key, str], str] = {}
    for each in said:
        values[keys[each.row], columns[each.measure], place[each.picture]] = each.value
        if each.undefined:
            undefined.setdefault((each.row, each.measure), each.undefined)
    curves = {
        key: _mean(np.concatenate([chunk.curves[key] for chunk in chunks if key in chunk.curves]))
        for key in dict.fromkeys(key for chunk in chunks for key in chunk.curves)
    }
    return {
        "rows": tuple(keys),
        "measures": tuple(measures),
        "values": values,
        "undefined": undefined,
        "pictures": tuple(pictures[row] for row in tried),
        "curves": curves,
        "passes": sum(chunk.passes for chunk in chunks),
        "left_out": len(pictures) - len(tried),
        "doubts": tuple(dict.fromkeys(doubt for chunk in chunks for doubt in chunk.doubts)),
    }


def _mean(curves: Float[np.ndarray, "picture point"]) -> Float[np.ndarray, " point"]:
    """The mean over the pictures that have a number at a point; NaN where none has."""
    known = np.isfinite(curves)
    with np.errstate(invalid="ignore"):
        return np.where(known, curves, 0.0).sum(0) / known.sum(0)
