"""The user's preprocessing: what the model receives of a picture, and back to what it saw and where that lay."""

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from PIL import Image
from torch import Tensor

from featuremaps.errors import FeatureMapsWarning, ImageError, OptionError
from featuremaps.pictures.bands import resizes_images_only, with_bands
from featuremaps.pictures.load import Picture
from featuremaps.pictures.probe_transform import (
    Normalization,
    PictureSize,
    Placement,
    draws_chance,
    find_normalization,
    find_placement,
    shape_of,
)
from featuremaps.pictures.processor import Processor
from featuremaps.pictures.signals import KINDS

Transform = Callable[[Image.Image], Any]

_USUAL_SIZE = (256, 256)


@dataclass(frozen=True)
class InputForm:
    """What one input of a model is: its number of axes with the channels, 3 for pictures, 2 for signals, 4 for volumes.

    `grey` says that pictures have one channel, `bands` how many where that is neither one nor three, `values` how many
    numbers a model takes that begins with a dense layer; `shape` its channels and sizes (None: any) if known.
    """

    axes: int = 3
    grey: bool = False
    values: int | None = None
    bands: int | None = None
    shape: tuple[int | None, ...] | None = None

    def takes_grey(self, colours: Tensor) -> bool:
        """Whether a picture should be given with one channel, and not with these three."""
        return self.grey or self.values == colours[0].numel()


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """The user's `transform` from a picture to the model's input; without one, RGB in 0..1 at the picture's size.

    For a model that takes one channel the picture is made grey before the transform, unless that does it itself.
    `shown` are the three channels of more that are shown as red, green and blue. `assumed` says that nobody said which
    numbers the model was trained on. What was found about the transform is
    kept: normalisation once, placement once for each picture size.
    """

    transform: Transform | None = None
    form: InputForm = InputForm()
    shown: tuple[int, ...] | None = None
    assumed: bool = False
    _normalization: dict[PictureSize, Normalization | None] = field(default_factory=dict, init=False, repr=False)
    _placements: dict[PictureSize, Placement | str] = field(default_factory=dict, init=False, repr=False)
    _said: list[bool] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.shown is not None and len(self.shown) != 3:
            raise OptionError(f"shown names three channels, for red, green and blue; got {self.shown}.")

    def __call__(self, picture: Picture) -> Float[Tensor, "channel *space"]:
        """The model's input for one picture, float32; `ImageError` names the picture and what went wrong."""
        if (image := picture.image) is None:
            assert picture.tensor is not None
            self._check_channels_first(tuple(picture.tensor.shape))
            return picture.tensor.detach().to(torch.float32)
        try:
            result = self._run(image)
        except ImageError as error:
            raise ImageError(f"{picture.name}: {error}") from error.__cause__
        bands = self.form.bands
        if bands is not None and len(result) != bands:
            reader = "tifffile.imread" if picture.name.lower().endswith((".tif", ".tiff")) else "numpy.load"
            raise ImageError(
                f"{picture.name}: the model takes pictures of {bands} channels, and this one has {len(result)}. Pass "
                f"arrays or tensors of {bands} channels, such as {reader}(…) of shape ({bands}, height, width), or a "
                "transform that makes them of a picture in colours."
            )
        if not torch.isfinite(result).all():
            raise ImageError(f"{picture.name}: the transform returned NaN or infinite values.")
        return result

    def _check_channels_first(self, shape: tuple[int, ...]) -> None:
        """`ImageError` for a preprocessed picture whose colours stand last, for a model that takes no such bands."""
        colours = 1 if self.form.grey else 3
        if self.form.axes != 3 or self.form.bands is not None or self.form.shape is not None:
            return
        if shape[2] == colours and shape[0] not in (1, 3, 4) and shape[1] > 4:
            raise ImageError(
                f"a preprocessed picture of shape {shape} has its colours last; it is given as (channel, height, "
                "width): tensor.permute(2, 0, 1), of a batch permute(0, 3, 1, 2). A model that takes them last is "
                "wrapped in a module whose forward does permute(0, 2, 3, 1) first."
            )

    def with_bands(self, item: Any) -> Any:
        """An item of a dataset, its arrays of a multispectral model's channels as this makes them the model's input."""
        if self.form.bands is None:
            return item
        if self.transform is None:
            return with_bands(item, self.form.bands)
        return with_bands(item, self.form.bands, self._transformed, resizes_images_only(self.transform))

    def seen(self, tensor: Shaped[Tensor, "channel *space"]) -> Image.Image:
        """What the model saw, as a picture of the input's size: the normalisation undone.

        One or two channels are shown grey (the first), of more than three the first three or `shown`. Where the
        normalisation is unknown or does not explain the values, they are stretched from their minimum to their maximum.
        """
        tensor = tensor.detach().to("cpu", torch.float32)
        tensor = tensor.reshape(
            len(tensor), -1, tensor.shape[-1]
        )  # a signal is a line, a volume its slices in a column
        shown = tensor[self._channels(len(tensor))]
        normalization = self.normalization((tensor.shape[2], tensor.shape[1]))
        if normalization is not None and len(normalization.scale) == shown.shape[0]:
            values = normalization.undo(shown)
            # Interpolation may overshoot a little; a tensor from elsewhere is far off.
            if values.min() >= -0.25 and values.max() <= 1.25:
                return _picture_of(values)
        low, high = torch.aminmax(shown)
        return _picture_of((shown - low) / (high - low).clamp(min=1e-12))

    def _channels(self, count: int) -> list[int]:
        """Those of so many channels that are shown; `OptionError` where `shown` names others."""
        if self.shown is None or count <= 3:
            return [0, 1, 2] if count >= 3 else [0]
        if not all(0 <= channel < count for channel in self.shown):
            raise OptionError(f"shown={self.shown}: the input has {count} channels, 0 to {count - 1}.")
        return list(self.shown)

    def normalization(self, size: PictureSize = _USUAL_SIZE) -> Normalization | None:
        """What the transform does to colours; None where that is not affine and channel by channel.

        `size` (width, height) is tried where the transform does not take a picture of 256 x 256.
        """
        for tried in (_USUAL_SIZE, size):
            if tried not in self._normalization:
                self._normalization[tried] = find_normalization(self._run, tried)
            if self._normalization[tried] is not None:
                return self._normalization[tried]
        return None

    @property
    def colours(self) -> tuple[int, ...]:
        """Which of the input's channels are red, green and blue."""
        normalization = self.normalization() if self.transform is not None else None
        return normalization.shown if normalization else (0, 1, 2)

    def placement(self, size: PictureSize) -> Placement | None:
        """Where the input lies in a picture of `size` (width, height); None where `placement_problem` says why."""
        placed = self._placed(size)
        return placed if isinstance(placed, Placement) else None

    def placement_problem(self, size: PictureSize) -> str | None:
        """Why the placement in a picture of `size` (width, height) is unknown; None where it is known."""
        placed = self._placed(size)
        return placed if isinstance(placed, str) else None

    @property
    def random(self) -> bool:
        """Whether the transform draws random numbers."""
        return self.transform is not None and draws_chance(self._run)

    @property
    def own_size(self) -> tuple[int, int] | None:
        """The height and width that every picture comes out at; None where that depends on the picture."""
        shapes = {shape_of(self._run, size) for size in (_USUAL_SIZE, (400, 300))}
        shape = shapes.pop() if len(shapes) == 1 else None
        return None if shape is None else (shape[1], shape[2])

    @property
    def given(self) -> bool:
        """Whether it is the user's own, and not one that belongs to the model."""
        return self.transform is not None and self.form.shape is None and not isinstance(self.transform, Processor)

    def describe(self) -> str:
        """The transform as it prints itself, and what was found by running it, in one line."""
        if self.form.axes in KINDS:
            return f"{KINDS[self.form.axes]}, as they are given"
        plain = f"{'grey' if self.form.grey else 'RGB'} in 0..1, not resized"
        name = plain if self.transform is None else _printed(self.transform)
        facts = []
        if self.own_size is not None:
            facts.append("{1} x {0}".format(*self.own_size))
        normalization = self.normalization() if self.transform is not None else None
        if normalization is not None:
            mean = ", ".join(
                f"{-offset / scale + 0.0:.3g}"
                for scale, offset in zip(normalization.scale, normalization.offset, strict=True)
            )
            std = ", ".join(f"{1 / scale:.3g}" for scale in normalization.scale)
            facts.append(f"mean ({mean}), std ({std})")
        return f"{name}: {', '.join(facts)}" if facts else name

    def say_that_it_was_assumed(self) -> None:
        """A `FeatureMapsWarning`, once, where no transform was given and the model may have been trained with one."""
        if self._said:
            return
        self._said.append(True)
        warnings.warn(
            f"no preprocessing was given, so the model gets its pictures as {self.describe()}. If it was trained on "
            "other numbers, its answers are wrong: give its transform, Scope(model, transform=…), or make one, "
            "transform=featuremaps.preprocess(size=…, mean=…, std=…) or transform='imagenet' (on the command line "
            "--size, --mean and --std, or --preprocessing imagenet).",
            FeatureMapsWarning,
            stacklevel=5,
        )

    def _run(self, image: Image.Image) -> Tensor:
        try:
            result = self._made_of(image)
        except ImageError:
            if not self.form.grey:
                raise
            return self._made_of(image.convert("L"))
        return self._made_of(image.convert("L")) if len(result) == 3 and self.form.takes_grey(result) else result

    def _made_of(self, image: Image.Image) -> Tensor:
        if self.transform is None:
            return torch.from_numpy(np.atleast_3d(np.array(image))).permute(2, 0, 1).contiguous() / 255
        return self._transformed(image.copy())

    def _transformed(self, given: Any) -> Tensor:
        """What the transform makes of a picture, or of an array of a multispectral model's channels."""
        assert self.transform is not None
        try:
            result = self.transform(given)
        except Exception as error:
            kind = "a tensor" if isinstance(given, Tensor) else "an array"
            what = f"{kind} of shape {tuple(getattr(given, 'shape', ()))}"
            if isinstance(given, Image.Image):
                what = f"an upright {given.mode} PIL image of {given.width} x {given.height}"
            raise ImageError(
                f"the transform raised {type(error).__name__}: {error}. It is given {what}; one that expects a tensor "
                "should begin with ToTensor()."
            ) from error
        return _as_input(result)

    def _placed(self, size: PictureSize) -> Placement | str:
        if size not in self._placements:
            if self.transform is None:
                self._placements[size] = Placement(1.0, 0.0, 1.0, 0.0, height=size[1], width=size[0])
            else:
                self._placements[size] = find_placement(self._run, size, self.normalization(size))
        return self._placements[size]


def _as_input(result: object) -> Tensor:
    """What a transform returned as (channel, height, width), float32."""
    if isinstance(result, Mapping):
        key = next((key for key in ("pixel_values", "image") if key in result), None)
        if key is None:
            keys = ", ".join(map(repr, result)) or "no keys"
            raise ImageError(f"the transform returned a dict with {keys}; the input should be 'pixel_values'.")
        result = result[key]
    if isinstance(result, list | tuple) and len(result) == 1:
        result = result[0]
    if isinstance(result, np.ndarray) and result.dtype.kind in "biuf":
        result = torch.from_numpy(result.astype(np.float32))
    if not isinstance(result, Tensor) or result.is_complex():
        raise ImageError(
            f"the transform returned a {type(result).__name__}, and the model needs a tensor of real numbers. "
            "It should end with ToTensor(), or ToImage() and ToDtype(torch.float32, scale=True)."
        )
    shape = tuple(result.shape)
    tensor = result[0] if len(shape) == 4 and shape[0] == 1 else result
    if tensor.ndim != 3 or 0 in shape:
        raise ImageError(f"the transform returned the shape {shape}; it should be (channel, height, width).")
    if tensor.shape[2] in (1, 3, 4) and tensor.shape[0] not in (1, 3, 4):
        raise ImageError(
            f"the transform returned the shape {shape}, with the channels last; it should be (channel, height, "
            "width): permute(2, 0, 1)."
        )
    return tensor.detach().as_subclass(Tensor).to(torch.float32)


def _picture_of(values: Tensor) -> Image.Image:
    levels = (values.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    return Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)


def _printed(transform: object) -> str:
    """A transform's name or repr in one line, the same in every process."""
    text = repr(transform)
    if isinstance(transform, FunctionType):
        text = f"{transform.__module__}.{transform.__qualname__}"
    return re.sub(r"\s+", " ", re.sub(r" at 0x[0-9a-fA-F]+", "", text))
