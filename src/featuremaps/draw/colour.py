"""The colours of photographs: how red, green and blue go together, and the way to numbers that do not."""

import torch
from jaxtyping import Float
from torch import Tensor

# Measured over 104 photographs (100 of ImageNet, one for every tenth class, with a shorter side of 256; Chelsea,
# coffee, rocket and astronaut of scikit-image), values 0 to 1, each photograph with the same weight, deviations from
# the mean colour of them all (0.476, 0.448, 0.405).
COVARIANCE = (
    (0.0708, 0.0633, 0.0570),
    (0.0633, 0.0684, 0.0658),
    (0.0570, 0.0658, 0.0745),
)
"""The covariance of red, green and blue in photographs."""

DEVIATION = 0.267
"""The standard deviation of a channel of photographs: the root of the covariance's mean diagonal."""

# The eigenvectors of the covariance as columns, each times the root of its eigenvalue (0.1953, 0.0156, 0.0028), the
# whole divided by DEVIATION, so that the mean variance of the three channels is 1.
MIXING = (
    (0.9342, 0.3395, 0.0774),
    (0.9669, -0.0069, -0.1600),
    (0.9671, -0.3211, 0.0852),
)
"""What light, red against blue, and green against both add to red, green and blue, for one deviation of each."""


Numbers = Float[Tensor, "count channel height width"]


def correlate(values: Numbers) -> Numbers:
    """Independent numbers of variance 1 as red, green and blue that go together as in photographs.

    The mean variance of a channel stays 1. Other than three channels are left as they are: nothing is known of them.
    """
    return _mixed(values, _mixing(values)) if values.shape[1] == 3 else values


def decorrelate(values: Numbers) -> Numbers:
    """The inverse of `correlate`: light, red against blue, and green against both."""
    return _mixed(values, torch.linalg.inv(_mixing(values))) if values.shape[1] == 3 else values


def _mixing(values: Tensor) -> Tensor:
    return torch.tensor(MIXING, dtype=values.dtype, device=values.device)


def _mixed(values: Tensor, matrix: Tensor) -> Tensor:
    return (matrix @ values.flatten(2)).reshape(values.shape)
