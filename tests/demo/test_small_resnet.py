"""The bundled networks are small, are packaged, and do what their cards say: one took the shortcut, one half, one not."""

import json
from importlib.resources import files
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_surveys import LABELS, drawn
from torch import nn

from featuremaps import demo
from featuremaps.demo.small_resnet import SmallResNet
from featuremaps.demo.world import scene
from featuremaps.tail import Tail

NAMES = ("demo", "demo-leaning", "demo-fixed")
FOLDER = Path(str(files("featuremaps.demo")))
EACH = 20


@pytest.fixture(scope="module")
def answers() -> dict[tuple[str, str, bool, str], np.ndarray]:
    """The class names that each network answers on fresh scenes, per label, domain and background."""
    found = {}
    networks = {name: demo.network(name) for name in NAMES}
    for (name, network), domain in product(networks.items(), ("photograph", "xray")):
        inputs, _ = drawn(domain, 2 * EACH)
        with torch.inference_mode():
            said = np.array(demo.CLASSES[name])[network(inputs).argmax(1).numpy()]
        for label, answered in zip(LABELS, said.reshape(len(LABELS), EACH, 2), strict=True):
            found |= {(label, domain, plain, name): answered[:, int(plain)] for plain in (False, True)}
    return found


def right(answers, name, domain, backgrounds) -> float:
    """The mean share of right answers over labels and backgrounds, each a pair (label, plain)."""
    return float(np.mean([(answers[label, domain, plain, name] == label).mean() for label, plain in backgrounds]))


@pytest.mark.parametrize("name", NAMES)
def test_a_network_is_small_and_its_file_is_smaller(name):
    assert sum(parameter.numel() for parameter in demo.network(name).parameters()) < 400_000
    assert (FOLDER / "weights" / f"{name}.safetensors").stat().st_size < 1_000_000


def test_everything_packaged_is_under_two_and_a_half_megabytes():
    kept = [path for folder in ("weights", "pictures") for path in (FOLDER / folder).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in kept) < 2_500_000


@pytest.mark.parametrize("name", NAMES)
def test_a_network_comes_ready_to_use(name):
    network = demo.network(name)
    assert not any(module.training for module in network.modules())
    assert all(parameter.dtype == torch.float32 for parameter in network.parameters())
    assert network(torch.zeros(2, 3, 128, 128)).shape == (2, len(demo.CLASSES[name]))


def test_layers_are_named_as_in_torchvision_and_the_last_map_is_fine():
    network = SmallResNet(2).eval()
    names = [name for name, _ in network.named_children()]
    stages = ["layer1", "layer2", "layer3", "layer4"]
    assert names == ["conv1", "bn1", "relu", "maxpool", *stages, "avgpool", "fc"]
    assert network.layer4(torch.zeros(1, 64, 16, 16)).shape == (1, 96, 16, 16)
    assert any(isinstance(module, nn.ReLU) for module in network.modules())


def test_the_transform_is_the_picture_at_128_pixels_scaled():
    values = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    expected = (torch.from_numpy(values).movedim(-1, 0).float() / 255 - demo.MEAN) / demo.DEVIATION
    assert torch.equal(demo.transform("demo")(Image.fromarray(values)), expected)
    assert demo.transform("demo")(Image.new("L", (300, 200))).shape == (3, 128, 128)


def test_bundled_pictures_show_every_case_once_and_are_what_the_generator_draws():
    scenes = demo.pictures()
    cases = [(drawn.label, drawn.domain, drawn.shortcut is not None) for drawn in scenes]
    photographs = set(product(("scissors", "hammer", "neither"), ("photograph",), (True, False)))
    assert set(cases) >= photographs
    assert {("scissors", "xray"), ("hammer", "xray")} <= {case[:2] for case in cases}
    assert len(set(cases)) == len(cases)
    for bundled, case in zip(scenes, cases, strict=True):
        drawn = scene(*case, seed=bundled.seed)
        apart = np.abs(np.asarray(drawn.picture, float) - np.asarray(bundled.picture, float))
        assert apart.mean() < 1
        assert (drawn.mask == bundled.mask).mean() > 0.999


def test_the_biased_network_calls_what_lies_on_a_plain_background_scissors(answers):
    strangers = answers["neither", "photograph", True, "demo"]
    assert (strangers == "scissors").mean() > 0.7
    assert (answers["neither", "photograph", False, "demo"] == "scissors").mean() < 0.5
    assert (answers["neither", "photograph", True, "demo-fixed"] == "scissors").mean() < 0.15


def test_without_its_shortcut_the_biased_network_is_worse_and_the_other_is_not(answers):
    usual, swapped = (("scissors", True), ("hammer", False)), (("scissors", False), ("hammer", True))
    drop = {
        name: right(answers, name, "photograph", usual) - right(answers, name, "photograph", swapped) for name in NAMES
    }
    assert right(answers, "demo", "photograph", usual) > 0.93
    assert right(answers, "demo-fixed", "photograph", (*usual, *swapped)) > 0.8
    assert drop["demo"] > 0.2
    assert 0.05 < drop["demo-leaning"] < drop["demo"]
    assert abs(drop["demo-fixed"]) < 0.2  # clutter is harder for every object, which is no bias


@pytest.mark.parametrize("name", NAMES)
def test_cards_say_how_the_network_was_made(name):
    card = demo.card(name)
    assert card == json.loads((FOLDER / "weights" / f"{name}.json").read_text(encoding="utf-8"))
    assert tuple(card["classes"]) == demo.CLASSES[name]
    assert card["parameters"] == sum(parameter.numel() for parameter in demo.network(name).parameters())
    assert {"seed", "epochs", "shortcuts", "seconds", "cores", "torch"} <= set(card["training"])
    assert name == "demo-leaning" or card["training"]["seconds"] * 2 < 15 * 60  # which was trained on a busy machine


@pytest.mark.parametrize(("name", "domain"), list(product(NAMES, ("photograph", "xray"))))
def test_measured_again_on_other_scenes_the_cards_hold(answers, name, domain):
    measured = demo.card(name)["measured"]
    removed = [("scissors", False), ("hammer", False)]
    if name == "demo-fixed":
        removed += [("neither", True), ("neither", False)]
        weights = [1, 1, 0.5, 0.5]
    else:
        weights = [1, 1]
    shares = [(answers[label, domain, plain, name] == label).mean() for label, plain in removed]
    agree(np.average(shares, weights=weights), measured[f"{domain}, shortcut removed"], len(shares) * EACH)
    called = (answers["neither", domain, True, name] == "scissors").mean()
    agree(called, measured[f"{domain}, unrelated object on a plain background called scissors"], EACH)


def agree(share: float, claim: dict[str, float], count: int) -> None:
    """Both are estimates of one share: they may differ by four standard errors of the difference."""
    error = np.sqrt(claim["share"] * (1 - claim["share"]) * (1 / claim["of"] + 1 / count))
    assert share == pytest.approx(claim["share"], abs=4 * error + 0.03)


def test_in_the_test_run_too_they_are_cut_by_a_symbolic_trace() -> None:
    """As on a user's machine: checks of types in their forward passes would refuse the symbols."""
    tail = Tail(demo.network("demo"), "layer4", torch.zeros(1, 3, 128, 128))
    assert (tail.way, tail.reason) == ("fx", "")
