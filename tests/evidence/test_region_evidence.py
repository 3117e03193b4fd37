"""Class by region: against plain loops, a planted truth, and counted passes."""

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import OptionError, TargetError
from featuremaps.evidence.fills import Filling
from featuremaps.evidence.region_evidence import region_evidence
from featuremaps.running import counting
from method_samples import unchecked
from nets import TinyUNet
from planted import ContextSegmenter, lit


def test_every_number_by_loops() -> None:
    random = torch.Generator().manual_seed(0)
    inputs, weights = torch.rand(2, 3, 5, 6, generator=random), torch.randn(3, 3, generator=random)
    numbers = torch.randint(0, 3, (2, 5, 6), generator=random)
    regions = torch.stack([numbers == number for number in range(3)], 1)

    def probability_of(picture: Tensor, region: Tensor, number: int) -> float:
        """The mean of one class's probability over the places of a region, place by place."""
        total, places = 0.0, region.nonzero().tolist()
        for row, column in places:
            total += float((weights @ picture[:, row, column]).softmax(0)[number])
        return total / len(places)

    def probability(new: Tensor) -> Tensor:
        return torch.tensor(
            [
                [probability_of(copy, regions[place * 2 // len(new)][number], number) for number in range(3)]
                for place, copy in enumerate(new)
            ]
        )

    found = region_evidence(probability, inputs, regions, fill="mean", chunk=3)
    for i, picture in enumerate(inputs):
        mean = picture.mean((1, 2), keepdim=True)
        for number in range(3):
            region = regions[i, number]
            assert float(found.whole[i, number]) == pytest.approx(probability_of(picture, region, number), abs=1e-6)
            kept = torch.where(region, picture, mean)
            assert float(found.alone[i, number]) == pytest.approx(probability_of(kept, region, number), abs=1e-6)
            for removed in range(3):
                left = torch.where(regions[i, removed], mean, picture)
                lost = probability_of(picture, region, number) - probability_of(left, region, number)
                assert float(found.lost[i, number, removed]) == pytest.approx(lost, abs=1e-6)
    torch.testing.assert_close(found.lost_inside[0], found.lost[0].diagonal())
    torch.testing.assert_close(found.lost_outside, found.whole - found.alone)


def test_places_are_filled_as_the_library_usually_does() -> None:
    inputs = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    regions = torch.zeros(1, 2, 8, 8, dtype=torch.bool)
    regions[0, 0, :3], regions[0, 1, 3:] = True, True
    asked: list[Tensor] = []

    def probability(new: Tensor) -> Tensor:
        asked.append(new)
        return torch.zeros(len(new), 2)

    region_evidence(probability, inputs, regions, seed=3)
    filled = Filling(inputs, 3)(torch.cat([regions, ~regions], 1), "linear")[0]
    torch.testing.assert_close(torch.cat(asked), torch.cat([inputs, filled]))
    with (
        unchecked(),
        pytest.raises(OptionError, match=r"\(batch, region, 8, 8\) for 1 of them; got shape \(1, 2, 4, 4\)"),
    ):
        region_evidence(probability, inputs, regions[..., ::2, ::2])


def test_a_class_that_rests_on_what_lies_beside_it_is_told_so() -> None:
    planted = lit()
    scope = fm.Scope(ContextSegmenter().eval(), classes=["sea", "boat"])
    scope.layers(planted.inputs)
    with counting() as count:
        (first, second) = scope.regions(planted.inputs, layer="features")
    assert first.labels == ("sea", "boat")
    assert count.pictures == 2 * (1 + (2 * 2 + 1) + 1)  # the regions found, taken out, and the classes' maps
    for one in (first, second):
        boat = one.evidence
        assert float(boat.whole[0, 1]) > 0.8
        assert abs(float(boat.lost_inside[0, 1])) < 0.02
        assert float(boat.lost_outside[0, 1]) > 0.6
        assert "It needs sea" in one.sentences()[1]
        assert "needs" not in one.sentences()[0]
        assert [heat.targets[0].split()[0] for heat in one.heatmaps] == ["sea", "boat"]
    assert repr(first) == "<SegmentedPicture: picture 0, sea 97%, boat 3%>"
    (alone,) = scope.regions(planted.inputs[1:], None)
    assert alone.heatmaps == ()
    torch.testing.assert_close(alone.evidence.lost, second.evidence.lost, rtol=1e-4, atol=1e-5)
    (one,) = scope.regions(planted.inputs[:1], None, most=1)
    assert one.labels == ("sea",)


def test_maps_are_made_where_places_see_most_of_the_picture() -> None:
    (one,) = fm.Scope(TinyUNet().eval()).regions(torch.rand(1, 3, 16, 16))
    assert {heat.layer for heat in one.heatmaps} == {"bottom"}


def test_a_model_without_places_or_with_nothing_found() -> None:
    classifier = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(TargetError, match=r"class scores per pixel.*shape \(1, 4\)"):
        fm.Scope(classifier.eval()).regions(torch.rand(1, 3, 8, 8))
    nothing = nn.Conv2d(3, 1, 1)
    nn.init.constant_(nothing.bias, -9.0)
    (empty,) = fm.Scope(nothing.eval(), classes=["tumour"]).regions(torch.rand(1, 3, 8, 8))
    assert (len(empty), empty.sentences(), empty.winners.unique().tolist()) == (0, [], [-1])
    with pytest.raises(OptionError, match="1 or more; got 0"):
        fm.Scope(nothing).regions(torch.rand(1, 3, 8, 8), most=0)
