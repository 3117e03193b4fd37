"""Multispectral pictures: arrays of as many channels as the model takes, made its input."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from featuremaps.errors import ImageError
from featuremaps.pictures.decode import WHITE, unknown_white
from featuremaps.pictures.labels import PICTURE_KEYS

Transform = Callable[[Any], Tensor]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A dataset whose items go through a function when they are read."""

    dataset: Any
    prepare: Callable[[Any], Any]

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, number: int) -> Any:
        return self.prepare(self.dataset[number])


def with_bands(item: Any, bands: int, transform: Transform | None = None, as_image: bool = False) -> Any:
    """A picture, batch, list or item of a dataset, arrays of `bands` channels made tensors (channel, height, width).

    `transform` is given such an array as it is, or `as_image` where torchvision would not resize arrays; without one
    whole numbers become 0..1 and floats stay as they are, and so does a floating-point tensor always, which is already
    preprocessed. All else is given back. Raises `ImageError`.
    """
    if isinstance(item, Mapping):
        key = next((key for key in PICTURE_KEYS if key in item), None)
        return item if key is None else {**item, key: with_bands(item[key], bands, transform, as_image)}
    if isinstance(item, tuple) and item:
        return (with_bands(item[0], bands, transform, as_image), *item[1:])
    if isinstance(item, list):
        return [with_bands(part, bands, transform, as_image) for part in item]
    floating = isinstance(item, Tensor) and item.is_floating_point()
    if floating or not isinstance(item, Tensor | np.ndarray) or item.ndim not in (3, 4):
        return item
    array = item.cpu().numpy() if isinstance(item, Tensor) else item
    if bands not in (array.shape[-3], array.shape[-1]) or (array.shape[-1] in (1, 3) and bands != array.shape[-1]):
        return item
    if array.ndim == 4:
        return torch.stack([with_bands(picture, bands, transform, as_image) for picture in array])
    if transform is not None and not as_image:
        return transform(array)
    if array.shape[0] == array.shape[-1] == bands:
        raise ImageError(
            f"an array of shape {array.shape} has two axes that may be the {bands} channels: pass a tensor (channel, "
            "height, width)."
        )
    array = array if array.shape[0] == bands else np.moveaxis(array, -1, 0)
    return _values(array) if transform is None else transform(_image(array))


def resizes_images_only(transform: object) -> bool:
    """Whether a transform is torchvision's newer kind throughout, which hands arrays on as they are, not resized."""
    parts = getattr(transform, "transforms", None)
    if not isinstance(parts, list | tuple):
        kind = type(transform)
        ours = kind.__module__ == "featuremaps.pictures.preprocess"
        return ours or (kind.__module__.startswith("torchvision.transforms.v2.") and kind.__name__ != "Lambda")
    return all(resizes_images_only(part) for part in parts)


def _image(array: np.ndarray) -> Tensor:
    """An array (channel, height, width) as torchvision's own kind of picture."""
    from torchvision.tv_tensors import Image

    return Image(torch.from_numpy(np.array(array)))  # a copy, which may be written to


def _values(array: np.ndarray) -> Tensor:
    """Whole numbers as 0..1; floats as they are."""
    if array.dtype.kind == "f":
        return torch.from_numpy(array.astype(np.float32))
    if array.dtype not in WHITE:
        raise unknown_white(array)
    return torch.from_numpy(array.astype(np.float32) / WHITE[array.dtype])
