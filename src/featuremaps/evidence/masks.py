"""Where the object is, as a user gives it, on what the model saw."""

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from featuremaps.errors import ImageError, OptionError
from featuremaps.pictures.coco import annotated_pictures, corners_of, is_coco
from featuremaps.pictures.seen import Seen

Mask = Bool[Tensor, "*_space"]


def masks_of(masks: object, pictures: Sequence[Seen]) -> tuple[Mask, ...]:
    """A mask for each picture, of the size of the model's input.

    Each is an array, a tensor or a picture (a file's path too), true or bright inside, of the original's size or the
    input's; or a box (left, top, right, bottom) in pixels of the original, or a list of boxes, or of COCO's
    annotations, or a dict of boxes, of which all are inside. A file of COCO's annotations has the boxes of all
    pictures, by the names of their files. Raises `OptionError`.
    """
    if isinstance(masks, str | Path) and is_coco(Path(masks).expanduser()):
        masks = _annotated(Path(masks).expanduser(), pictures)
    if isinstance(masks, str | Path | Image.Image):
        given: list[object] = [masks]
    else:
        if not isinstance(masks, Iterable):
            raise OptionError(f"masks is a list with a mask for each picture; got {masks!r}.")
        given = list(masks)
        if len(pictures) == 1 and len(given) == 4 and all(isinstance(side, int | float) for side in given):
            given = [tuple(given)]
    if len(given) != len(pictures):
        raise OptionError(f"masks has one mask for each picture; got {len(given)} for {len(pictures)}.")
    return tuple(_mask(mask, seen) for mask, seen in zip(given, pictures, strict=True))


def _mask(mask: object, seen: Seen) -> Mask:
    image = seen.picture.image
    boxes = _boxes(mask)
    inside = _array(mask) if boxes is None else torch.stack([_box(box, seen) for box in boxes]).any(0)
    if tuple(inside.shape) == seen.space:
        return inside
    if image is None or tuple(inside.shape) != (image.height, image.width):
        original = "" if image is None else f" or the original's, {image.height} × {image.width}"
        raise OptionError(
            f"the mask of {seen.picture.name!r} has shape {tuple(inside.shape)}; it takes the size of the input, "
            f"{' × '.join(map(str, seen.space))}{original}."
        )
    return _cut(inside, seen)


def _annotated(path: Path, pictures: Sequence[Seen]) -> list[object]:
    """The boxes of each picture, by the name of its file."""
    try:
        boxes = {each.path.name: list(each.boxes) for each in annotated_pictures(path)[0]}
    except ImageError as error:
        raise OptionError(f"masks: {error}") from error
    names = [Path(seen.picture.name).name for seen in pictures]
    without = [name for name in names if not boxes.get(name)]
    if without:
        raise OptionError(
            f"masks: {path} has no box in {without[0]!r} ({len(without)} of {len(names)} pictures have none). Leave "
            "these pictures out."
        )
    return [boxes[name] for name in names]


def _boxes(mask: object) -> list[tuple[object, ...]] | None:
    """The boxes that a mask is given by; None where it is given otherwise."""
    if isinstance(mask, tuple):
        return [mask]
    if isinstance(mask, Mapping) and "boxes" in mask:
        return [tuple(box) for box in torch.as_tensor(mask["boxes"]).reshape(-1, 4).tolist()] or None
    things = [mask] if isinstance(mask, Mapping) else mask if isinstance(mask, list) else []
    if not things or not all(isinstance(one, tuple) or (isinstance(one, Mapping) and "bbox" in one) for one in things):
        return None
    return [one if isinstance(one, tuple) else corners_of(one["bbox"]) for one in things]


def _cut(inside: Mask, seen: Seen) -> Mask:
    """Those of the input's pixels half of which or more show what is inside a mask of the original."""
    placement = seen.placement
    if placement is None:
        raise OptionError(
            f"where the model's input lies in the original of {seen.picture.name!r} is not known; give its mask in the "
            f"input's size, {' × '.join(map(str, seen.space))}."
        )
    return placement.cut(inside) >= 0.5


def _box(box: tuple[object, ...], seen: Seen) -> Mask:
    image = seen.picture.image
    if image is None or len(box) != 4 or not all(isinstance(side, int | float) and isfinite(side) for side in box):
        raise OptionError(f"a box is (left, top, right, bottom) in pixels of an original picture; got {box!r}.")
    left, top, right, bottom = (round(float(side)) for side in box)  # type: ignore[arg-type]
    inside = torch.zeros(image.height, image.width, dtype=torch.bool)
    inside[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = True
    return inside


def _array(mask: object) -> Mask:
    if isinstance(mask, str | Path):
        with Image.open(mask) as opened:
            mask = opened.convert("L")
    if isinstance(mask, Image.Image):
        mask = np.asarray(mask.convert("L")) > 127
    try:
        values = torch.as_tensor(mask)
    except (TypeError, ValueError, RuntimeError) as error:
        raise OptionError(f"a mask is an array, a tensor, a picture or a box; got {mask!r}.") from error
    if values.is_floating_point() and not values.isfinite().all():
        raise OptionError("a mask has values that are not finite, which are neither inside nor outside.")
    return values if values.dtype == torch.bool else values > 0
