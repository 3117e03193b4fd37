"""The numbers that a model's first convolution is given: its pictures, as what it does to them itself leaves them."""

from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor, nn
from torch._ops import OpOverload

from featuremaps.receptive_field import Dataflow
from featuremaps.receptive_field.op_rules import mixes
from featuremaps.running import run as run_model
from featuremaps.runtime.capture import to_model
from featuremaps.session import preserved


def first_numbers(model: nn.Module, picture: Shaped[Tensor, "channel *space"]) -> tuple[float, float]:
    """The least and the largest of what the first convolution or matrix product is given; the model is run once.

    Those of the picture where there is none.
    """
    with preserved(model), torch.no_grad():
        inputs = to_model(model, picture[None].clone())
        first = _First(inputs)
        with first:
            run_model(model, inputs)
    return first.ends


class _First(Dataflow):
    """Follows a picture to the first operation that computes features of it."""

    def __init__(self, inputs: Tensor) -> None:
        super().__init__([inputs])
        self.ends, self._met = _ends(inputs), False

    def __torch_dispatch__(
        self, func: OpOverload, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Runs the operation, having looked at what it is given."""
        if not self._met and mixes(func._schema.name.removeprefix("aten::")):
            given = [item for item in args if isinstance(item, Tensor) and self.trace(item) is not None]
            self._met = bool(given)
            self.ends = _ends(given[0]) if given else self.ends
        return super().__torch_dispatch__(func, types, args, kwargs)


def _ends(values: Tensor) -> tuple[float, float]:
    low, high = values.aminmax()
    return float(low), float(high)
