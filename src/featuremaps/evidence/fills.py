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


class Filling:
    """Copies of pictures with places taken out."""

    def __init__(self, inputs: Float[Tensor, "batch colour *space"], seed: int = 0) -> None:
        self._inputs, self._seed = inputs, seed
        self._empty: dict[Fill, Tensor] = {}

    def __call__(
        self, removed: Bool[Tensor, "batch copy *space"], fill: Fill
    ) -> Float[Tensor, "batch copy colour *space"]:
        """A copy of each picture for each set of places, with `fill` where they were."""
        if fill not in self._empty:
            self._empty[fill] = self._prepared(fill)
        if fill == "linear":
            return impute(self._inputs, removed) + removed[:, :, None] * self._empty[fill]
        return torch.where(removed[:, :, None], self._empty[fill][:, None], self._inputs[:, None])

    def _prepared(self, fill: Fill) -> Float[Tensor, "_batch colour *space"]:
        """The empty picture of each picture, or the noise of a linear fill, the same for all."""
        if fill in ("blur", "linear") and self._inputs.ndim != 4:
            raise MethodError(
                f"fill={fill!r} is for pictures (batch, colour, height, width), and the model's input has shape "
                f"{tuple(self._inputs.shape)}. Use fill='zero' or 'mean'."
            )
        if fill == "linear":
            generator = torch.Generator().manual_seed(self._seed)
            return NOISE * normal(self._inputs[:1].shape, generator).to(self._inputs)
        return baseline_of(self._inputs, fill)
