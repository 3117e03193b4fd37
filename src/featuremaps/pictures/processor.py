"""An image processor of the `transformers` library, or one of pictures and texts, as a transform of pictures."""

from typing import Any

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
        pixels: Tensor = self.of_pictures(images=image, return_tensors="pt")["pixel_values"][0]
        return pixels

    def __repr__(self) -> str:
        size = getattr(self.of_pictures, "size", None)
        return f"{type(self.processor).__name__}(size={dict(size) if size is not None else None})"


def as_transform(transform: Any) -> Any:
    """A processor as a transform; whatever else was given as it is."""
    part = getattr(transform, "image_processor", transform)
    named = getattr(part, "model_input_names", ())
    return Processor(transform) if not isinstance(transform, Processor) and "pixel_values" in named else transform
