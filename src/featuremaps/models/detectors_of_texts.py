"""Detectors that look for what texts say as detectors, whose labels are the texts that were given.

OWL-ViT and OWLv2 here; those that look for phrases of one text, as Grounding DINO, in a file of their own.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from featuremaps.errors import SourceError
from featuremaps.models.detectors_of_phrases import DetectorOfPhrases, looking_for_phrases, looks_for_phrases
from featuremaps.options import OutputKind
from featuremaps.pictures.processor import Processor

KINDS = ("OwlViTForObjectDetection", "Owlv2ForObjectDetection")
"""The models of the `transformers` library that are read so; those that look for phrases of one text are too."""


class DetectorOfTexts(nn.Module):
    """A detector that takes pictures and texts as one of pictures: a box and a score of each text for each patch.

    `tokens` are those of the texts, (text, token), `mask` says which of them count.
    """

    kind: ClassVar[OutputKind] = "multi_label"

    def __init__(self, model: Any, tokens: Tensor, mask: Tensor) -> None:
        super().__init__()
        self.model = model
        self.tokens: Tensor
        self.mask: Tensor
        self.register_buffer("tokens", tokens)
        self.register_buffer("mask", mask)

    def forward(self, pixel_values: Tensor) -> dict[str, Tensor]:
        """Scores (batch, patch, text), and boxes by their middles in shares of the picture, (batch, patch, 4)."""
        pictures = len(pixel_values)
        outputs = self.model(
            input_ids=self.tokens.repeat(pictures, 1),
            attention_mask=self.mask.repeat(pictures, 1),
            pixel_values=pixel_values,
        )
        return {"logits": outputs.logits, "pred_boxes": outputs.pred_boxes}


def looks_for_texts(model: object) -> bool:
    """Whether a model takes pictures and texts, and finds in the ones what the others say."""
    return type(model).__name__ in KINDS or looks_for_phrases(model)


def looking_for(model: Any, transform: object, texts: Sequence[str] | None) -> DetectorOfTexts | DetectorOfPhrases:
    """The model with these texts, read by the tokenizer of its processor, which is the `transform`.

    Raises `SourceError` without texts or a tokenizer, and for texts that it cannot read.
    """
    kind = type(model).__name__
    if texts is None:
        raise SourceError(
            f"{kind} looks for what texts say, and was given none. Give the texts as classes: Scope(model, processor, "
            "classes=['a cat', 'a dog']), whose processor has the model's tokenizer, or load('hf:…', classes=[…]); on "
            "the command line --classes FILE with a text a line."
        )
    tokenizer = transform.tokenizer if isinstance(transform, Processor) else None
    if tokenizer is None:
        raise SourceError(
            f"{kind} looks for the texts in classes=…, and needs its tokenizer to read them. Give the model's whole "
            "processor as transform: Scope(model, transformers.AutoProcessor.from_pretrained(…), classes=[…])."
        )
    if looks_for_phrases(model):
        return looking_for_phrases(model, tokenizer, texts)
    longest = model.config.text_config.max_position_embeddings
    try:
        read = tokenizer(list(texts), padding="max_length", truncation=True, max_length=longest, return_tensors="pt")
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise SourceError(f"the tokenizer of {kind} cannot read the texts in classes=…: {reason}") from error
    device = next(model.parameters()).device
    tokens = read["input_ids"].to(device)
    mask = read["attention_mask"].to(device) if "attention_mask" in read else torch.ones_like(tokens)
    return DetectorOfTexts(model, tokens, mask).train(model.training)
