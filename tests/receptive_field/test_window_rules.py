import pytest
import torch
from torch import nn

from featuremaps.layers import walk
from featuremaps.receptive_field import window_rules


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((32, 3, 1, 1, 1, 32), "(32 − 3 + 2·1)/1 + 1 = 32"),
        ((224, 7, 2, 3, 1, 112), "⌊(224 − 7 + 2·3)/2⌋ + 1 = 112"),
        ((227, 11, 4, 0, 1, 55), "(227 − 11 + 2·0)/4 + 1 = 55"),
        ((56, 3, 1, 2, 2, 56), "(56 − 2·(3 − 1) − 1 + 2·2)/1 + 1 = 56"),
    ],
)
def test_the_size_formula(numbers, expected):
    assert window_rules.size_formula(*numbers) == expected


def test_a_ceiling_is_shown():
    assert window_rules.size_formula(112, 3, 2, 0, 1, 56, ceil=True) == "⌈(112 − 3 + 2·0)/2⌉ + 1 = 56"


def test_the_window_that_would_begin_outside_is_left_out_as_torch_does():
    layer = nn.MaxPool2d(2, 3, padding=1, ceil_mode=True)
    size = layer(torch.zeros(1, 1, 7, 7)).shape[-1]
    assert size == 3
    text = window_rules.size_formula(7, 2, 3, 1, 1, size, ceil=True)
    assert text == "⌈(7 − 2 + 2·1)/3⌉ + 1 = 4, without the window that begins outside: 3"


def _formula(layer: nn.Module, *size: int) -> str | None:
    picture = torch.rand(1, 3, *size)
    return walk(nn.Sequential(layer), picture)["0"].formula


@pytest.mark.parametrize(
    ("layer", "size", "expected"),
    [
        (nn.Conv2d(3, 4, 3, 2, 1), (15, 15), "(15 − 3 + 2·1)/2 + 1 = 8"),
        (nn.Conv2d(3, 4, 3, 2, 1), (15, 14), "y: (15 − 3 + 2·1)/2 + 1 = 8\nx: ⌊(14 − 3 + 2·1)/2⌋ + 1 = 7"),
        (nn.AvgPool2d(2), (15, 15), "⌊(15 − 2 + 2·0)/2⌋ + 1 = 7"),
        (nn.MaxPool2d(3, 2, ceil_mode=True), (16, 16), "⌈(16 − 3 + 2·0)/2⌉ + 1 = 8"),
        (nn.MaxPool2d((3, 1), 1), (9, 9), "y: (9 − 3 + 2·0)/1 + 1 = 7\nx: (9 − 1 + 2·0)/1 + 1 = 9"),
        (nn.ConvTranspose2d(3, 4, 4, 2, 1), (8, 8), "(8 − 1)·2 − 2·1 + 3 + 1 = 16"),
        (nn.ConvTranspose2d(3, 4, 3, 2, 1, 1), (8, 8), "(8 − 1)·2 − 2·1 + 2 + 1 + 1 = 16"),
        (nn.ReLU(), (8, 8), None),
        (nn.Upsample(scale_factor=2), (8, 8), None),
    ],
)
def test_a_layer_shows_the_formula_of_its_size(layer, size, expected):
    assert _formula(layer, *size) == expected


def test_a_container_does_not_repeat_the_formula_of_its_last_part():
    layers = walk(nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3))), torch.rand(1, 3, 9, 9))
    assert layers["0.0"].formula == "(9 − 3 + 2·0)/1 + 1 = 7"
    assert layers["0"].formula is None
