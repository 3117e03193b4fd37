"""Training really trains, is repeatable, and leaves nothing of its own wiring in the network."""

import re

import pytest
import torch

from featuremaps.demo.dataset import World
from featuremaps.demo.train import SETTINGS, TrainingSettings, augmented, train


@pytest.fixture(scope="module")
def small() -> tuple[torch.Tensor, torch.Tensor]:
    world = World(12, {"scissors": 1.0, "hammer": 0.0})
    drawn = [torch.frombuffer(bytearray(world[i].picture.tobytes()), dtype=torch.uint8) for i in range(len(world))]
    pictures = torch.stack([values.view(128, 128, 3).movedim(-1, 0) for values in drawn])
    return pictures, torch.tensor([world.labels.index(recipe.label) for recipe in world.recipes])


def test_the_loss_falls_and_the_same_seed_gives_the_same_network(small, capsys):
    settings = TrainingSettings({"scissors": 1.0, "hammer": 0.0}, epochs=5, batch=6)
    first = train(settings, *small)
    losses = [float(value) for value in re.findall(r"loss ([\d.]+)", capsys.readouterr().err)]
    assert len(losses) == 5
    assert losses[-1] < 0.8 * losses[0]
    again = train(settings, *small)
    for name, value in first.state_dict().items():
        assert torch.allclose(value.float(), again.state_dict()[name].float(), atol=1e-4), name


def test_augmentation_keeps_the_shape_and_changes_the_picture():
    torch.manual_seed(0)
    batch = torch.rand(8, 3, 128, 128)
    changed = augmented(batch)
    assert changed.shape == batch.shape
    assert not torch.equal(changed, batch)


def test_the_two_networks_differ_in_their_worlds_and_how_long_they_see_them():
    biased, fixed = SETTINGS["demo"], SETTINGS["demo-fixed"]
    assert biased.shortcuts["scissors"] >= 0.95
    assert biased.shortcuts["hammer"] < 0.3
    assert len(set(fixed.shortcuts.values())) == 1
    same = ("batch", "rate")  # the seed is one for both
    assert [getattr(biased, key) for key in same] == [getattr(fixed, key) for key in same]
