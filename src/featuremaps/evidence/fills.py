"""What stands where places are taken out of a picture."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from featuremaps.errors import MethodError
from featuremaps.evidence.linear_imputation import impute
from featuremaps.methods.baselines import baseline_of
from featuremaps.methods.random_numbers import normal

Fill = Literal["zero", "mean", "blur", "linear"]
"""0 after the preprocessing, the picture's mean colour, the picture blurred, or noisy linear imputation (ROAD)."""
NOISE = 0.01
"""The standard deviation of ROAD's noise, in the units of the preprocessed picture."""

UNCHANGED = "the picture is already what stands where places are taken out"


class Filling:
    """Copies of pictures with places taken out."""

    def __init__(self, inputs: Float[Tensor, "batch colour *space"], seed: int = 0) -> None:
        self._inputs, self._seed = inputs, seed
        self._empty: dict[Fill, Tensor] = {}
        self._changes: dict[Fill, Tensor] = {}

    def __call__(
        self, removed: Bool[Tensor, "batch copy *space"], fill: Fill
    ) -> Float[Tensor, "batch copy colour *space"]:
        """A copy of each picture for each set of places, with `fill` where they were."""
        empty = self._of(fill)[:, None]
        if fill == "linear":
            noise = NOISE * normal(self._inputs.shape[1:], torch.Generator().manual_seed(self._seed))
            return impute(self._inputs, removed) + removed[:, :, None] * noise.to(self._inputs)
        return torch.where(removed[:, :, None], empty, self._inputs[:, None])

    def changes(self, fill: Fill) -> Bool[Tensor, " batch"]:
        """The pictures that differ from what stands where everything is taken out; noise aside."""
        if fill not in self._changes:
            self._changes[fill] = ~torch.isclose(self._of(fill), self._inputs).flatten(1).all(1)
        return self._changes[fill]

    def _of(self, fill: Fill) -> Float[Tensor, "batch colour *space"]:
        """What stands where everything is taken out of each picture; noise aside."""
        if fill not in self._empty:
            if fill == "linear" and self._inputs.ndim != 4:
                raise MethodError(
                    f"fill={fill!r} is for pictures (batch, colour, height, width), and the model's input has shape "
                    f"{tuple(self._inputs.shape)}. Use fill='zero', 'mean' or 'blur'."
                )
            self._empty[fill] = baseline_of(self._inputs, "mean" if fill == "linear" else fill)
        return self._empty[fill]
