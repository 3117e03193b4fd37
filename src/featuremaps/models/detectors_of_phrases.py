"""Detectors that look for the phrases of one text (Grounding DINO) as detectors, whose labels are these phrases.

They score each token of the text; a phrase's probability is the mean over its tokens, as in the authors' evaluation
(Liu et al. 2023, Grounding DINO).
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from featuremaps.errors import SourceError
from featuremaps.options import OutputKind

KINDS = ("GroundingDinoForObjectDetection", "MMGroundingDinoForObjectDetection")
"""The models of the `transformers` library that are read so."""
STOP = "."
"""What ends each phrase of a text."""


class DetectorOfPhrases(nn.Module):
    """A detector that takes pictures and a text as one of pictures: a box and a score of each phrase for each query.

    `tokens` are those of the text; `phrases` (phrase, token) has rows that sum to 1, the mean over a phrase's tokens.
    """

    kind: ClassVar[OutputKind] = "multi_label"

    def __init__(self, model: Any, tokens: Int[Tensor, " token"], phrases: Float[Tensor, "phrase token"]) -> None:
        super().__init__()
        self.model = model
        self.tokens: Tensor
        self.phrases: Tensor
        self.register_buffer("tokens", tokens)
        self.register_buffer("phrases", phrases)

    def forward(self, pixel_values: Tensor) -> dict[str, Tensor]:
        """Logits (batch, query, phrase), and boxes by their middles in shares of the picture, (batch, query, 4)."""
        tokens = self.tokens.expand(len(pixel_values), -1)
        outputs = self.model(pixel_values=pixel_values, input_ids=tokens, attention_mask=torch.ones_like(tokens))
        shares = outputs.logits[..., : tokens.shape[1]].float().sigmoid() @ self.phrases.T
        known = torch.finfo(shares.dtype)
        logits = shares.clamp(min=known.tiny).log() - (1 - shares).clamp(min=known.eps).log()
        return {"logits": logits, "pred_boxes": outputs.pred_boxes}


def looks_for_phrases(model: object) -> bool:
    """Whether a model is one of `KINDS`."""
    return type(model).__name__ in KINDS


def looking_for_phrases(model: Any, tokenizer: Any, phrases: Sequence[str]) -> DetectorOfPhrases:
    """The model with one text of these phrases, in small letters and with a full stop behind each, as it was trained.

    Raises `SourceError` for phrases that the tokenizer cannot read or tell apart, and for too many.
    """
    kind = type(model).__name__
    said = [phrase.strip().rstrip(STOP).strip().lower() for phrase in phrases]
    if broken := next((phrase for phrase in said if not phrase or STOP in phrase or "?" in phrase), None):
        raise SourceError(
            f"{kind} reads the texts in classes=… as one, with a full stop behind each, and {broken!r} has one, or a "
            "question mark, inside. Leave it out."
        )
    try:
        tokens = [int(token) for token in tokenizer(" ".join(f"{phrase}{STOP}" for phrase in said))["input_ids"]]
        (stop,) = tokenizer(STOP, add_special_tokens=False)["input_ids"]
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise SourceError(f"the tokenizer of {kind} cannot read the texts in classes=…: {reason}") from error
    places = _places_of(tokens, stop)
    if len(places) != len(said) or not all(places):
        raise SourceError(
            f"the tokenizer of {kind} reads the {len(said)} texts in classes=… as {len(places)} phrases with words: "
            "which of them it looks for where is not known. Give others, each with a word that it knows."
        )
    most = model.config.max_text_len
    if len(tokens) > most:
        raise SourceError(f"{kind} reads {most} tokens, and the texts in classes=… have {len(tokens)}. Give fewer.")
    rows = torch.zeros(len(places), len(tokens))
    for row, own in zip(rows, places, strict=True):
        row[own] = 1 / len(own)
    device = next(model.parameters()).device
    return DetectorOfPhrases(model, torch.tensor(tokens, device=device), rows.to(device)).train(model.training)


def _places_of(tokens: Sequence[int], stop: int) -> list[list[int]]:
    """Where the tokens of each phrase stand, each of which ends before a stop; the first token of the text is none."""
    places: list[list[int]] = []
    own: list[int] = []
    for place, token in enumerate(tokens[1:], 1):
        if token == stop:
            places.append(own)
            own = []
        else:
            own.append(place)
    return places
