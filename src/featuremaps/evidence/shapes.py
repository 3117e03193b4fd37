"""What measures take: the shapes of their tensors, and the functions among their needs."""

from collections.abc import Callable, Iterator
from typing import Literal

from jaxtyping import Bool, Float, Int
from torch import Tensor

from featuremaps.evidence.curves import Curve, Order
from featuremaps.evidence.fills import Fill

Heatmap = Float[Tensor, "batch *space"]
Inputs = Float[Tensor, "batch colour *space"]
Masks = Bool[Tensor, "batch *space"]
Score = Callable[[Tensor], Tensor]
ExplainAgain = Callable[[Tensor], Tensor]
ExplainSeeded = Callable[[int], Tensor]
ClassIndices = Int[Tensor, " batch"]
ExplainClass = Callable[[ClassIndices], Tensor]
Randomisation = Literal["cascading", "single"]
ExplainRandomised = Callable[[Randomisation], Iterator[tuple[str, Tensor]]]
CurveOf = Callable[[Order, Fill, int], Curve]
"""The probability of the target while a picture's places are taken out in the order of its heatmap: a function of the
order, of what stands where places are taken out, and of the number of equal steps."""
