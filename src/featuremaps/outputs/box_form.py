"""In which form boxes are given: by their corners or their middle and size, in pixels or in shares of the picture."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import TargetError

LEAST_ROWS = 8
"""From so many boxes on it can be told whether they are given by their corners."""
SHARE = 1.5
"""Boxes none of whose numbers is larger are in shares of the picture: in pixels all would lie in its first ones."""
SLACK = 0.05
"""By so much of its side boxes may reach over the edge of the picture."""


@dataclass(frozen=True)
class BoxForm:
    """How four numbers say where a box is.

    `corners`: left, top, right and bottom, else the middle, width and height. `shares`: of the picture's width and
    height, else in pixels. `doubted`: taken for middles, as is usual, where all of them could be corners too.
    """

    corners: bool = False
    shares: bool = False
    doubted: bool = field(default=False, compare=False)

    @property
    def words(self) -> str:
        """The four numbers by their names."""
        words = "left, top, right, bottom" if self.corners else "x, y, width, height"
        return f"{words} in shares of the picture" if self.shares else words

    def in_pixels(self, boxes: Float[Tensor, "*boxes 4"], space: Sequence[int] | None) -> Float[Tensor, "*boxes 4"]:
        """Left, top, right and bottom in pixels of a picture (height, width); shares where its size is not known."""
        boxes = boxes.float() if self.corners else corners(boxes.float())
        if not self.shares or space is None:
            return boxes
        height, width = space
        return boxes * boxes.new_tensor([width, height, width, height])


def corners(boxes: Float[Tensor, "*boxes 4"]) -> Float[Tensor, "*boxes 4"]:
    """From middle, width and height to left, top, right and bottom."""
    middle, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([middle - half, middle + half], -1)


def form_of_rows(boxes: Float[Tensor, "batch row 4"], space: Sequence[int] | None) -> BoxForm:
    """How the rows of a head give their boxes, told from where these lie.

    By their corners where no right edge lies left of the left one, no bottom above the top, and taken by their middles
    a quarter of them, and more than by their corners, would not lie within the picture; else by middle, width and
    height, as is usual. `TargetError` where by their middles most would have no size, and where they look like
    left, top, width and height: so all would lie within the picture, and a quarter would not by their middles.
    """
    boxes = boxes.detach().float()
    shares = _shares(boxes)
    if space is None or not boxes.numel():
        return BoxForm(shares=shares)
    size = boxes.new_tensor([1.0, 1.0] if shares else [space[1], space[0]])
    ordered, beyond = bool((boxes[..., 2:] >= boxes[..., :2]).all()), _share_beyond(corners(boxes), size)
    as_given = _share_beyond(boxes, size)
    many = boxes.shape[1] >= LEAST_ROWS
    told = ordered and many and beyond >= 0.25 and beyond > as_given
    if not told:
        _check_sizes(boxes)
        from_corner = torch.cat([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], -1)
        if many and beyond >= 0.25 and _share_beyond(from_corner, size) == 0:
            raise _not_middles(boxes, "left, top, width and height")
    return BoxForm(told, shares, doubted=ordered and as_given == 0 and not told)


def _check_sizes(boxes: Float[Tensor, "*boxes 4"]) -> None:
    if float((boxes[..., 2:] < 0).any(-1).float().mean()) >= 0.5:
        raise _not_middles(boxes, "something else, such as steps from other boxes")


def _not_middles(boxes: Float[Tensor, "*boxes 4"], what: str) -> TargetError:
    first = ", ".join(f"{number:g}" for number in boxes.reshape(-1, 4)[0].tolist())
    return TargetError(
        "the rows of a detector begin with the middle of a box, its width and its height, or with its corners, and "
        f"these, as in ({first}), look like {what}. Wrap the model so that it gives one of both "
        "(torchvision.ops.box_convert)."
    )


def _share_beyond(boxes: Float[Tensor, "*boxes 4"], size: Float[Tensor, "2"]) -> float:
    return float((~_within(boxes, size)).float().mean())


def form_of_corners(boxes: Sequence[Float[Tensor, "box 4"]]) -> BoxForm:
    """How boxes given by their corners are; `TargetError` where half of them or more cannot be corners."""
    every = torch.cat([each.detach().float() for each in boxes])
    turned = (every[:, 2:] < every[:, :2]).any(1)
    if len(every) and float(turned.float().mean()) >= 0.5:
        first = ", ".join(f"{edge:g}" for edge in every[turned][0].tolist())
        raise TargetError(
            "boxes are left, top, right and bottom, and of this detector's the right edge lies left of the left one, "
            f"or the bottom above the top, as in ({first}): they look like left, top, width and height. Wrap the model "
            "so that it gives corners (torchvision.ops.box_convert)."
        )
    return BoxForm(corners=True, shares=_shares(every))


def _shares(boxes: Float[Tensor, "*boxes 4"]) -> bool:
    return bool(boxes.numel()) and 0 < float(boxes.abs().max()) <= SHARE


def _within(boxes: Float[Tensor, "*boxes 4"], size: Float[Tensor, "2"]) -> Tensor:
    """Whether each box, given by its corners, lies within a picture (width, height), give or take a little."""
    low, high = -SLACK * size.repeat(2), (1 + SLACK) * size.repeat(2)
    return ((boxes >= low) & (boxes <= high)).all(-1)
