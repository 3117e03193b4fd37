"""A world of many scenes: how many, of what, and the same again from the same seed."""

import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from featuremaps.demo.dataset import World
from featuremaps.demo.world import SHORTCUT


def test_a_world_has_as_many_scenes_of_each_label_as_asked():
    world = World(7, {"scissors": 0.5, "hammer": 0.5, "neither": 0.5})
    labels = [recipe.label for recipe in world.recipes]
    assert len(world) == 21
    assert {label: labels.count(label) for label in set(labels)} == {"scissors": 7, "hammer": 7, "neither": 7}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.97, 1.0])
def test_the_share_on_a_plain_background_is_the_one_asked_for(share):
    world = World(2000, {"scissors": share, "hammer": 0.5})
    plain = np.mean([recipe.shortcut for recipe in world.recipes if recipe.label == "scissors"])
    assert plain == pytest.approx(share, abs=0.04 if 0 < share < 1 else 0)


def test_scenes_are_drawn_as_their_recipe_says():
    world = World(3, {"scissors": 1.0, "neither": 0.0}, "xray", seed=40)
    for recipe, drawn in zip(world.recipes, (world[i] for i in range(len(world))), strict=True):
        assert (drawn.label, drawn.domain, drawn.seed) == (recipe.label, "xray", recipe.seed)
        assert drawn.shortcut == (SHORTCUT if recipe.label == "scissors" else None)


def test_no_two_scenes_share_a_seed_and_far_worlds_share_none():
    shares = {"scissors": 0.5, "hammer": 0.5, "neither": 0.5}
    first, far = ({recipe.seed for recipe in World(500, shares, seed=seed).recipes} for seed in (0, 1_000_000))
    assert len(first) == len(far) == 1500
    assert not first & far


def test_the_seed_decides_the_recipes():
    shares = {"scissors": 0.5, "hammer": 0.5}
    assert World(50, shares, seed=2).recipes == World(50, shares, seed=2).recipes
    assert World(50, shares, seed=2).recipes != World(50, shares, seed=3).recipes


def test_a_world_survives_pickling_and_a_data_loader():
    world = pickle.loads(pickle.dumps(World(2, {"scissors": 1.0, "hammer": 0.0}, seed=9)))
    batches = list(DataLoader(world, batch_size=2, collate_fn=list))
    assert [drawn.label for batch in batches for drawn in batch] == ["scissors", "scissors", "hammer", "hammer"]


def test_tensors_are_the_pictures_in_order_with_the_numbers_of_their_labels():
    world = World(2, {"hammer": 1.0, "scissors": 1.0}, seed=4)
    pictures, labels = world.tensors()
    assert pictures.dtype == torch.uint8
    assert labels.tolist() == [0, 0, 1, 1]
    for i in range(4):
        assert np.array_equal(pictures[i].movedim(0, -1).numpy(), np.asarray(world[i].picture))
