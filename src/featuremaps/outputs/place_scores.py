"""Class scores at each place of a picture, as segmentation models give them, and where a model gives each class."""

from dataclasses import replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from featuremaps.errors import TargetError
from featuremaps.outputs.class_outputs import ClassOutputs, check_kind
from featuremaps.outputs.heatmap_doubts import exclude_each_other
from featuremaps.outputs.no_scores import describe
from featuremaps.outputs.outputs import Which, class_indices, class_label, in_percent, needs_logits

BACKGROUND = ("background", "__background__", "bg", "void", "unlabeled", "unlabelled", "nothing")
"""What models call that which is none of their classes, without regard to capitals."""
SURE = 0.5
"""From this probability on, a place is given a class that others do not exclude."""
SHOWN = 8
"""So many classes are listed where one was asked for that is not among them."""


def is_dense(outputs: object, classes: ClassOutputs, batch: int) -> bool:
    """Whether these outputs for a batch are class scores at each of several places, (batch, classes, *space)."""
    given = classes.logits(outputs)
    return (
        given is not None
        and given.is_floating_point()
        and given.ndim in ((3, 4, 5) if classes.signal else (4, 5))
        and len(given) == batch
        and given[0, 0].numel() > 1
    )


class PlaceScores:
    """How class scores are read at each place for a batch: as they are for this one, so for any copies of it.

    `scores` are those of the batch, (batch, classes, *space), and `classes` says how they are read. Raises
    `TargetError` for outputs that are no scores of places, and where there are not as many as names.
    """

    def __init__(self, outputs: object, classes: ClassOutputs, batch: int) -> None:
        if classes.unread:
            raise TargetError(classes.unread)
        if not is_dense(outputs, classes, batch):
            given = classes.logits(outputs)
            what = f"{describe(outputs)} without any" if given is None else f"shape {tuple(given.shape)}"
            raise TargetError(
                "Region, Mask and Point need a model with class scores per pixel (batch, class, height, width), and "
                f"this one gives {what}. Give a class as target=, or wrap the model so that it returns such scores."
            )
        self._given = needs_logits(outputs, part=classes.part)
        self.classes = replace(classes, kind=classes.known_for(self._given))
        check_kind(self.classes, self._given.detach())
        self.scores = self.classes.scores_in(self._given)
        self._exclude = self.classes.kind != "multi_label" and self.scores.shape[1] > 1
        if self.classes.kind == "probabilities":
            self._exclude &= exclude_each_other(self.scores)
        class_indices(0, self.covers, classes.names, batch)  # as many names as classes

    def read(self, outputs: object) -> Float[Tensor, "outputs classes *space"]:
        """The scores before the softmax, or what the model gives in their place."""
        return self.classes.scores_in(needs_logits(outputs, part=self.classes.part))

    def read_probabilities(self, outputs: object) -> Float[Tensor, "outputs classes *space"]:
        """The probabilities, which are not squashed again where the model gives them."""
        return self.classes.probabilities_in(needs_logits(outputs, part=self.classes.part))

    def check_covered(self, what: str) -> None:
        """`TargetError` where the scores' places do not reach from edge to edge of the input, with `what` follows."""
        if not self.classes.uncovered or self.classes.space is None:
            return
        size = " × ".join(map(str, self.classes.space))
        sides = zip(self.classes.uncovered, self.classes.space, strict=True)
        inner = " × ".join(f"{before} to {side - behind}" for (before, behind), side in sides)
        raise TargetError(
            f"the model's scores lie over pixels {inner} of its input ({size}) only, as those of convolutions without "
            f"padding do, so that {what}. Wrap the model so that it pads its scores to the input's size, or give "
            f"target=featuremaps.Mask(region) in the size of its scores, {tuple(self.scores.shape[2:])}."
        )

    @cached_property
    def probabilities(self) -> Float[Tensor, "batch classes *space"]:
        """Those of the batch, float32."""
        return self.classes.probabilities_in(self._given.detach())

    @cached_property
    def winners(self) -> Int[Tensor, "batch *space"]:
        """The class that each place is given, the most probable of several; −1 where it is given none."""
        best = self.scores.detach().argmax(1)
        return best if self._exclude else torch.where(self.probabilities.amax(1) >= SURE, best, -1)

    def inside(self, indices: Int[Tensor, " batch"]) -> Bool[Tensor, "batch *space"]:
        """The places of each picture that the model gives this class."""
        if self._exclude:
            return self.winners == indices.reshape(-1, *[1] * (self.winners.ndim - 1))
        return of_class(self.probabilities, indices, 1) >= SURE

    @cached_property
    def covers(self) -> Float[Tensor, "batch classes"]:
        """The share of each picture that the model gives each class."""
        if not self._exclude:
            return (self.probabilities >= SURE).flatten(2).float().mean(2)
        winners = self.winners.flatten(1)
        counts = torch.zeros(self.scores.shape[:2], device=winners.device)
        return counts.scatter_add_(1, winners, torch.ones_like(winners, dtype=counts.dtype)) / winners.shape[1]

    @property
    def background(self) -> list[int]:
        """The classes that stand for none of the others: by their names, or the first of two with a single score."""
        if self.scores.shape[1] > self._given.shape[1]:
            return [0]
        names = self.classes.names or ()
        return [index for index, name in enumerate(names) if name.strip().lower() in BACKGROUND]

    def chosen(self, which: Which) -> Int[Tensor, " batch"]:
        """The class that is named for each picture; for None that which covers most of it.

        That is background only where there is nothing else, and the most probable class where none is given.
        """
        others = self.covers.clone()
        others[:, self.background] = 0
        covers = torch.where(others.any(1, keepdim=True), others, self.covers)
        ranked = covers + 1e-6 * self.probabilities.flatten(2).mean(2)
        return class_indices(which, ranked, self.classes.names, len(ranked))

    def given_to(self, row: int) -> str:
        """The classes that the model gives to places of a picture, in words: largest first, with their shares."""
        covers = self.covers[row]
        largest = [index for index in covers.argsort(descending=True).tolist() if covers[index] > 0]
        named = [
            f"{class_label(index, self.classes.names)} ({in_percent(float(covers[index]))})"
            for index in largest[:SHOWN]
        ]
        more = f" and {len(largest) - SHOWN} more" if len(largest) > SHOWN else ""
        return ", ".join(named) + more


def of_class(dense: Float[Tensor, "outputs classes *space"], indices: Tensor, repeats: int) -> Tensor:
    """The values (outputs, *space) of each picture's class; `repeats` outputs in a row belong to the same picture."""
    chosen = indices.repeat_interleave(repeats).to(dense.device)
    return dense[torch.arange(len(dense), device=dense.device), chosen]


def mean_inside(values: Float[Tensor, "outputs *classes_grid"], region: Float[Tensor, "outputs *grid"]) -> Tensor:
    """The mean of values (outputs, *grid) or (outputs, classes, *grid) over a region, whose places count so much."""
    sides = region.ndim - 1
    counts = region if values.ndim == region.ndim else region[:, None]
    inside = values.float().masked_fill(counts == 0, 0) * counts  # what lies outside may be infinite
    return inside.flatten(-sides).sum(-1) / counts.flatten(-sides).sum(-1)
