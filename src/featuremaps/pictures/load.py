"""Anything a person would pass as pictures (files, folders, arrays, datasets, tensors), made into `Pictures`.

What cannot be read stands beside the rest with its reason; how pixels are read is in `decoding.py`.
"""

import glob
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BufferedIOBase
from pathlib import Path
from typing import Any, cast, overload

import numpy as np
import torch
from jaxtyping import Shaped
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from featuremaps.errors import ImageError
from featuremaps.pictures.coco import annotated_pictures, is_coco
from featuremaps.pictures.decode import SUFFIXES, decoded, decoded_bytes, rgb_pictures, upright_rgb
from featuremaps.pictures.folders import files_below, home, is_folder, natural
from featuremaps.pictures.frames import is_column, is_frame, rows_of
from featuremaps.pictures.labels import Label, is_batch, is_labelled, label_of, parts_of, understood

KEPT = 2**28
"""Bytes of pictures, and of what a model is given, that are kept; the rest is read again from its file when needed."""
_WAYS = "Pass a path, a list of paths, a folder, a glob, a PIL image, a NumPy array, a torch Dataset or a tensor."


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture: either an `image`, upright RGB, or a `tensor`, already preprocessed (channel, height, width);
    of a signal (channel, time), of a volume (channel, depth, height, width).

    The image is `kept`, or read again from its file each time it is asked for. `labels` are the numbers of its classes
    where a picture may have several.
    """

    name: str
    kept: Image.Image | None = field(default=None, repr=False)
    tensor: Shaped[Tensor, "channel *space"] | None = field(default=None, repr=False)
    path: Path | None = None
    label: Label = None
    labels: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if (self.kept is None and self.path is None) == (self.tensor is None):
            given = "both" if self.kept is not None else "neither"
            raise ImageError(f"{self.name}: a Picture holds an image or a tensor, and {given} was given.")

    @property
    def image(self) -> Image.Image | None:
        """The picture, upright RGB; None where a tensor was given. `ImageError` where its file is gone since."""
        return _decoded(self.path) if self.kept is None and self.path is not None else self.kept

    def let_go(self) -> "Picture":
        """The same without the image, where a file has it."""
        return self if self.path is None or self.tensor is not None else replace(self, kept=None)


@dataclass(frozen=True)
class Rejected:
    """A picture that was asked for and could not be read, and why."""

    name: str
    reason: str
    path: Path | None


@dataclass(frozen=True)
class Pictures(Sequence[Picture]):
    """The pictures that could be read, in order, and those that could not. Names are unique."""

    pictures: tuple[Picture, ...]
    rejected: tuple[Rejected, ...] = ()

    def __len__(self) -> int:
        return len(self.pictures)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Picture]: ...
    def __getitem__(self, index: int | slice) -> Picture | Sequence[Picture]:
        return self.pictures[index]


def read(path: str | os.PathLike[str]) -> Picture:
    """The picture in a file, upright and in RGB; `ImageError` names the file and the reason.

    Transparency is laid on white, EXIF orientation and colour profiles are applied, 16-bit values are scaled, and
    of an animation or a multi-page file the first frame is taken.
    """
    place = home(os.fsdecode(path))
    return Picture(place.name, kept=_decoded(place), path=place)


def _decoded(path: Path) -> Image.Image:
    try:
        return decoded(path)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error.__cause__


def gather(pictures: object) -> Pictures:
    """The pictures in anything a person would pass, with those that could not be read beside them.

    - a path, a folder (recursive, natural order), a glob, a list of any of these;
    - a PIL image; the bytes of a file, or the file opened for them;
    - a NumPy array (HW, HWC, BHWC, or CHW and BCHW with 1 or 3 channels) of bool, uint8, uint16, or
      numbers in 0..1 or 0..255; an integer tensor likewise;
    - a floating-point tensor, 3-D or 4-D: taken as already preprocessed;
    - a dataset whose items are an image, (image, label), or a dict with "image" or "pixel_values"; a batch of such,
      (pictures, labels);
    - a DataFrame with a column called "path" or "image", or such a column alone.

    Raises `ImageError` with the reasons where nothing could be read.
    """
    items = list(_within_memory(_attempt(pictures)))
    bad = [item for item in items if isinstance(item, Rejected)]
    if len(bad) == len(items):
        reasons = [f"{item.path or item.name}: {item.reason}".removeprefix(": ") for item in bad]
        if len(bad) < 2:
            raise ImageError(reasons[0] if reasons else f"No pictures were given. {_WAYS}")
        more = f"\n  and {len(bad) - 10} more" if len(bad) > 10 else ""
        raise ImageError(f"None of {len(bad)} pictures could be read:\n  " + "\n  ".join(reasons[:10]) + more)
    named = _named(items)
    return Pictures(
        tuple(item for item in named if isinstance(item, Picture)),
        tuple(item for item in named if isinstance(item, Rejected)),
    )


def _within_memory(items: Iterable[Picture | Rejected]) -> Iterator[Picture | Rejected]:
    """The same, of which only the first keep their images."""
    held = 0
    for item in items:
        image = item.kept if isinstance(item, Picture) else None
        held += 3 * image.width * image.height if image is not None else 0
        yield item.let_go() if isinstance(item, Picture) and held > KEPT else item


def _named(items: list[Picture | Rejected]) -> list[Picture | Rejected]:
    """The same with unique names; those without one are called by their position."""
    taken: set[str] = set()
    named = []
    for position, item in enumerate(items):
        base = name = item.name or f"picture {position}"
        count = 1
        while name in taken:
            count += 1
            name = f"{base} ({count})"
        taken.add(name)
        named.append(item if item.name == name else replace(item, name=name))
    return named


def _attempt(given: object) -> Iterator[Picture | Rejected]:
    try:
        yield from _each(given)
    except ImageError as error:
        yield Rejected("", str(error), None)


def _each(given: object) -> Iterator[Picture | Rejected]:
    if isinstance(given, Picture):
        yield given
    elif isinstance(given, Pictures):
        yield from given.pictures
        yield from given.rejected
    elif isinstance(given, str | os.PathLike):
        yield from _from_path(os.fsdecode(given))
    elif isinstance(given, Image.Image):
        yield Picture(Path(str(getattr(given, "filename", ""))).name, kept=upright_rgb(given))
    elif isinstance(given, Tensor):
        yield from _from_tensor(given)
    elif isinstance(given, np.ndarray):
        names = given.tolist() if given.dtype.kind in "UO" else []
        if names and all(isinstance(name, str | os.PathLike) for name in names):
            yield from _each(names)
        else:
            yield from (Picture("", kept=image) for image in rgb_pictures(given))
    elif isinstance(given, bytes):
        yield _encoded(given, None)
    elif isinstance(given, BufferedIOBase):
        yield _encoded(given.read(), str(getattr(given, "name", "")))
    elif isinstance(given, Mapping) and "bytes" in given:
        yield _encoded(given["bytes"], given.get("path"))
    elif isinstance(given, Mapping):
        yield from _from_item(given)
    else:
        yield from _collected(given)


def _collected(given: Any) -> Iterator[Picture | Rejected]:
    """Those of a list, a column or table of a DataFrame, a batch with its labels, or a dataset."""
    if is_column(given):
        yield from _each(given.to_list())
    elif is_batch(given):
        pairs = zip(_each(given[0]), given[1], strict=True)
        yield from (replace(cast("Picture", picture), label=understood(label)) for picture, label in pairs)
    elif isinstance(given, list | tuple | Iterator) and not hasattr(given, "read"):
        for item in given:
            yield from _from_item(item) if is_labelled(item) else _attempt(item)
    elif is_frame(given) or isinstance(given, IterableDataset):
        for item in rows_of(given) if is_frame(given) else given:
            yield from _from_item(item)
    elif hasattr(given, "__getitem__") and hasattr(given, "__len__") and not isinstance(given, bytearray):
        yield from _from_dataset(given)
    elif isinstance(given, DataLoader):
        raise ImageError("a DataLoader is no picture: pass loader.dataset, or a batch, next(iter(loader)).")
    else:
        raise ImageError(f"{type(given).__name__} is not a picture. {_WAYS}")


def _from_path(text: str) -> Iterator[Picture | Rejected]:
    if not text or re.match(r"(https?|ftp|s3|gs|data):", text):
        what = f"{text[:80]!r} is an address, and nothing is fetched here" if text else "the path is empty"
        raise ImageError(f"{what}. Pass a file on this machine.")
    path = home(text)
    if is_folder(path):
        yield from _from_folder(path)
    elif any(sign in text for sign in "*?[") and not os.path.lexists(path):
        matches = sorted(map(Path, glob.glob(str(path), recursive=True)), key=natural)  # noqa: PTH207
        files = [match for match in matches if not is_folder(match) and match.suffix.lower() in SUFFIXES]
        folders = [match for match in matches if is_folder(match) and "**" not in text]
        if not files and not folders:
            raise ImageError(f"{text}: this pattern matches no picture. Put it in quotes, and check the folder.")
        for match in files:
            yield _attempt_file(match, match.name)
        for folder in folders:
            yield from _attempt(folder)
    elif is_coco(path):
        for each in annotated_pictures(path)[0]:
            yield _attempt_file(each.path, each.path.name)
    else:
        yield _attempt_file(path, path.name)


def _from_folder(folder: Path) -> Iterator[Picture | Rejected]:
    listing = files_below(folder)
    for path, reason in listing.denied:
        yield Rejected(path.name, reason, path)
    if not listing.files and not listing.denied:
        survey = " It holds a survey, which is reported on with --survey." if (folder / "top.parquet").is_file() else ""
        raise ImageError(
            f"{folder}: there is no picture in this folder or below it ({listing.others} other files).{survey}"
        )
    for file in listing.files:
        yield _attempt_file(file, file.relative_to(folder).as_posix())


def _attempt_file(path: Path, name: str) -> Picture | Rejected:
    try:
        return Picture(name, kept=decoded(path), path=path)
    except ImageError as error:
        return Rejected(name, str(error), path)


def _encoded(content: bytes | None, path: str | None) -> Picture:
    """A picture as Hugging Face keeps it undecoded: the bytes of its file, or where that is."""
    place = Path(path or "")
    return Picture(place.name, kept=decoded(place) if content is None else decoded_bytes(content, place.suffix))


def _from_dataset(dataset: Any) -> Iterator[Picture | Rejected]:
    for index in range(len(dataset)):
        try:
            item = dataset[index]
        except Exception as error:
            yield Rejected("", f"dataset[{index}] raised {type(error).__name__}: {error}", None)
        else:
            yield from _from_item(item)


def _from_item(item: Any) -> Iterator[Picture | Rejected]:
    """The pictures of a dataset's item, with its label."""
    try:
        content, label = parts_of(item)
    except ImageError as error:
        yield Rejected("", str(error), None)
        return
    if isinstance(item, Mapping) and content is item.get("pixel_values") and isinstance(content, np.ndarray):
        content = torch.from_numpy(np.ascontiguousarray(content))
    for read in _attempt(content):
        yield replace(read, label=understood(label)) if isinstance(read, Picture) else read


def picture_of(item: object) -> Picture:
    """The one picture of a dataset's item, with its label; an `ImageError` gives the reason only, also of a label."""
    items = list(_from_item(item))
    if len(items) != 1:
        raise ImageError(f"the item holds {len(items)} pictures, and each item of a dataset is one.")
    if isinstance(items[0], Rejected):
        raise ImageError(items[0].reason)
    return replace(items[0], label=label_of(parts_of(item)[1]))


def _from_tensor(tensor: Tensor) -> Iterator[Picture]:
    if tensor.is_nested or tensor.is_complex():
        kind = "nested: give a list of its parts" if tensor.is_nested else "of complex numbers: give real ones"
        raise ImageError(f"the tensor is {kind}. A picture is a dense tensor of numbers.")
    if tensor.is_meta or tensor.layout != torch.strided:
        kind = "on the meta device, which has no values" if tensor.is_meta else "sparse: give tensor.to_dense()"
        raise ImageError(f"the tensor is {kind}. A picture is a dense tensor of numbers.")
    if not tensor.is_floating_point():
        yield from (Picture("", kept=image) for image in rgb_pictures(tensor.cpu().numpy()))
        return
    if tensor.ndim not in (3, 4) or 0 in tensor.shape:
        lone = " (of one channel tensor[None])" if tensor.ndim == 2 else ""
        raise ImageError(
            f"a tensor of shape {tuple(tensor.shape)}; a preprocessed picture is (channel, height, width){lone}, "
            "several are (batch, channel, height, width). A model of signals or volumes is given with Scope(model, "
            "spatial=1) or spatial=3."
        )
    if not torch.isfinite(tensor).all():
        raise ImageError("the tensor holds NaN or infinite values.")
    yield from (Picture("", tensor=picture) for picture in (tensor if tensor.ndim == 4 else tensor[None]))
