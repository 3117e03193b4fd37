"""Objectives as people write them."""

import pytest
import torch
from benchmarks.resnet20 import resnet20

from featuremaps.draw.objective import Channel, ClassScore, Layer, Neuron
from featuremaps.draw.parse_objective import as_objective
from featuremaps.errors import LayerNotFoundError, OptionError
from featuremaps.models.studied_model import StudiedModel

CLASSES = ("tabby", "Egyptian cat", "black-and-tan - coonhound", "layer1", "7*seven")
LAYERS = StudiedModel(resnet20()).walk(torch.zeros(1, 3, 32, 32))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("layer3:12", Channel("layer3", 12)),
        ("layer3:12@3,5", Neuron("layer3", 12, (3, 5))),
        ("layer3:12@ 3, 5", None),
        ("layer3:12@middle", Neuron("layer3", 12)),
        ("layer2.1.conv2:3", Channel("layer2.1.conv2", 3)),
        ("last:3", Channel("layer3", 3)),
        ("layer3", Layer("layer3")),
        ("layer1", Layer("layer1")),
        ("tabby", ClassScore(0, name="tabby")),
        ("egyptian CAT", ClassScore(1, name="egyptian CAT")),
        ("black-and-tan - coonhound", ClassScore(2, name="black-and-tan - coonhound")),
        ("7*seven", ClassScore(4, name="7*seven")),
        (3, ClassScore(3)),
    ],
)
def test_one_name(text, expected) -> None:
    found = as_objective(text, LAYERS, CLASSES)
    assert found == (expected or Neuron("layer3", 12, (3, 5)))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("layer3:12 + layer3:7", "layer3:12 + layer3:7"),
        ("layer3:12 - 0.5*layer1:7", "layer3:12 - 0.5*layer1:7"),
        ("-layer3:12", "-layer3:12"),
        ("2 * tabby - Egyptian cat", "2*tabby - Egyptian cat"),
        ("0.5*layer3:1@2,3 + layer2", "0.5*layer3:1@2,3 + layer2"),
    ],
)
def test_sums(text: str, label: str) -> None:
    assert as_objective(text, LAYERS, CLASSES).label == label


def test_what_cannot_be_drawn_says_what_is_near() -> None:
    with pytest.raises(LayerNotFoundError, match=r"'layr3:4' cannot be drawn.*Did you mean 'layer3'"):
        as_objective("layr3:4", LAYERS, CLASSES)
    with pytest.raises(LayerNotFoundError, match=r"'tabbi'.*'tabby'"):
        as_objective("tabbi", LAYERS, CLASSES)
    with pytest.raises(LayerNotFoundError, match="its classes have no names"):
        as_objective("tabby", LAYERS, None)
    with pytest.raises(LayerNotFoundError, match="'layr1:2' cannot be drawn"):
        as_objective("layer3:1 + layr1:2", LAYERS, CLASSES)
    with pytest.raises(LayerNotFoundError, match="channels 0 to 63, there is no 64"):
        as_objective("layer3:64", LAYERS, CLASSES)
    with pytest.raises(OptionError, match=r"1\.5 cannot be drawn. Give a unit"):
        as_objective(1.5, LAYERS, CLASSES)
