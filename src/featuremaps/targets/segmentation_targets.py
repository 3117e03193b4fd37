"""What a segmentation model gives, as a target: a class in the region it is given, in another one, or at a point."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from featuremaps.errors import TargetError
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.outputs.outputs import Which, class_indices, class_labels, in_percent
from featuremaps.outputs.place_scores import PlaceScores, mean_inside, of_class
from featuremaps.targets.bound import Bound

AXES = {1: "time,", 2: "height, width", 3: "depth, height, width"}


@dataclass(frozen=True)
class Region:
    """For segmentation: a class where the model gives it, by the mean of its score over these places.

    The places are those of the picture itself: masked copies of it are scored in the same ones. Vinogradova et al.
    2020, Seg-Grad-CAM, eq. 2, whose sum is a mean here.

    Args:
        which: A class by index or name, one for each picture, or `None` for the class that covers most of each picture,
            other than background where that has a name.

    Raises:
        TargetError: The class is given to no place; the message names those that are.
    """

    which: Which = None

    def bind(self, outputs: object, classes: ClassOutputs, batch: int) -> Bound:
        """See `Target`."""
        read = PlaceScores(outputs, classes, batch)
        indices = read.chosen(self.which)
        inside = read.inside(indices).float()
        labels = list(class_labels(indices, classes.names))
        for row, label in enumerate(labels):
            share = float(inside[row].mean())
            if share:
                labels[row] = f"{label} in its {in_percent(share)} of the picture"
            elif self.which is None:
                inside[row] = 1
                labels[row] = f"{label}, which is given to no place, over the whole picture"
            else:
                raise _given_to_no_place(read, row, label, batch)
        return inside_of(read, inside, indices, tuple(labels))


@dataclass(frozen=True, eq=False)
class Mask:
    """For segmentation: the mean class score inside a region, `mask` (height, width) or (batch, height, width).

    Args:
        mask: True or 1 (in files also 255) inside and 0 outside, or how much of each place counts, as floating-point
            numbers; also a picture of one channel. In the size of the model's output, of its input, or of the original
            picture, whose crop and resize it then follows: what of it lies in each of the output's pixels is averaged.
            For volumes (depth, height, width), for signals (time,), or one for each of the batch. One that has the
            size of the input and of the original is taken to be the input's, with a `FeatureMapsWarning` where these
            show different parts.
        which: A class by index or name, one for each picture, or `None` for the highest mean score inside.
    """

    mask: Tensor | NDArray[Any] | Image.Image
    which: Which = None

    def bind(self, outputs: object, classes: ClassOutputs, batch: int) -> Bound:
        """See `Target`."""
        read = PlaceScores(outputs, classes, batch)
        given = self.values
        if given.shape[-read.scores.ndim + 2 :] != read.scores.shape[2:]:
            read.check_covered("a mask of another size is not laid over them")
        mask = _fitted(given, read.scores, batch, classes.space).to(read.scores.device)
        if bool((mask.flatten(1).sum(1) == 0).any()):
            raise TargetError(
                "the mask is empty for at least one picture, in what the model sees of it: nothing to explain."
            )
        indices = class_indices(self.which, mean_inside(read.scores, mask), classes.names, batch)
        labels = tuple(f"{label} in mask" for label in class_labels(indices, classes.names))
        return inside_of(read, mask, indices, labels)

    @property
    def values(self) -> Tensor:
        """The mask as a tensor, floating-point numbers or bool; `TargetError` where it does not say what is inside."""
        if isinstance(self.mask, Image.Image) and len(self.mask.getbands()) > 1:
            raise TargetError(
                f"a mask has one channel, and this picture has {', '.join(self.mask.getbands())}: give the one that "
                "says what lies inside, image.getchannel(…)."
            )
        mask = self.mask if isinstance(self.mask, Tensor) else torch.as_tensor(np.array(self.mask))
        if mask.is_floating_point():
            if not bool((mask.isfinite() & (mask >= 0)).all()):
                raise TargetError(
                    "a mask has 1 inside and 0 outside, or parts of 1, and this one has less, or no number."
                )
            return mask
        given = mask.unique().tolist()
        if len({*given} - {0}) > 1:
            shown = ", ".join(map(str, given[:6])) + (", …" if len(given) > 6 else "")
            raise TargetError(
                f"a mask of whole numbers has 0 outside and one other inside, and this one has {shown}. Of a map of "
                f"labels give mask == {given[-1]}, and parts of places as floating-point numbers from 0 to 1."
            )
        return mask != 0


@dataclass(frozen=True)
class Point:
    """For segmentation: the score of a class at one place of the model's input, (row, column), counted from 0.

    Args:
        place: (row, column), for volumes (slice, row, column), for signals one number.
        which: A class by index or name, one for each picture, or `None` for the one that the model gives to the place.

    Raises:
        TargetError: The place lies outside the input.
    """

    place: Sequence[int]
    which: Which = None

    def bind(self, outputs: object, classes: ClassOutputs, batch: int) -> Bound:
        """See `Target`."""
        read = PlaceScores(outputs, classes, batch)
        grid = tuple(read.scores.shape[2:])
        size = classes.space or grid
        if len(self.place) != len(size) or not all(0 <= at < side for at, side in zip(self.place, size, strict=True)):
            raise TargetError(
                f"Point({tuple(self.place)}) is no place ({AXES[len(grid)]}) of the model's input, whose size is "
                f"{size}: each number counts from 0 to one less than the side."
            )
        read.check_covered("a place of the input is no place of theirs")
        region = torch.zeros(grid, device=read.scores.device)
        region[tuple(at * into // side for at, into, side in zip(self.place, grid, size, strict=True))] = 1
        region = region.expand(batch, *grid)
        indices = class_indices(self.which, mean_inside(read.scores, region), classes.names, batch)
        at = ", ".join(map(str, self.place))
        return inside_of(
            read, region, indices, tuple(f"{one} at ({at})" for one in class_labels(indices, classes.names))
        )


def inside_of(
    read: PlaceScores, region: Float[Tensor, "batch *grid"], indices: Int[Tensor, " batch"], labels: tuple[str, ...]
) -> Bound:
    """The mean score of a class for each picture over a region of the outputs' places, which stays where it is."""

    def of_chosen(dense: Tensor, repeats: int) -> Tensor:
        return mean_inside(of_class(dense, indices, repeats), region.repeat_interleave(repeats, 0))

    def every_class(new: object, repeats: int) -> Tensor:
        return mean_inside(read.read(new), region.repeat_interleave(repeats, 0))

    return Bound(
        labels,
        indices,
        lambda new, repeats: of_chosen(read.read(new), repeats),
        lambda new, repeats: of_chosen(read.read_probabilities(new), repeats),
        every_class,
        region=None if read.classes.uncovered else region,
        in_mirror=lambda: inside_of(read, region.flip(-1), indices, labels),
        of_classes=lambda others: inside_of(read, region, others, class_labels(others, read.classes.names)),
    )


def _given_to_no_place(read: PlaceScores, row: int, label: str, batch: int) -> TargetError:
    where = "the picture" if batch == 1 else f"picture {row + 1} of the {batch} that run together"
    known = read.given_to(row)
    there = f"It gives {known}: explain one of these, or" if known else "Give"
    which = repr(label) if read.classes.names else label.rpartition(" ")[2]
    return TargetError(
        f"the model gives {label!r} to no place of {where}. {there} target=featuremaps.Logit({which}) for its mean "
        f"score over the whole picture, or target=featuremaps.Mask(region, {which}) for a region of your own."
    )


def _fitted(mask: Tensor, dense: Tensor, batch: int, space: tuple[int, ...] | None) -> Tensor:
    """A mask for each picture, in the size of the scores.

    `TargetError` where it has neither this size nor that of the input, `space`, or is no multiple if that is not known.
    """
    grid = tuple(dense.shape[2:])
    sides = AXES[len(grid)]
    if mask.ndim - len(grid) not in (0, 1) or (mask.ndim > len(grid) and len(mask) not in (1, batch)):
        raise TargetError(f"a mask is ({sides}), or one for each of {batch} pictures; got shape {tuple(mask.shape)}.")
    mask = mask.float().expand(batch, *mask.shape[-len(grid) :])
    shrinks = {divmod(side, into) for side, into in zip(mask.shape[1:], grid, strict=True)}
    several = len(shrinks) == 1 and next(iter(shrinks))[1] == 0
    if tuple(mask.shape[1:]) == space or (space is None and several):
        mask = getattr(torch.nn.functional, f"adaptive_avg_pool{len(grid)}d")(mask[:, None], grid)[:, 0]
    if mask.shape[1:] != grid:
        known = "" if space is None else f", its input {space}"
        raise TargetError(
            f"the mask is {tuple(mask.shape[1:])} and the model's output {grid}{known} ({sides}); resize the mask to "
            "one of these, or give it in the size of the original picture, and that as a picture and not as a tensor."
        )
    return mask
