"""Masks that are given in the size of the original pictures, laid on what the model is given of them."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor

from featuremaps.errors import FeatureMapsWarning, TargetError
from featuremaps.pictures.seen import Seen
from featuremaps.targets.bound import Several, Target
from featuremaps.targets.segmentation_targets import Mask
from featuremaps.targets.targets import Each, Margin

ALIKE = 0.5
"""Pixels by which an input's edges may lie elsewhere in the original and still be the same; they are measured."""
AnyTarget = TypeVar("AnyTarget", bound=Target | Several)


def placed(target: AnyTarget, pictures: Sequence[Seen]) -> AnyTarget:
    """The target with each `Mask` in the size of the pictures' inputs, where it is in that of the originals.

    `pictures` are those that the target is bound to. Masks of any other size stay as they are. Raises `TargetError`
    where a mask has the size of some of the originals only, and where it is not known what was cut out of one.
    """
    if isinstance(target, Each) and len(target.targets) == len(pictures):
        pairs = zip(target.targets, pictures, strict=True)
        return replace(target, targets=tuple(placed(each, [seen]) for each, seen in pairs))
    if isinstance(target, Margin) and target.within is not None:
        return replace(target, within=placed(target.within, pictures))
    if not isinstance(target, Mask):
        return target
    mask = target.values
    size = tuple(mask.shape[-2:])
    _warn_of_both(size, pictures)
    if not any(_of_original(size, seen) for seen in pictures) or (mask.ndim == 3 and len(mask) != len(pictures)):
        return target
    each = mask.expand(len(pictures), *size)
    return replace(target, mask=torch.stack([_cut(one, seen) for one, seen in zip(each, pictures, strict=True)]))


def _warn_of_both(size: tuple[int, ...], pictures: Sequence[Seen]) -> None:
    """Say that a mask may be of the original or of the input, where both have its size and show different parts."""
    for seen in pictures:
        image = seen.picture.image
        if image is None or not size == seen.space == (image.height, image.width):
            continue
        there, edges = seen.placement, (0, 0, image.width, image.height)
        mirrored = there is not None and (there.scale_x < 0 or there.scale_y < 0)
        if (
            there is None
            or mirrored
            or any(abs(one - other) > ALIKE for one, other in zip(there.box, edges, strict=True))
        ):
            warnings.warn(
                f"the mask is {size[0]} × {size[1]}, the size of {seen.picture.name!r} and of the model's input, which "
                "shows another part of it. It is taken to be the input's: cut and resize one of the original as the "
                "picture is.",
                FeatureMapsWarning,
                stacklevel=2,
            )
            return


def _of_original(size: tuple[int, ...], seen: Seen) -> bool:
    """Whether this is the size of the original picture and not that of the input."""
    image = seen.picture.image
    return len(seen.space) == 2 and image is not None and size == (image.height, image.width) and size != seen.space


def _cut(mask: Tensor, seen: Seen) -> Tensor:
    """A mask of the original, averaged over what each of the input's pixels shows of it."""
    if not _of_original(tuple(mask.shape), seen):
        if tuple(mask.shape) == seen.space:
            return mask.float()
        image = seen.picture.image
        original = "" if image is None else f", and {seen.picture.name} is {image.height} × {image.width}"
        raise TargetError(
            f"the mask is {mask.shape[0]} × {mask.shape[1]} (height × width), the size of some of these pictures"
            f"{original}. Give a target with a mask of its own for each picture."
        )
    placement = seen.placement
    if placement is None:
        raise TargetError(
            f"where the model's input lies in the original of {seen.picture.name!r} is not known (the preprocessing is "
            f"random): give its mask in the input's size, {' × '.join(map(str, seen.space))}."
        )
    return placement.cut(mask)
