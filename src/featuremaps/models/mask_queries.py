"""Models that give masks and classes of queries (MaskFormer, Mask2Former) as models of class scores per place."""

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from featuremaps.errors import SourceError
from featuremaps.pictures.processor import Processor

KINDS = ("MaskFormerForInstanceSegmentation", "Mask2FormerForUniversalSegmentation", "EomtForUniversalSegmentation")
"""The models of the `transformers` library that are read so."""
TOLD = ("OneFormerForUniversalSegmentation",)
"""Those that are told in words what they are to do."""
TASK = "the task is semantic"


class MaskQueries(nn.Module):
    """The probability of each class at each place, of a model that gives masks and classes of queries.

    A class's score is the sum over the queries of the class's probability (without "no object") times the mask's, as
    the model's own semantic post-processing has it (Cheng et al. 2021, MaskFormer, section 3.4), here divided by the
    sum over the classes. `task` are the tokens of what such a model is told to do, where it is told.
    """

    def __init__(self, model: Any, task: Int[Tensor, " token"] | None = None) -> None:
        super().__init__()
        self.model = model
        self.task: Tensor | None
        self.register_buffer("task", task)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Probabilities (batch, class, height, width), at the size of the masks."""
        told = {} if self.task is None else {"task_inputs": self.task.expand(len(pixel_values), -1)}
        outputs = self.model(pixel_values=pixel_values, **told)
        return semantic(outputs.class_queries_logits, outputs.masks_queries_logits)


def semantic(classes: Tensor, masks: Tensor) -> Tensor:
    """Probabilities (batch, class, height, width) of queries' logits (batch, query, class + 1) and their masks'."""
    shares, inside = classes.softmax(2)[..., :-1], masks.sigmoid()
    scores = torch.einsum("bqc,bqhw->bchw", shares, inside)
    total = scores.sum(1, keepdim=True)
    return scores / total.clamp(min=torch.finfo(scores.dtype).tiny)


def gives_masks_of_queries(model: object) -> bool:
    """Whether a model is one of `KINDS`, or of those that are told what to do."""
    return type(model).__name__ in (*KINDS, *TOLD)


def is_told_its_task(model: object) -> bool:
    """Whether a model is one of those that are told what to do."""
    return type(model).__name__ in TOLD


def reading_masks(model: Any, transform: object) -> MaskQueries:
    """The model of class scores per place, told to do semantic segmentation where it is told.

    Raises `SourceError` where it has to be told, and its processor, the `transform`, has no tokenizer or cannot read.
    """
    if not is_told_its_task(model):
        return MaskQueries(model).train(model.training)
    kind = type(model).__name__
    tokenizer = transform.tokenizer if isinstance(transform, Processor) else None
    if tokenizer is None:
        raise SourceError(
            f"{kind} is told its task in words, and needs its tokenizer to read them. Give the model's whole processor "
            "as transform: Scope(model, transformers.AutoProcessor.from_pretrained(…))."
        )
    length = model.config.task_seq_len
    try:
        read = tokenizer([TASK], padding="max_length", truncation=True, max_length=length, return_tensors="pt")
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise SourceError(f"the tokenizer of {kind} cannot read {TASK!r}: {reason}") from error
    task = read["input_ids"][0] * read["attention_mask"][0]  # what fills up is 0, as in training
    return MaskQueries(model, task.to(next(model.parameters()).device)).train(model.training)
