"""Models of the `transformers` library as models of pictures with class scores, and the names of their classes."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from featuremaps.models.detectors_of_texts import looking_for, looks_for_texts
from featuremaps.models.pictures_and_texts import compares_with_texts, comparing

NAMED = ("Classification", "Segmentation", "Detection")
"""What the names of architectures whose outputs are classes have in them."""
OF_QUERIES = (
    "MaskFormerForInstanceSegmentation",
    "Mask2FormerForUniversalSegmentation",
    "EomtForUniversalSegmentation",
)
"""The architectures that give masks and classes of queries, read as class scores of each place."""


def of_pictures(model: Any, transform: object, classes: Sequence[str] | None) -> Any:
    """A model that takes pictures alone and gives class scores, of one that needs texts or gives masks of queries.

    Any other model as it is. Raises `SourceError` for texts that cannot be read.
    """
    if not isinstance(model, nn.Module):
        return model
    if compares_with_texts(model):
        return comparing(model, transform, classes)
    if looks_for_texts(model):
        return looking_for(model, transform, classes)
    return MaskQueries(model).train(model.training) if gives_masks_of_queries(model) else model


def class_names(model: Any) -> list[str] | None:
    """The names of the classes in the model's order, with "no object" behind them where a head has one output more.

    None of a model that has no classes, or whose names are not known.
    """
    labels: dict[int, str] | None = getattr(getattr(model, "config", None), "id2label", None)
    if looks_for_texts(model):
        return None
    named = any(word in type(model).__name__ for word in NAMED)
    if not named or not isinstance(labels, dict) or set(labels) != set(range(len(labels))):
        return None
    names = [labels[i] for i in range(len(labels))]
    widths = head_widths(model)
    if len(names) in widths or (len(names) + 1 in widths and gives_masks_of_queries(model)):
        return names
    return [*names, "no object"] if len(names) + 1 in widths else None  # another head than that of its record


def head_widths(model: nn.Module) -> set[int]:
    """How many values the model's dense layers and convolutions give, one of which is its head."""
    widths = {part.out_features for part in model.modules() if isinstance(part, nn.Linear)}
    return widths | {part.out_channels for part in model.modules() if isinstance(part, nn.Conv2d)}


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
    """Whether a model is one of `OF_QUERIES`."""
    return type(model).__name__ in OF_QUERIES
