"""Image classifiers from the Hugging Face hub or a local folder, with their own image processor."""

from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from featuremaps.errors import SourceError
from featuremaps.sources.checkpoint import fit_weights, read_weights
from featuremaps.sources.loaded import Loaded, needs_package
from featuremaps.sources.registry import source


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


@source("hf")
def load(name: str, weights: Path | None) -> Loaded:
    """A repository of the hub or a folder with `config.json`; code in a repository is never run."""
    transformers = needs_package("transformers")
    try:
        model = transformers.AutoModelForImageClassification.from_pretrained(name)
        processor = transformers.AutoImageProcessor.from_pretrained(name)
    except Exception as error:
        raise SourceError(f"the Hugging Face model {name!r} could not be loaded: {error}") from error
    if weights is not None:
        fit_weights(model, read_weights(weights), weights)
    labels = model.config.id2label
    return Loaded(model.eval(), Processor(processor), [labels[i] for i in range(len(labels))])
