"""A target for a batch of pictures, and what can be bound to one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.outputs.detections import DetectedBox, Detections


@dataclass(frozen=True, eq=False)
class Bound:
    """A target for a batch whose outputs are known.

    `labels` names the target for each picture, `indices` is its class (batch,) where it has one, `probability` the rule
    for that class's probability, and `every_class` the one for the scores of all classes, (batch, classes). `mirrored`:
    whether it means the same in a mirrored picture, "perhaps" where only its author knows. A target of some places of
    the picture has them as its `region` (batch, *grid), how much of each of the output's places counts; `in_mirror`
    makes the one that means the same in a mirrored picture, and `of_classes` the one of other classes (batch,) there.
    `boxes` is what a target of a detector is about in each picture, None for a picture without it; `of_found` is its
    score of what was found in each of several copies, (copies,), and `similarity` says how alike to it that is, as
    D-RISE counts it.
    """

    labels: tuple[str, ...]
    indices: Int[Tensor, " batch"] | None
    rule: Callable[[Any, int], Tensor]
    probability: Callable[[Any, int], Tensor] | None = None
    every_class: Callable[[Any, int], Tensor] | None = None
    mirrored: Literal["yes", "perhaps", "no"] = "yes"
    region: Float[Tensor, "batch *grid"] | None = None
    in_mirror: "Callable[[], Bound] | None" = None
    of_classes: "Callable[[Int[Tensor, ' batch']], Bound] | None" = None
    boxes: tuple[DetectedBox | None, ...] | None = None
    of_found: Callable[[Sequence[Detections]], Tensor] | None = None
    similarity: Callable[[Sequence[Detections]], Tensor] | None = None

    def scores(self, outputs: object, repeats: int = 1) -> Float[Tensor, " outputs"]:
        """The score of each output, float32; `repeats` outputs in a row belong to the same picture."""
        return self.rule(outputs, repeats).float()


@runtime_checkable
class Target(Protocol):
    """Anything that can be bound to a batch of outputs."""

    def bind(self, outputs: object, classes: ClassOutputs, batch: int) -> Bound:
        """The target for these outputs; raises `TargetError` where it does not fit them."""
        ...


@runtime_checkable
class Several(Protocol):
    """A target of which there may be several in a picture, such as each box found."""

    def bind_each(self, outputs: object, classes: ClassOutputs, batch: int) -> Sequence[Bound]:
        """The targets for these outputs, the first of each picture, the second, and so on."""
        ...
