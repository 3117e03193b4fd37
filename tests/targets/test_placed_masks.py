"""Masks in the size of the original picture, followed through crop, resize and padding."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import FeatureMapsWarning, TargetError


class Bright(nn.Module):
    """Its score of "bright" at each place is how bright it is there; places are `step` pixels wide."""

    def __init__(self, step: int = 1) -> None:
        super().__init__()
        self.look = nn.Conv2d(3, 2, step, step, bias=False)
        nn.init.zeros_(self.look.weight)
        self.look.weight.data[1] = 1 / (3 * step**2)

    def forward(self, x: Tensor) -> Tensor:
        return self.look(x)


def scene(size: tuple[int, int], spot: tuple[int, int, int, int]) -> tuple[Image.Image, np.ndarray]:
    """A dark picture (width, height) with a bright rectangle (left, top, right, bottom), and the mask of that."""
    mask = np.zeros((size[1], size[0]), dtype=bool)
    mask[spot[1] : spot[3], spot[0] : spot[2]] = True
    return Image.fromarray(np.where(mask[..., None], 255, 0).astype(np.uint8).repeat(3, 2)), mask


def scope(transform: Callable[[Image.Image], Tensor], step: int = 1) -> fm.Scope:
    return fm.Scope(Bright(step).eval(), transform, classes=["dark", "bright"])


@pytest.mark.parametrize("step", [1, 4])
@pytest.mark.parametrize(
    "preprocess",
    [
        fm.preprocess(size=(32, 32), mode="letterbox"),
        fm.preprocess(size=(24, 40)),
        fm.preprocess(size=28, crop=20),
    ],
    ids=["letterbox", "stretched", "cropped"],
)
def test_a_mask_lies_where_it_does_in_the_original(preprocess: Callable[[Image.Image], Tensor], step: int) -> None:
    """The bright rectangle is scored as bright as it is, its surroundings as dark."""
    picture, mask = scene((96, 60), (40, 20, 64, 40))
    studied = scope(preprocess, step)
    bright = studied.record(picture, "look", fm.Mask(mask, "bright"))
    dark = studied.record(picture, "look", fm.Mask(~mask & (np.arange(96) > 24), "bright"))
    assert float(bright.scores[0]) > (0.8 if step == 1 else 0.6)  # at its edges places show both
    assert float(dark.scores[0]) < 0.2
    heat = studied.explain(picture, "saliency", target=fm.Mask(mask, "bright"))
    assert heat.regions[0] is not None
    total = float(heat.regions[0].sum()) * step**2  # in pixels of the input
    placement = heat.pictures[0].placement
    assert placement is not None
    assert total == pytest.approx(24 * 20 / abs(placement.scale_x * placement.scale_y), rel=0.02)


def test_pictures_of_different_sizes_have_masks_of_their_own() -> None:
    studied = scope(fm.preprocess(size=(24, 24)))
    first, second = scene((48, 36), (8, 8, 20, 20)), scene((60, 30), (30, 10, 50, 20))
    pictures, masks = zip(first, second, strict=True)
    heat = studied.explain([*pictures], "saliency", target=[fm.Mask(mask, "bright") for mask in masks])
    for row, (picture, mask) in enumerate((first, second)):
        alone = studied.explain(picture, "saliency", target=fm.Mask(mask, "bright"))
        torch.testing.assert_close(heat.values[row], alone.values[0])
        torch.testing.assert_close(heat.regions[row], alone.regions[0])
    both = np.stack([masks[0], masks[0]])
    again = studied.explain([pictures[0], pictures[0]], "saliency", target=fm.Mask(both, "bright"), batch_size=1)
    torch.testing.assert_close(again.regions[1], heat.regions[0])
    why = fm.Margin("bright", "dark", within=fm.Mask(masks[0]))
    assert studied.explain(pictures[0], "saliency", target=why).targets == ("bright rather than dark (bright in mask)",)
    with pytest.raises(
        TargetError, match=r"36 × 48 \(height × width\), the size of some of these pictures.*is 30 × 60"
    ):
        studied.explain([*pictures], "saliency", target=fm.Mask(masks[0], "bright"))


def test_masks_that_fit_nothing_or_are_not_seen() -> None:
    studied = scope(fm.preprocess(size=28, crop=20), 4)
    picture, mask = scene((96, 60), (0, 0, 8, 8))
    with pytest.raises(TargetError, match="the mask is empty for at least one picture, in what the model sees of it"):
        studied.explain(picture, "saliency", target=fm.Mask(mask, "bright"))
    known = r"the mask is \(10, 10\) and the model's output \(5, 5\), its input \(20, 20\)"
    with pytest.raises(TargetError, match=known):
        studied.explain(picture, "saliency", target=fm.Mask(np.ones((10, 10)), "bright"))
    for size in (20, 5):  # the input's, the output's
        studied.explain(picture, "saliency", target=fm.Mask(np.ones((size, size)), "bright"))


def test_a_mask_that_may_be_of_the_original_or_of_the_input_says_whose_it_is() -> None:
    """Both are 32 × 32, and the input shows the middle of the original."""
    picture, mask = scene((32, 32), (0, 0, 8, 8))
    mask[16:20, 16:20] = True
    with pytest.warns(FeatureMapsWarning, match=r"32 × 32, the size of .* taken to be the input's"):
        heat = scope(fm.preprocess(size=48, crop=32)).explain(picture, "saliency", target=fm.Mask(mask, "bright"))
    assert torch.equal(heat.regions[0] > 0, torch.from_numpy(mask))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scope(fm.preprocess(size=(32, 32))).explain(picture, "saliency", target=fm.Mask(mask, "bright"))


def test_masks_of_any_kind_say_the_same() -> None:
    picture, mask = scene((48, 36), (8, 8, 20, 20))
    studied = scope(fm.preprocess(size=(24, 24)))

    def scored(given: Any) -> float:
        return float(studied.record(picture, "look", fm.Mask(given, "bright")).scores[0])

    bytes_ = mask.astype(np.uint8) * 255
    kinds = [
        bytes_,
        mask.astype(np.float64),
        mask.astype(np.int64) * 7,
        torch.from_numpy(mask),
        Image.fromarray(bytes_),
    ]
    assert [scored(given) for given in kinds] == pytest.approx([scored(mask)] * len(kinds))
    assert scored(mask[:, ::-1][:, ::-1]) == pytest.approx(scored(mask))
    assert scored(mask[::-1]) != pytest.approx(scored(mask))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.array([[0, 15], [15, 255]]), r"this one has 0, 15, 255\. Of a map of labels give mask == 255"),
        (np.array([[0.0, -1.0]]), "less, or no number"),
        (torch.tensor([[0.0, float("nan")]]), "less, or no number"),
        (Image.new("RGBA", (2, 2)), "one channel, and this picture has R, G, B, A"),
    ],
)
def test_what_does_not_say_what_lies_inside_is_no_mask(given: Any, message: str) -> None:
    picture, _ = scene((48, 36), (8, 8, 20, 20))
    with pytest.raises(TargetError, match=message):
        scope(fm.preprocess(size=(24, 24))).explain(picture, "saliency", target=fm.Mask(given, "bright"))
