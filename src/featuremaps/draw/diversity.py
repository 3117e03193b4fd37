"""Several pictures of one unit that differ from each other."""

import torch
from jaxtyping import Float
from torch import Tensor


def likeness(maps: Float[Tensor, "row channel height width"]) -> Float[Tensor, " row"]:
    """How alike each row is to the others: the mean cosine between their channels' Gram matrices; 0 for one row alone.

    Olah et al. 2017, appendix "diversity".
    """
    flat = maps.flatten(2)
    grams = torch.nn.functional.normalize((flat @ flat.mT).flatten(1), dim=1)
    others = (grams @ grams.mT).masked_fill(torch.eye(len(grams), device=maps.device, dtype=torch.bool), 0)
    return others.sum(1) / max(1, len(grams) - 1)
