"""Heatmaps of keypoints and of objects' centres are not read as a segmentation without a word."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.outputs.heatmap_doubts import beside_boxes, exclude_each_other, like_heatmaps
from featuremaps.outputs.place_scores import PlaceScores


class Centres(nn.Module):
    """Heatmaps of four classes, and sizes and offsets beside them, as CenterNet gives."""

    def __init__(self, pack: Callable[[Tensor, Tensor, Tensor], object], classes: int = 4) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
        self.heat, self.sizes, self.offsets = nn.Conv2d(8, classes, 1), nn.Conv2d(8, 2, 1), nn.Conv2d(8, 2, 1)
        self.pack = pack

    def forward(self, x: Tensor) -> object:
        maps = self.body(x)
        return self.pack(self.heat(maps), self.sizes(maps), self.offsets(maps))


PACKS = {
    "tuple": lambda heat, sizes, offsets: (heat, sizes, offsets),
    "probabilities": lambda heat, sizes, offsets: (heat.sigmoid(), sizes, offsets),
    "dict": lambda heat, sizes, offsets: {"hm": heat, "wh": sizes, "reg": offsets},
    "four sides": lambda heat, sizes, offsets: (heat[:, :3], torch.cat([sizes, offsets], 1)),
}


@pytest.mark.parametrize("pack", PACKS)
def test_heatmaps_beside_sizes_and_offsets_are_doubted(pack: str) -> None:
    names = ["a", "b", "c", "d"][: 3 if pack == "four sides" else 4]
    scope, pictures = fm.Scope(Centres(PACKS[pack]).eval(), classes=names), torch.rand(1, 3, 16, 16)
    assert any("CenterNet" in doubt for doubt in scope.explain(pictures, layer="body").warnings[0])
    with pytest.warns(fm.errors.FeatureMapsWarning, match="CenterNet"):
        scope.predict(pictures)


def test_a_segmentation_with_an_auxiliary_map_of_classes_is_not_doubted() -> None:
    scope = fm.Scope(Centres(lambda heat, sizes, offsets: {"out": heat, "aux": heat * 2}).eval())
    assert not any("heatmaps" in doubt for doubt in scope.explain(torch.rand(1, 3, 16, 16), layer="body").warnings[0])


def _peaks(classes: int = 5, side: int = 24) -> Tensor:
    """A bell of height 1 for each class."""
    at, places = torch.rand(classes, 2) * side, torch.arange(side) + 0.5
    far = (places[:, None] - at[:, :1, None]).square() + (places[None, :] - at[:, 1:, None]).square()
    return (-far / 3).exp()[None]


def test_heatmaps_with_a_peak_each_and_scores_that_are_negative_nearly_everywhere_look_like_such() -> None:
    torch.manual_seed(0)
    heat = _peaks()
    assert "with a peak of about 1" in like_heatmaps(heat + 0.02 * torch.randn_like(heat))
    assert "negative at most places" in like_heatmaps((heat * 0.98 + 0.01).logit())
    assert not like_heatmaps(torch.randn(2, 5, 8, 8))
    assert not like_heatmaps(torch.full((1, 1, 8, 8), -3.0))
    regions = torch.nn.functional.one_hot((heat + 0.1 * torch.rand_like(heat)).argmax(1), 5).movedim(3, 1).float()
    assert not like_heatmaps(4 * regions - 2)


def test_probabilities_that_do_not_add_up_to_one_are_of_classes_that_do_not_exclude_each_other() -> None:
    """So a place where none is likely is given none, as a sigmoid each says; a softmax gives every place one."""
    torch.manual_seed(0)
    heat = _peaks()
    assert not exclude_each_other(heat)
    assert exclude_each_other(torch.randn(1, 5, 8, 8).softmax(1))
    read = PlaceScores(heat, ClassOutputs(kind="probabilities", part=""), 1)
    torch.testing.assert_close(read.covers, (heat >= 0.5).flatten(2).float().mean(2))
    assert bool((read.winners[heat.amax(1) < 0.5] == -1).all())


def test_other_maps_of_another_grid_or_of_other_numbers_are_no_boxes() -> None:
    heat = torch.rand(1, 4, 8, 8)
    assert beside_boxes((heat, torch.rand(1, 2, 8, 8)), 0, heat)
    assert not beside_boxes((heat, torch.rand(1, 2, 4, 4)), 0, heat)
    assert not beside_boxes((heat, torch.rand(1, 3, 8, 8)), 0, heat)
    assert not beside_boxes(heat, "", heat)
