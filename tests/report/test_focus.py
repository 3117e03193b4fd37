"""How narrow a map is, as the share of its cells that hold half of it, and the card that says so."""

import pytest
import torch
from report_samples import sample_picture

from featuremaps.report.explanations import HeatmapData
from featuremaps.report.focus import half_area, where_card


def slow_half_area(map):
    """The same by a loop: cells are taken, the strongest first, until they hold half."""
    values = sorted((max(value, 0.0) for row in map.tolist() for value in row), reverse=True)
    taken, count = 0.0, 0
    while taken < sum(values) / 2 - 1e-12:
        taken, count = taken + values[count], count + 1
    return count / len(values)


def test_the_share_is_what_a_loop_counts():
    for seed in range(5):
        map = torch.randn(6, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        assert half_area(map) == slow_half_area(map)
        assert half_area(map) == half_area(3 * map) == half_area(map.flip(0))


def test_even_maps_single_cells_and_maps_without_anything():
    assert half_area(torch.ones(4, 4)) == 0.5
    assert half_area(torch.eye(4)[:1].clone()) == 0.25
    assert half_area(-torch.ones(4, 4)) is None
    assert half_area(torch.tensor([[float("nan"), 1.0], [-3.0, 1.0]])) == 0.25


def pictured(name, *maps):
    return sample_picture(name, maps=maps)


def test_the_card_shows_the_narrowest_and_the_widest():
    narrow, wide = torch.zeros(4, 4), torch.ones(4, 4)
    narrow[0, 0] = 1
    maps = [HeatmapData("grad_cam", "layer4", "tabby", map) for map in (narrow, wide)]
    shown = [(pictured(f"{number}.png", map), map) for number, map in enumerate(maps)]
    card = where_card(shown, maps, "2 pictures")
    assert card.sentence == "Half of Grad-CAM lies on 28% of a picture (median of 2)."
    assert list(card.picture) == ["6% in the narrowest", "50% in the widest"]
    assert card.right is None
    one = where_card(shown[:1], maps[:1], "1 picture")
    assert one.sentence == "Half of Grad-CAM lies on 6% of the picture."
    assert one.picture is None  # it stands beside the card


@pytest.mark.parametrize(
    ("maps", "sentence"),
    [
        (
            (HeatmapData("lrp", "input", "tabby", -torch.ones(2, 2), warnings=("bad",)),),
            "Of 1 map 1 carries a warning.",
        ),
        ((HeatmapData("lrp", "input", "tabby", failure="no"),), "Of 1 map 1 could not be made."),
        ((), "There is no map."),
    ],
)
def test_doubts_are_counted_and_nothing_is_shown_of_maps_without_any(maps, sentence):
    card = where_card([(pictured("a.png", map), map) for map in maps], maps, "1 picture")
    assert (card.sentence, card.picture) == (sentence, None)
