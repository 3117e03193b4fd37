"""The bundled world tells the truth about itself: the mask, the shortcut, the seed."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from featuremaps.demo.clutter import MAKERS
from featuremaps.demo.geometry import Part, Window, coverage, ellipse, rounded
from featuremaps.demo.tools import hammer, scissors
from featuremaps.demo.world import PIXELS, SHORTCUT, Arrangement, arrange, render, scene
from featuremaps.errors import OptionError

LABELS = ("scissors", "hammer", "neither")
CASES = tuple(product(LABELS, ("photograph", "xray"), (True, False)))
TOOLS = tuple(case for case in CASES if case[0] != "neither")


def without_subject(arrangement: Arrangement) -> Arrangement:
    """The same scene with the labelled object taken away."""
    kept = tuple(thing for place, thing in enumerate(arrangement.things) if place != arrangement.subject)
    return replace(arrangement, things=kept, subject=None)


def pixels(arrangement: Arrangement) -> np.ndarray:
    return np.asarray(render(arrangement).picture, np.float32) / 255


@pytest.mark.parametrize(("label", "domain", "plain"), CASES)
def test_the_same_seed_gives_the_same_scene_and_another_seed_another(label, domain, plain):
    first, again, other = (scene(label, domain, plain, seed=seed) for seed in (5, 5, 6))
    assert first.picture.tobytes() == again.picture.tobytes()
    assert np.array_equal(first.mask, again.mask)
    assert first.picture.tobytes() != other.picture.tobytes()


@pytest.mark.parametrize(("label", "domain", "plain"), CASES)
def test_a_scene_says_what_it_is(label, domain, plain):
    drawn = scene(label, domain, plain, seed=3)
    assert (drawn.label, drawn.domain, drawn.seed) == (label, domain, 3)
    assert drawn.shortcut == (SHORTCUT if plain else None)
    assert drawn.picture.size == drawn.mask.shape == (PIXELS, PIXELS)
    assert drawn.picture.mode == "RGB"
    assert bool(drawn.mask.any()) == (label != "neither")


@pytest.mark.parametrize(("label", "domain", "plain"), TOOLS)
def test_taking_the_object_away_changes_the_pixels_of_its_mask(label, domain, plain):
    """Not every pixel: a blade can look like what it lies on. Outside there is at most a shadow or a sharpened edge."""
    inside, outside = [], []
    for seed in range(6):
        arrangement = arrange(label, domain, plain, seed=seed)
        changed = np.abs(pixels(arrangement) - pixels(without_subject(arrangement))).max(-1)
        mask = render(arrangement).mask
        inside.append((changed[mask] > 0.04).mean())
        outside.append(changed[~mask].mean())
    assert min(inside) > 0.75
    assert np.mean(inside) > 0.9
    assert max(outside) < 0.03


@pytest.mark.parametrize("domain", ["photograph", "xray"])
def test_without_its_object_a_scene_has_an_empty_mask_and_keeps_the_rest(domain):
    arrangement = arrange("hammer", domain, seed=8)
    bare = without_subject(arrangement)
    assert not render(bare).mask.any()
    assert len(bare.things) == len(arrangement.things) - 1
    assert "hammer" not in {thing.name for thing in bare.things}


@pytest.mark.parametrize("label", ["scissors", "hammer"])
def test_one_seed_keeps_the_object_in_its_place_in_both_domains_and_on_both_backgrounds(label):
    for seed in range(5):
        plain = scene(label, "photograph", True, seed=seed).mask
        assert np.array_equal(plain, scene(label, "xray", True, seed=seed).mask)
        assert np.array_equal(plain, scene(label, "xray", False, seed=seed).mask)
        among = scene(label, "photograph", False, seed=seed).mask
        assert not (among & ~plain).any()  # something may lie over it, so it can only lose pixels
        assert among.sum() > 0.6 * plain.sum()


def test_what_lies_over_the_object_is_not_in_its_mask_in_a_photograph_but_is_in_an_xray():
    hidden = 0
    for seed in range(40):
        photographed = arrange("scissors", "photograph", seed=seed)
        seen = render(photographed).mask
        whole = render(arrange("scissors", "xray", seed=seed)).mask
        if seen.sum() < whole.sum():
            hidden += 1
            assert photographed.subject < len(photographed.things) - 1
    assert hidden >= 2


@pytest.mark.parametrize("domain", ["photograph", "xray"])
def test_the_shortcut_is_a_bright_and_nearly_empty_background(domain):
    even = {True: [], False: []}
    for label, plain, seed in product(LABELS, (True, False), range(6)):
        values = np.asarray(scene(label, domain, plain, seed=seed).picture, np.float32) / 255
        coarse = values.reshape(32, 4, 32, 4, 3).mean((1, 3))
        ground = np.median(coarse, (0, 1))
        even[plain].append((np.abs(coarse - ground).max(-1) < 0.15).mean())
        assert not plain or ground.min() > 0.7
    assert min(even[True]) > 0.8
    assert np.mean(even[False]) < 0.75


@pytest.mark.parametrize("label", LABELS)
def test_neither_holds_no_tool_and_tools_hold_exactly_one(label):
    for seed in range(30):
        names = [thing.name for thing in arrange(label, seed=seed).things]
        tools = [name for name in names if name in ("scissors", "hammer")]
        assert tools == ([] if label == "neither" else [label])
        assert set(names) - {"scissors", "hammer"} <= set(MAKERS)


@pytest.mark.parametrize("label", ["scissors", "hammer"])
def test_objects_vary_in_place_size_and_angle(label):
    centres, sizes, angles = [], [], []
    for seed in range(60):
        rows, columns = np.nonzero(scene(label, shortcut=True, seed=seed).mask)
        centres.append((columns.mean(), rows.mean()))
        sizes.append(len(rows))
        angles.append(0.5 * np.arctan2(2 * np.cov(columns, rows)[0, 1], np.var(columns) - np.var(rows)))
    assert (np.std(centres, axis=0) > 5).all()
    assert max(sizes) > 2 * min(sizes)
    counts, _ = np.histogram(angles, 6, (-np.pi / 2, np.pi / 2))
    assert (counts > 0).all()


def test_every_kind_of_clutter_turns_up():
    assert {thing.name for seed in range(60) for thing in arrange("neither", seed=seed).things} == set(MAKERS)


def test_an_xray_darkens_where_things_overlap():
    """Beer-Lambert: what passes two things is what passes one times what passes the other."""
    both = arrange("hammer", "xray", seed=2)
    alone, rest = arrange("hammer", "xray", True, seed=2), without_subject(both)
    mask = render(both).mask
    assert pixels(both)[mask].mean() < pixels(alone)[mask].mean()
    assert pixels(both)[mask].mean() < pixels(rest)[mask].mean()


@pytest.mark.parametrize("make", [scissors, hammer, *(make for make, _ in MAKERS.values())])
def test_a_thing_is_about_one_unit_long_and_near_its_origin(make):
    for seed in range(10):
        points = np.concatenate([o for part in make(np.random.default_rng(seed)).parts for o in part.fills])
        low, high = points.min(0), points.max(0)
        assert 0.8 < (high - low).max() < 1.35
        assert (np.abs(low + high) / 2 < 0.13).all()


def test_coverage_is_the_area_of_the_outline_less_its_holes():
    whole = Window(0, 0, 64, 64)
    disc = Part((ellipse(32, 32, 20, 20),), "steel", (0.0, 0.0, 0.0), (ellipse(32, 32, 10, 10),))
    assert coverage(disc, whole, 1, over=8).sum() == pytest.approx(np.pi * (400 - 100), rel=0.03)
    square = Part((rounded(10, 10, 30, 40, 0),), "steel", (0.0, 0.0, 0.0))
    assert coverage(square, whole, 1, over=8).sum() == pytest.approx(600, rel=0.03)


def test_a_part_turns_and_moves_as_asked():
    part = Part((np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]),), "steel", (0.0, 0.0, 0.0))
    moved = part.placed(2.0, np.pi / 2, (10.0, 5.0))
    assert np.allclose(moved.fills[0], [[10, 7], [10, 5], [8, 5]])
    assert moved.axis == pytest.approx(np.pi / 2)
    assert np.allclose(part.mirrored().fills[0][:, 1], -part.fills[0][:, 1])


@pytest.mark.parametrize(
    ("label", "domain", "said"),
    [("scisors", "photograph", "label 'scisors'. Did you mean 'scissors'?"), ("hammer", "x-ray", "domain 'x-ray'")],
)
def test_an_unknown_label_or_domain_is_named_with_what_there_is(label, domain, said):
    with pytest.raises(OptionError, match="bundled world has") as raised:
        scene(label, domain, seed=0)
    assert said in str(raised.value)
