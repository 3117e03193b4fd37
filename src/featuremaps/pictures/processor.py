"""What other libraries prepare pictures with (processors of `transformers`, albumentations) as a transform of one."""

from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor


class Processor:
    """A PIL picture in, the model's input (channel, height, width) out; `processor` is theirs, with all its parts."""

    def __init__(self, processor: Any) -> None:
        self.processor = processor

    @property
    def of_pictures(self) -> Any:
        """The part that prepares pictures."""
        return getattr(self.processor, "image_processor", None) or self.processor

    @property
    def tokenizer(self) -> Any | None:
        """The part that reads texts, if there is one."""
        return getattr(self.processor, "tokenizer", None)

    def __call__(self, image: Image.Image) -> Tensor:
        """The preprocessed picture (channel, height, width)."""
        return self.of_pictures(images=image, return_tensors="pt")["pixel_values"][0]

    def __repr__(self) -> str:
        size = getattr(self.of_pictures, "size", None)
        return f"{type(self.processor).__name__}(size={dict(size) if size is not None else None})"


class Augmentation:
    """A transform of albumentations, which takes an array (height, width, channel) by name and gives a dict."""

    def __init__(self, augmentation: Any) -> None:
        self.augmentation = augmentation

    def __call__(self, image: Image.Image) -> Any:
        """What it makes of a picture, an array or a tensor."""
        return self.augmentation(image=np.asarray(image))["image"]

    def __repr__(self) -> str:
        return repr(self.augmentation)


def as_transform(transform: Any) -> Any:
    """A processor, or a transform of albumentations, as one of pictures; whatever else was given as it is."""
    if type(transform).__module__.startswith("albumentations."):
        return Augmentation(transform)
    part = getattr(transform, "image_processor", transform)
    named = getattr(part, "model_input_names", ())
    return Processor(transform) if not isinstance(transform, Processor) and "pixel_values" in named else transform
