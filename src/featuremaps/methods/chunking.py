"""What the methods that hide parts of a picture share: making the copies, and scoring them in chunks.

The pictures of a batch go through the model together, picture by picture, and never more copies than a chunk.
"""

from collections.abc import Iterator
from math import isfinite

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import MethodError, OptionError
from featuremaps.methods.shapes import Inputs, Score
from featuremaps.progress import track


def kept_scores(
    inputs: Inputs, empty: Inputs, masks: Float[Tensor, "_batch copy *space"], score: Score
) -> Float[Tensor, "batch copy"]:
    """The scores of copies that show the picture where a mask is 1, and `empty` where it is 0.

    The masks are those of each picture, or one set of them for all.
    """
    with torch.no_grad():
        copies = torch.lerp(empty[:, None], inputs[:, None], masks[:, :, None])
        return score(copies.flatten(0, 1)).reshape(len(inputs), -1)


def in_chunks(count: int, inputs: Inputs, chunk: int, doing: str) -> Iterator[slice]:
    """The numbers 0 to `count` in slices, so that one slice of every picture's copies makes at most `chunk` copies.

    At least one copy of each picture runs at a time; see `of_each`. Shows progress as `doing`.
    """
    size = of_each(inputs, chunk)
    yield from track([slice(start, min(start + size, count)) for start in range(0, count, size)], doing)


def of_each(inputs: Inputs, chunk: int) -> int:
    """How many copies of each picture make a chunk, at least one.

    A `chunk` of 0 is 16 on the CPU, where small batches stay in its cache, and 64 elsewhere.
    """
    checked("chunk", chunk, "how many copies of the pictures run at a time (0: 16 on the CPU, 64 elsewhere)", least=0)
    return max(1, (chunk or (16 if inputs.device.type == "cpu" else 64)) // max(1, len(inputs)))


def picture_size(inputs: Tensor, method: str) -> tuple[int, int]:
    """Height and width; `MethodError` for anything but pictures."""
    if inputs.ndim != 4:
        raise MethodError(
            f"{method} hides parts of pictures (batch, channel, height, width), and the model's input has shape "
            f"{tuple(inputs.shape)}. Use a method that works on the layer, such as grad_cam or ablation_cam."
        )
    return int(inputs.shape[2]), int(inputs.shape[3])


def longest_side(space: tuple[int, ...]) -> int:
    """The most that one length may be which is meant for every side: all of the shortest of a picture or signal.

    Of a volume it is the longest, as it has few slices, or frames: what is longer than a side covers all of it.
    """
    return max(space) if len(space) == 3 else min(space)


def checked(
    option: str,
    value: int | float,
    meaning: str,
    *,
    least: int | float,
    most: int | float = float("inf"),
    above: bool = False,
) -> None:
    """`OptionError` for a value outside `least` to `most`; `least` itself is refused too where it must lie `above`."""
    if not least <= value <= most or not isfinite(value) or (above and value == least):
        limits = f"{least:g} or more" if most == float("inf") else f"{least:g} to {most:g}"
        limits = f"above {least:g}" if above else limits
        raise OptionError(f"option {option!r} is {meaning}, {limits}; got {value}.")
