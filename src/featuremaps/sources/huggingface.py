"""Vision models from the Hugging Face hub or a local folder: with heads of all kinds, CLIP, and backbones."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from featuremaps.errors import SourceError
from featuremaps.options import OutputKind
from featuremaps.sources.checkpoint import fit_weights, read_weights
from featuremaps.sources.loaded import Loaded, in_short, needs_package
from featuremaps.sources.registry import source

PROCESSORS = ("preprocessor_config.json", "processor_config.json")
NAMED = ("Classification", "Segmentation", "Detection")
"""What the names of architectures whose outputs are classes have in them."""


_SAVE = "Save the whole processor beside the model: processor.save_pretrained(folder)."


class Processor:
    """An image processor as a transform: a PIL picture in, the model's input (channel, height, width) out."""

    def __init__(self, processor: Any) -> None:
        self.processor = processor

    def __call__(self, image: Image.Image) -> Tensor:
        """The preprocessed picture (channel, height, width)."""
        pixels: Tensor = self.processor(images=image, return_tensors="pt")["pixel_values"][0]
        return pixels

    def __repr__(self) -> str:
        return f"{type(self.processor).__name__}(size={getattr(self.processor, 'size', None)})"


class PicturesAndTexts(nn.Module):
    """A model of pictures and texts (CLIP, SigLIP) that takes pictures: how well each of some texts fits them.

    The texts are encoded once. Without any it gives the embedding of the picture.
    """

    def __init__(self, model: Any, texts: Tensor | None) -> None:
        super().__init__()
        self.model = model
        self.texts: Tensor | None
        self.register_buffer("texts", texts)

    def forward(self, pixel_values: Tensor) -> Any:
        """Logits (batch, text), as the model's own `logits_per_image`."""
        pictures = _embedding(self.model.get_image_features(pixel_values=pixel_values))
        if self.texts is None:
            return {"pooler_output": pictures}
        scores = pictures / pictures.norm(dim=-1, keepdim=True) @ self.texts.T
        scores = scores * self.model.logit_scale.exp()
        return scores + self.model.logit_bias if hasattr(self.model, "logit_bias") else scores


@source("hf")
def load(name: str, weights: Path | None, classes: Sequence[str] | None = None) -> Loaded:
    """A repository of the hub or a folder by `save_pretrained`; code in a repository is never run.

    `classes` are the texts that a model of pictures and texts compares a picture with.
    """
    transformers = needs_package("transformers")
    try:
        architecture = (transformers.AutoConfig.from_pretrained(name).architectures or ["AutoModel"])[0]
        kind = getattr(transformers, architecture, transformers.AutoModel)
        model, report = kind.from_pretrained(name, output_loading_info=True)
        known = not Path(name).is_dir() or any(Path(name, file).is_file() for file in PROCESSORS)
        processor = Processor(transformers.AutoImageProcessor.from_pretrained(name)) if known else None
    except Exception as error:
        raise SourceError(f"the Hugging Face model {name!r} could not be loaded: {in_short(error)}") from error
    if "pixel_values" not in inspect.signature(model.forward).parameters:
        takes = next(iter(inspect.signature(model.forward).parameters))
        raise SourceError(
            f"{name!r} is a {type(model).__name__}, which takes {takes} and "
            "no pictures. Give a vision model: one for classification, segmentation, detection, or a backbone."
        )
    if weights is not None:
        fit_weights(model, read_weights(weights), weights)
    elif report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise SourceError(
            f"{name!r} lacks {len(missing)} weights of {type(model).__name__} ({', '.join(missing[:3])}…), which would "
            "be random. Give them as weights, or a folder written by model.save_pretrained()."
        )
    model.eval()
    if hasattr(model, "get_text_features") and hasattr(model, "get_image_features"):
        texts = None if classes is None else _encoded(transformers, model, name, classes)
        outputs: OutputKind | None = "multi_label" if texts is not None and hasattr(model, "logit_bias") else None
        return Loaded(PicturesAndTexts(model, texts).eval(), processor, classes, outputs)
    return Loaded(model, processor, _names(model) if any(word in architecture for word in NAMED) else None)


def _names(model: Any) -> list[str] | None:
    """The names of the classes in the model's order, with "no object" behind them where a head has one output more."""
    labels: dict[int, str] = model.config.id2label
    if set(labels) != set(range(len(labels))):
        return None
    widths = {part.out_features for part in model.modules() if isinstance(part, nn.Linear)}
    more = ["no object"] if len(labels) + 1 in widths and len(labels) not in widths else []
    return [labels[i] for i in range(len(labels))] + more


def _encoded(transformers: Any, model: Any, name: str, texts: Sequence[str]) -> Tensor:
    """The texts' embeddings (text, feature) of length 1, by the model's own tokenizer."""
    longest = model.config.text_config.max_position_embeddings
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(name)
        given = ["", *texts]  # a tokenizer without its vocabulary reads nothing
        tokens = tokenizer(given, padding="max_length", truncation=True, max_length=longest, return_tensors="pt")
    except Exception as error:
        raise SourceError(f"{name!r} has no tokenizer for the texts in classes=…: {in_short(error)} {_SAVE}") from error
    rows = [tuple(row) for row in tokens["input_ids"].tolist()]
    alike = [text for place, text in enumerate(given) if rows.index(rows[place]) != place]
    if alike:
        raise SourceError(
            f"the tokenizer of {name!r} reads {alike[0]!r} as another text of classes=…, or as none. {_SAVE}"
        )
    with torch.no_grad():
        made = _embedding(model.get_text_features(**tokens))
    lengths: Tensor = made[1:].norm(dim=-1, keepdim=True)
    return made[1:] / lengths


def _embedding(features: Any) -> Tensor:
    """A tensor as it is (transformers 4), or the pooled part of an output (5)."""
    pooled: Tensor = features if isinstance(features, Tensor) else features.pooler_output
    return pooled
