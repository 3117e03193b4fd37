"""What a model finds in each picture, as regions: a detector's boxes, a segmenter's classes, and the rest."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from featuremaps.errors import FeatureMapsWarning, TargetError
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.outputs.detections import Detections, detections_of
from featuremaps.outputs.place_scores import PlaceScores
from featuremaps.outputs.region_places import (
    Cells,
    members,
    shares_elsewhere,
    shares_of_boxes,
    shares_of_masks,
)

ELSEWHERE = -1
"""The label of what lies in no box, or is given no class."""
PLANE = 2


@dataclass(frozen=True)
class FoundRegion:
    """A box with its label's number and score, a class's region in a picture, or what is left of the picture.

    `box` (left, top, right, bottom) holds all of it, in pixels of the model's input. `share` is how much of the picture
    it covers. Only a detector gives a `score`.
    """

    label: int
    score: float | None
    box: tuple[float, float, float, float]
    share: float


@dataclass(frozen=True, eq=False)
class FoundRegions:
    """The regions of one picture, and the share of each cell of a map that lies in each of them."""

    regions: tuple[FoundRegion, ...]
    shares: Callable[[Cells], Float[Tensor, "region rows columns"]]

    def members(self, cells: Cells) -> Bool[Tensor, "region rows columns"]:
        """Which cells of a map belong to each region; see `region_places`."""
        return members(self.shares(cells))


def boxes_found(outputs: object, classes: ClassOutputs, size: tuple[int, int]) -> list[FoundRegions]:
    """A detector's boxes in each picture of `size` (height, width), surest first, and last what lies in none.

    Boxes count whose score is at least the threshold of `classes`, and which lie in the picture in part. Where they
    cover all of it nothing is left.
    """
    return [_boxes_of(each, classes.threshold, size) for each in detections_of(outputs, classes)]


def _boxes_of(found: Detections, threshold: float, size: tuple[int, int]) -> FoundRegions:
    height, width = size
    every = found.boxes.detach().cpu().double()
    clipped = every.clone()
    clipped[:, 0::2], clipped[:, 1::2] = every[:, 0::2].clamp(0, width), every[:, 1::2].clamp(0, height)
    scores = found.scores.detach().cpu()
    _warn_of_lost(every, scores, threshold, size)
    kept = (scores >= threshold) & (clipped[:, 2] > clipped[:, 0]) & (clipped[:, 3] > clipped[:, 1])
    boxes, whole = clipped[kept], _whole(size)
    left = float(shares_elsewhere(boxes, size, whole))
    covered = shares_of_boxes(boxes, whole).flatten().tolist()
    labels, kept_scores = found.labels.detach().cpu()[kept].tolist(), scores[kept].tolist()
    regions = [
        FoundRegion(label, score, _edges_of(box), share)
        for label, score, box, share in zip(labels, kept_scores, boxes.tolist(), covered, strict=True)
    ]
    if not left > 0:
        return FoundRegions(tuple(regions), lambda cells: shares_of_boxes(boxes, cells))
    rest = FoundRegion(ELSEWHERE, None, (0.0, 0.0, float(width), float(height)), left)

    def shares(cells: Cells) -> Tensor:
        return torch.cat([shares_of_boxes(boxes, cells), shares_elsewhere(boxes, size, cells)[None]])

    return FoundRegions((*regions, rest), shares)


def _warn_of_lost(
    boxes: Float[Tensor, "box 4"], scores: Float[Tensor, " box"], threshold: float, size: tuple[int, int]
) -> None:
    """Say that boxes which are none, or outside, are left out: where they are read wrongly, others are wrong too."""
    ordered = ((boxes[:, 2:] >= boxes[:, :2]) & boxes[:, :2].isfinite()).all(1)
    outside = (boxes[:, 2:] < 0).any(1) | (boxes[:, 0] > size[1]) | (boxes[:, 1] > size[0])
    broken = (~(scores < threshold) & (~ordered | outside)) | scores.isnan()
    if bool(broken.any()):
        warnings.warn(
            "some of what the detector finds is left out: boxes lie outside of the picture, edges or scores are no "
            "numbers, or the right edge lies left of the left one, the bottom above the top. If boxes are read "
            "wrongly, as corners or shares of the picture that they are not, those that count are wrong too: see "
            "survey.regions.",
            FeatureMapsWarning,
            stacklevel=2,
        )


def classes_found(outputs: object, classes: ClassOutputs, batch: int, size: tuple[int, int]) -> list[FoundRegions]:
    """The region of each class that a segmenter gives to places of a picture of `size`, in order of class.

    Last, for classes that do not exclude each other, what is given none. `TargetError` for a model that gives no class
    scores of places, or not of pictures (height, width).
    """
    read = PlaceScores(outputs, classes, batch)
    if read.scores.ndim != PLANE + 2:
        raise TargetError("regions are of pictures: a signal or a volume is surveyed as a whole, each='picture'.")
    grid, margins = read.scores.shape[2:], read.classes.uncovered or ((0, 0),) * PLANE
    rows, columns = (
        torch.linspace(before, side - behind, count + 1, dtype=torch.float64, device="cpu")
        for count, side, (before, behind) in zip(grid, size, margins, strict=True)
    )
    given = (read.covers > 0).cpu()
    found = []
    for picture, present in enumerate(given):
        labels = present.nonzero()[:, 0].tolist()
        masks = [read.inside(torch.full((batch,), label, device=read.scores.device))[picture] for label in labels]
        none = read.winners[picture] == ELSEWHERE
        if bool(none.any()):
            labels, masks = [*labels, ELSEWHERE], [*masks, none]
        found.append(_masks_of(labels, torch.stack(masks).cpu(), rows, columns, _whole(size)))
    return found


def _masks_of(
    labels: list[int],
    masks: Bool[Tensor, "region rows columns"],
    rows: Float[Tensor, " rows_and_one"],
    columns: Float[Tensor, " columns_and_one"],
    whole: Cells,
) -> FoundRegions:
    regions = []
    covered = shares_of_masks(masks, rows, columns, whole).flatten().tolist()
    for label, mask, share in zip(labels, masks, covered, strict=True):
        down, across = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
        box = (columns[across[0]], rows[down[0]], columns[across[-1] + 1], rows[down[-1] + 1])
        regions.append(FoundRegion(label, None, _edges_of([float(edge) for edge in box]), share))
    return FoundRegions(tuple(regions), lambda cells: shares_of_masks(masks, rows, columns, cells))


def _whole(size: tuple[int, int]) -> Cells:
    """The picture as a single cell."""
    rows, columns = (torch.tensor([0.0, float(side)], dtype=torch.float64, device="cpu") for side in size)
    return Cells(rows, columns)


def _edges_of(box: list[float]) -> tuple[float, float, float, float]:
    left, top, right, bottom = box
    return left, top, right, bottom
