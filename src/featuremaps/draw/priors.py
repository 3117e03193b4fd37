"""The two priors that keep pictures natural, told from the pictures alone.

Pictures are (batch, channel, height, width) with values 0 to 1; every measure has a value for each.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.draw.canvas import Rows


def alpha_norm(pictures: Rows, alpha: int | float = 6, centre: int | float = 0.5) -> Float[Tensor, " row"]:
    """Σ |x|^α with x = value − centre: what keeps values in their range (Mahendran & Vedaldi 2015, section 2.2).

    The paper's x has the mean of photographs taken off; `centre` stands for it.
    """
    return (pictures - centre).abs().pow(alpha).sum((1, 2, 3))


def total_variation(pictures: Rows, beta: int | float = 2) -> Float[Tensor, " row"]:
    """Σ ((x right − x)² + (x below − x)²)^(β/2): what keeps pictures smooth (Mahendran & Vedaldi 2015, section 2.2).

    The sum is over all pixels and channels; a neighbour outside the picture adds nothing.
    """
    right = torch.nn.functional.pad(pictures.diff(dim=3), (0, 1))
    below = torch.nn.functional.pad(pictures.diff(dim=2), (0, 0, 0, 1))
    squares = right.square() + below.square()
    if beta < 2:
        # The slope of a root is infinite at 0; flat places should have none.
        squares = squares.where(squares > 0, 1).pow(beta / 2) * (squares > 0)
    else:
        squares = squares.pow(beta / 2)
    return squares.sum((1, 2, 3))
