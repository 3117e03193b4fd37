"""What stands where places are taken out of a picture."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from featuremaps.methods.baselines import baseline_of

Fill = Literal["zero", "mean", "blur", "linear"]
"""0 after the preprocessing, the picture's mean colour, the picture blurred, or noisy linear imputation (ROAD)."""


class Filling:
    """Copies of pictures with places taken out."""

    def __init__(self, inputs: Float[Tensor, "batch colour *space"], seed: int = 0) -> None:
        self._inputs, self._seed = inputs, seed
        self._empty: dict[Fill, Tensor] = {}

    def __call__(
        self, removed: Bool[Tensor, "batch copy *space"], fill: Fill
    ) -> Float[Tensor, "batch copy colour *space"]:
        """A copy of each picture for each set of places, with `fill` where they were."""
        if fill == "linear":
            raise NotImplementedError  # the noisy linear imputation of ROAD
        if fill not in self._empty:
            self._empty[fill] = baseline_of(self._inputs, fill)
        return torch.where(removed[:, :, None], self._empty[fill][:, None], self._inputs[:, None])
