"""Models of pictures and texts (CLIP, SigLIP) as models of pictures, whose classes are the texts that were given."""

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from featuremaps.errors import FeatureMapsWarning, SourceError
from featuremaps.options import OutputKind
from featuremaps.pictures.processor import Processor


class WithoutTexts(dict[str, Tensor]):
    """What such a model gives of a picture alone: its embedding; and why there are no class scores in it."""

    why_no_scores = (
        "this model compares pictures with texts, and it was given none. Give the texts as classes: "
        "Scope(model, processor, classes=['a photo of a cat', 'a photo of a dog']), whose processor has the model's "
        "tokenizer, or load('hf:…', classes=[…]); on the command line --classes FILE with a text a line. Without texts "
        "give target=Similarity(…) to an embedding."
    )


class PicturesAndTexts(nn.Module):
    """A model of pictures and texts that takes pictures: how well each of some texts fits them.

    The texts are encoded once. Without any it gives the embedding of the picture.
    """

    def __init__(self, model: Any, texts: Tensor | None) -> None:
        super().__init__()
        self.model = model
        self.texts: Tensor | None
        self.register_buffer("texts", texts)

    @property
    def kind(self) -> OutputKind | None:
        """What the scores are, where the model says: with a bias they are no alternatives."""
        return "multi_label" if self.texts is not None and hasattr(self.model, "logit_bias") else None

    def forward(self, pixel_values: Tensor) -> Any:
        """Logits (batch, text), as the model's own `logits_per_image`."""
        pictures = _embedding(self.model.get_image_features(pixel_values=pixel_values))
        if self.texts is None:
            return WithoutTexts(pooler_output=pictures)
        scores = pictures / pictures.norm(dim=-1, keepdim=True) @ self.texts.T
        scores = scores * self.model.logit_scale.exp()
        return scores + self.model.logit_bias if hasattr(self.model, "logit_bias") else scores


def compares_with_texts(model: object) -> bool:
    """Whether a model is one of pictures and texts, as the `transformers` library makes them."""
    return hasattr(model, "get_text_features") and hasattr(model, "get_image_features")


def comparing(model: Any, transform: object, texts: Sequence[str] | None) -> PicturesAndTexts:
    """The model with these texts, read by the tokenizer of its processor, which is the `transform`.

    Raises `SourceError` where texts are given and the processor has no tokenizer, or is none.
    """
    if texts is None:
        return PicturesAndTexts(model, None).train(model.training)
    tokenizer = transform.tokenizer if isinstance(transform, Processor) else None
    kind = type(model).__name__
    if tokenizer is None:
        of = type(getattr(transform, "processor", transform)).__name__
        given = "no transform" if transform is None else f"a {of} as transform, which has none"
        raise SourceError(
            f"{kind} compares pictures with the texts in classes=…, and needs its tokenizer to read them, and there is "
            f"{given}. Give the model's whole processor as transform: Scope(model, "
            "transformers.AutoProcessor.from_pretrained(…), classes=[…])."
        )
    return PicturesAndTexts(model, encoded(model, tokenizer, texts, kind)).train(model.training)


def encoded(model: Any, tokenizer: Any, texts: Sequence[str], name: str, advice: str = "") -> Tensor:
    """The texts' embeddings (text, feature) of length 1.

    A `FeatureMapsWarning` names texts that are longer than what the model reads. Raises `SourceError` for texts that
    the tokenizer cannot read, and for a model that scores in another way.
    """
    if not hasattr(model, "logit_scale"):
        raise SourceError(
            f"{type(model).__name__} does not scale how alike a picture and a text are by a logit_scale, as CLIP and "
            "SigLIP do, so its scores are not known here. Wrap it: pictures in, (batch, text) out."
        )
    longest = model.config.text_config.max_position_embeddings
    given = ["", *texts]  # a tokenizer without its vocabulary reads nothing
    settings = {"padding": "max_length", "truncation": True, "max_length": longest, "return_tensors": "pt"}
    try:
        tokens = tokenizer(given, **settings)
        whole = tokenizer(list(texts), padding=False, truncation=False)["input_ids"]
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise SourceError(f"the tokenizer of {name!r} cannot read the texts in classes=…: {reason} {advice}") from error
    rows = [tuple(row) for row in tokens["input_ids"].tolist()]
    alike = [text for place, text in enumerate(given) if rows.index(rows[place]) != place]
    if alike:
        raise SourceError(
            f"the tokenizer of {name!r} reads {alike[0]!r} as another text of classes=…, or as none. {advice}".strip()
        )
    for text, row in zip(texts, whole, strict=True):
        if len(row) > longest:
            warnings.warn(
                f"{name!r} reads {longest} tokens of a text, and {text[:40]!r}… has {len(row)}: its end is left out of "
                "what pictures are compared with. Give a shorter one.",
                FeatureMapsWarning,
                stacklevel=4,
            )
    device = next(model.parameters()).device
    training = model.training
    try:
        with torch.no_grad():
            made = _embedding(model.eval().get_text_features(**{key: part.to(device) for key, part in tokens.items()}))
    finally:
        model.train(training)
    lengths: Tensor = made[1:].norm(dim=-1, keepdim=True)
    return made[1:] / lengths


def _embedding(features: Any) -> Tensor:
    """A tensor as it is (transformers 4), or the pooled part of an output (5)."""
    return features if isinstance(features, Tensor) else features.pooler_output
