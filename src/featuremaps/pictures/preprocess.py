"""A preprocessing made of a few numbers, for models that come without one."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import torch
from PIL import Image
from torch import Tensor, nn

from featuremaps.errors import OptionError, check_choice

Size = int | Sequence[int]
Mode = Literal["bilinear", "bicubic", "nearest", "letterbox"]
GREY = 114 / 255
"""What a letterboxed picture is padded with, as YOLO's are."""
USUAL: dict[str, dict[str, Any]] = {
    "imagenet": {"size": 256, "crop": 224, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
    "clip": {
        "size": 224,
        "crop": 224,
        "mode": "bicubic",
        "mean": (0.48145466, 0.4578275, 0.40821073),
        "std": (0.26862954, 0.26130258, 0.27577711),
    },
}
"""What many models were trained with: torchvision's of ImageNet (its first recipe), and OpenAI's of CLIP."""


def preprocess(
    usual: str | None = None,
    *,
    size: Size | None = None,
    crop: Size | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    mode: Mode | None = None,
    grey: bool = False,
) -> Callable[..., Any]:
    """A transform from a PIL picture to a model's input, (channel, height, width), float32.

    Args:
        usual: "imagenet" or "clip", of which the other arguments replace parts.
        size: What pictures are resized to, in pixels: the side of a square, or (height, width).
        crop: With it the shorter side is made as long as `size`, and the middle of this size is cut out.
        mean: What is taken off the pixels, which go from 0 to 1: one number, or one for each channel.
        std: What they are divided by after that: one number, or one for each channel.
        mode: How pixels are interpolated: "bilinear", "bicubic" or "nearest"; or "letterbox", which keeps a picture's
            proportions and puts it in the middle of grey, as YOLO takes them.
        grey: Whether the input has one channel instead of three.

    Returns:
        The transform, which prints itself.

    Raises:
        OptionError: An argument is not understood, or two of them contradict each other.
    """
    if usual is not None:
        check_choice("preprocess", usual, tuple(USUAL))
    parts: dict[str, Any] = dict(USUAL[usual]) if usual else {}
    if size is not None and crop is None:
        parts.pop("crop", None)
    given = {"size": size, "crop": crop, "mean": mean, "std": std, "mode": mode}
    parts |= {name: value for name, value in given.items() if value is not None}
    return _composed(**parts, grey=grey)


def _composed(
    size: Size | None = None,
    crop: Size | None = None,
    mean: float | Sequence[float] = 0.0,
    std: float | Sequence[float] = 1.0,
    mode: Mode = "bilinear",
    grey: bool = False,
) -> nn.Module:
    from torchvision.transforms import v2
    from torchvision.transforms.functional import InterpolationMode

    check_choice("mode", mode, get_args(Mode))
    steps: list[nn.Module] = [v2.Grayscale()] if grey else []
    if mode == "letterbox" and (size is None or crop is not None):
        raise OptionError("mode='letterbox' fits pictures whole into size=…, which is needed, and crop= is not for it.")
    if size is not None:
        shorter = _lengths("size", size)
        if crop is not None and len(set(shorter)) > 1:
            raise OptionError(f"size={size!r} is the shorter side where a crop follows: give one number.")
        lengths = [shorter[0]] if crop is not None else list(shorter)
        steps.append(Letterbox(shorter) if mode == "letterbox" else v2.Resize(lengths, InterpolationMode(mode)))
    if crop is not None:
        steps.append(v2.CenterCrop(list(_lengths("crop", crop))))
    steps += [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    means, deviations = _per_colour("mean", mean, grey), _per_colour("std", std, grey)
    if 1 not in (len(means), len(deviations)) and len(means) != len(deviations):
        raise OptionError(f"mean= has {len(means)} numbers and std= {len(deviations)}: give one, or one per channel.")
    if any(deviation <= 0 for deviation in deviations):
        raise OptionError(f"std={std!r}: pixels are divided by it, so it is above 0.")
    if any(means) or any(deviation != 1 for deviation in deviations):
        steps.append(v2.Normalize(means, deviations))
    return v2.Compose(steps)


class Letterbox(nn.Module):
    """Pictures resized to fit into (height, width) with their proportions, in the middle of grey."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, image: Image.Image | Tensor) -> Image.Image | Tensor:
        """The picture in its frame; of a single channel as of three, and of more as a tensor (channel, y, x)."""
        height, width = self.size
        wide, high = image.size if isinstance(image, Image.Image) else (image.shape[-1], image.shape[-2])
        scale = min(width / wide, height / high)
        inner = max(1, round(wide * scale)), max(1, round(high * scale))
        if isinstance(image, Tensor):
            return self._framed(image, *inner)
        level = round(GREY * 255)
        framed = Image.new(image.mode, (width, height), level if len(image.getbands()) == 1 else (level,) * 3)
        corner = (width - inner[0]) // 2, (height - inner[1]) // 2
        framed.paste(image.resize(inner, Image.Resampling.BILINEAR), corner)
        return framed

    def _framed(self, image: Tensor, wide: int, high: int) -> Tensor:
        from torchvision.transforms.v2 import functional

        height, width = self.size
        left, top = (width - wide) // 2, (height - high) // 2
        white = 1.0 if image.is_floating_point() else torch.iinfo(image.dtype).max
        sides = [left, top, width - wide - left, height - high - top]
        return functional.pad(functional.resize(image, [high, wide]), sides, fill=GREY * white)

    def extra_repr(self) -> str:
        """The size, as the module prints itself."""
        return "size={} × {}".format(*self.size)


def _lengths(name: str, size: Size) -> tuple[int, int]:
    lengths = tuple(size) if isinstance(size, Sequence) else (size,)
    if len(lengths) not in (1, 2) or not all(isinstance(length, int) and length > 0 for length in lengths):
        raise OptionError(f"{name}={size!r} is not understood. Give a number of pixels, or (height, width).")
    return lengths[0], lengths[-1]


def _per_colour(name: str, given: float | Sequence[float], grey: bool) -> list[float]:
    """One number for all channels, or one for each of them: three of a picture in colours, more of multispectral."""
    numbers = [float(given)] if isinstance(given, int | float) else [float(number) for number in given]
    if not numbers:
        raise OptionError(f"{name}={given!r} has no numbers: give one, or one for each channel.")
    if grey and len(numbers) > 1:
        raise OptionError(f"{name}={given!r} has {len(numbers)} numbers, and a grey input one channel.")
    if max(map(abs, numbers)) > 2:
        raise OptionError(
            f"{name}={given!r} looks like levels from 0 to 255, and pixels are floats from 0 to 1 here: divide by 255."
        )
    return numbers
