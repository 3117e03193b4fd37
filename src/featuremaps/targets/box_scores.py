"""What a wanted box scores among what was found in copies of a picture: its own score, or how alike the best is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.outputs.detections import Detections

SAME = 1e-5
"""Boxes whose edges differ by no more than this share of the largest are the same one, but for rounding."""
OfFound = Callable[[Sequence[Detections]], Tensor]
"""A number (copies,) for what was found in each of several copies, as many in a row of each picture."""


@dataclass(frozen=True, eq=False)
class Wanted:
    """What is looked for in copies of a picture: a box, a label, the class scores and the score that it had."""

    box: Sequence[float]
    label: int | None
    class_scores: Float[Tensor, " label"] | None
    score: float = 0.0


def best_score(wanted: Wanted | None, found: Detections) -> Tensor:
    """The score of what fits best: of the very box, where it is there, else times its overlap."""
    if wanted is None:
        return found.scores.sum() * 0
    sure, wide = found.sure_of(wanted.label), max(map(abs, wanted.box))
    apart = (found.boxes.detach() - found.boxes.new_tensor(wanted.box)).abs()
    same = (apart <= SAME * wide).all(1) & (sure.detach() > 0)
    if bool(same.any()):  # several queries may give the very same box
        apart_by_score = (sure.detach() - wanted.score).abs().masked_fill(~same, torch.inf)
        return sure[apart_by_score.argmin()[None]].sum()
    fits = intersection_over_union(wanted.box, found) * sure
    best = fits.detach().argmax()[None] if len(fits) else fits.long()
    return fits[best].sum()


def intersection_over_union(box: Sequence[float], found: Detections) -> Float[Tensor, " box"]:
    """Intersection over union of a box with each that was found; 0 for boxes without an area."""
    given, boxes = found.boxes.new_tensor(box), found.boxes
    sides = (torch.minimum(boxes[:, 2:], given[2:]) - torch.maximum(boxes[:, :2], given[:2])).clamp(min=0)
    own = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1)
    both = sides.prod(1)
    return both / (own + (given[2:] - given[:2]).prod() - both).clamp(min=1e-12)


def for_each(wanted: Sequence[Wanted | None], number_of: Callable[[Wanted | None, Detections], Tensor]) -> OfFound:
    """The number of each picture's wanted box, for each of its copies."""

    def of_found(found: Sequence[Detections]) -> Tensor:
        repeats = len(found) // len(wanted)
        repeated = [each for each in wanted for _ in range(repeats)]
        return torch.stack([number_of(*pair) for pair in zip(repeated, found, strict=True)])

    return of_found


def likeness(wanted: Wanted | None, found: Detections) -> Tensor:
    """How alike the most alike detection is: overlap × cosine of the class scores × objectness (D-RISE, eq. 4-7).

    Where a detector gives one label and score each, the cosine is 1 or 0, and the score stands for the objectness.
    """
    if wanted is None or not len(found.boxes):
        return found.scores.new_zeros(())
    if found.class_scores is None:
        alike = found.sure_of(wanted.label)
    else:
        scores = wanted.class_scores
        if scores is None:  # a box given by the user
            alike = (
                found.sure_of(wanted.label)
                if wanted.label is None
                else found.class_scores[:, wanted.label] / (found.class_scores.norm(dim=1).clamp(min=1e-12))
            )
        else:
            alike = torch.nn.functional.cosine_similarity(found.class_scores, scores[None].to(found.class_scores))
        alike = alike if found.objectness is None else alike * found.objectness
    return (intersection_over_union(wanted.box, found) * alike).max()
