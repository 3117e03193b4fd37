"""What measures take: the shapes of their tensors, and the functions among their needs."""

from collections.abc import Callable, Iterator
from typing import Literal, Protocol

from jaxtyping import Bool, Float, Int
from torch import Tensor

from featuremaps.evidence.curves import Curve, Fill, Order

Heatmap = Float[Tensor, "batch *space"]
Inputs = Float[Tensor, "batch colour *space"]
Masks = Bool[Tensor, "batch *space"]
Score = Callable[[Tensor], Tensor]
ExplainAgain = Callable[[Tensor], Tensor]
ExplainSeeded = Callable[[int], Tensor]
ExplainClass = Callable[[Int[Tensor, " batch"]], Tensor]
Randomisation = Literal["cascading", "single"]
ExplainRandomised = Callable[[Randomisation], Iterator[tuple[str, Tensor]]]


class CurveOf(Protocol):
    """The probability of the target while a picture's places are taken out in the order of its heatmap."""

    def __call__(self, order: Order, fill: Fill, steps: int) -> Curve:
        """The curve for this order, with `fill` where places are taken out, in so many equal steps."""
