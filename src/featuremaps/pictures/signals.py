"""Signals and volumes: tensors and arrays with another number of axes than pictures have, gathered as they are."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
import torch
from torch import Tensor

from featuremaps.errors import FeatureMapsWarning, ImageError
from featuremaps.pictures.labels import is_batch, is_labelled, label_of, parts_of, understood
from featuremaps.pictures.load import Picture
from featuremaps.pictures.readers import how_to_read, is_frame

RATES = (4000, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 96000)
"""Usual sampling rates, in Hz."""
KINDS = {2: "signals (channel, time)", 4: "volumes (channel, depth, height, width)"}


def inputs_of(given: Any, axes: int) -> list[Picture]:
    """The inputs with so many axes, the channels among them, in a tensor, an array, a list of these or a dataset.

    One axis more is a batch; an item may be (input, label). `ImageError` for anything else.
    """
    return list(_each(given, axes))


def input_of(item: Any, axes: int) -> Picture:
    """The one input of a dataset's item, with its label; `ImageError` for several."""
    _check_no_rate(item, axes)
    content, label = parts_of(item)
    inputs = inputs_of(content, axes)
    if len(inputs) != 1:
        raise ImageError(f"the item holds {len(inputs)} of the model's {KINDS[axes]}, and each is to be one.")
    return replace(inputs[0], label=label_of(label))


def _each(given: Any, axes: int) -> Iterator[Picture]:
    if isinstance(given, Picture):
        yield given
    elif isinstance(given, Mapping):
        content, label = parts_of(given)
        yield from (replace(picture, label=understood(label)) for picture in _each(content, axes))
    elif isinstance(given, np.ndarray) and given.dtype.kind in "fiu":
        if given.dtype.kind in "iu":
            _say_whole(given.dtype.name, axes)
        yield from _each(torch.from_numpy(given.astype(np.float32)), axes)
    elif isinstance(given, Tensor):
        if given.ndim not in (axes, axes + 1) or 0 in given.shape:
            lone = ". With one channel that is tensor[None]" if given.ndim == axes - 1 and given.numel() else ""
            raise _refused(f"a tensor of shape {tuple(given.shape)} was given{lone}", axes)
        if given.is_complex():
            raise _refused("a complex tensor was given: torch.view_as_real(…) has its two parts, abs() its size", axes)
        if not bool(given.isfinite().all()):
            raise ImageError("the tensor holds NaN or infinite values.")
        if not given.is_floating_point():
            _say_whole(str(given.dtype).removeprefix("torch."), axes)
        yield from (Picture("", tensor=part.float()) for part in (given if given.ndim > axes else given[None]))
    elif is_batch(given):
        for picture, label in zip(_each(given[0], axes), given[1], strict=True):
            yield replace(picture, label=understood(label))
    elif is_labelled(given) or (isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], str | None)):
        yield from (replace(picture, label=understood(given[1])) for picture in _each(given[0], axes))
    elif hasattr(given, "__getitem__") and hasattr(given, "__len__") and not isinstance(given, str | bytes):
        _check_no_rate(given, axes)
        for index in range(len(given)):
            yield from _each(given[index], axes)
    elif isinstance(given, str | PathLike) or is_frame(given):
        raise _refused(how_to_read(given, axes), axes)
    else:
        raise _refused(f"{type(given).__name__} {given!r:.40} was given", axes)


def _check_no_rate(item: Any, axes: int) -> None:
    """`ImageError` for (signal, sampling rate, label, …), as torchaudio's datasets give; the rate is no label."""
    parts = item if isinstance(item, tuple) else ()
    if axes == 2 and len(parts) > 2 and isinstance(parts[0], Tensor | np.ndarray) and parts[1] in RATES:
        raise ImageError(
            f"an item is (signal, {parts[1]}, …), and {parts[1]} is a sampling rate, it seems, as torchaudio's "
            "datasets have it second, and no label. Give (signal, label): [(item[0], item[2]) for item in data]."
        )


def _say_whole(kind: str, axes: int) -> None:
    """A `FeatureMapsWarning` where whole numbers, as files of sound and scans hold them, become the model's input."""
    warnings.warn(
        f"{KINDS[axes].partition(' ')[0]} of {kind} go into the model as they are. Where it was trained on "
        "scaled ones, as from -1 to 1, scale them first; floats are not asked about.",
        FeatureMapsWarning,
        stacklevel=2,
    )


def _refused(what: str, axes: int) -> ImageError:
    return ImageError(
        f"the model takes {KINDS[axes]}, and {what}. Pass tensors or arrays of one or several of them, "
        "or a dataset of (tensor, label); if it takes something else, say Scope(model, spatial=…): 1 for signals, 2 "
        "for pictures, 3 for volumes."
    )
