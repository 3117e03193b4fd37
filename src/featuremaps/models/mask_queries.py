"""Models that give masks and classes of queries (MaskFormer, Mask2Former) as models of class scores per place."""

from typing import Any

import torch
from torch import Tensor, nn

KINDS = ("MaskFormerForInstanceSegmentation", "Mask2FormerForUniversalSegmentation", "EomtForUniversalSegmentation")
"""The models of the `transformers` library that are read so."""


class MaskQueries(nn.Module):
    """The probability of each class at each place, of a model that gives masks and classes of queries.

    A class's score is the sum over the queries of the class's probability (without "no object") times the mask's, as
    the model's own semantic post-processing has it (Cheng et al. 2021, MaskFormer, section 3.4), here divided by the
    sum over the classes.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Probabilities (batch, class, height, width), at the size of the masks."""
        outputs = self.model(pixel_values=pixel_values)
        return semantic(outputs.class_queries_logits, outputs.masks_queries_logits)


def semantic(classes: Tensor, masks: Tensor) -> Tensor:
    """Probabilities (batch, class, height, width) of queries' logits (batch, query, class + 1) and their masks'."""
    shares, inside = classes.softmax(2)[..., :-1], masks.sigmoid()
    scores = torch.einsum("bqc,bqhw->bchw", shares, inside)
    total = scores.sum(1, keepdim=True)
    return scores / total.clamp(min=torch.finfo(scores.dtype).tiny)


def gives_masks_of_queries(model: object) -> bool:
    """Whether a model is one of `KINDS`."""
    return type(model).__name__ in KINDS
