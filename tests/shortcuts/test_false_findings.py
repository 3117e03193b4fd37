"""What looks like a shortcut and is none: few pictures, copies, proofs that point the wrong way, layers that a survey has."""

import numpy as np
import pytest

from featuremaps.shortcuts.attributes import attributes
from featuremaps.shortcuts.estimates import paired
from featuremaps.shortcuts.find import _suspects
from featuremaps.shortcuts.options import ShortcutOptions
from featuremaps.shortcuts.responses import Responses
from featuremaps.shortcuts.shortcut import Intervention


def by_chance(random: np.random.Generator, pictures: int, classes: int, sure: bool) -> Responses:
    """Pictures whose first layers fall into two groups in four ways, and answers that have nothing to do with them.

    `sure`: probabilities are 0 or 1.
    """
    labels = np.repeat(np.arange(classes), pictures)
    latent = random.normal(size=(len(labels), 12))
    latent[:, :4] += 6 * (random.random((len(labels), 4)) < 0.3)
    means, highest = (
        {f"layer{k}": np.maximum(latent @ random.normal(size=(12, 16)), 0).astype(np.float32) for k in range(4)}
        for _ in range(2)
    )
    scores = random.normal(size=(len(labels), classes))
    scores[np.arange(len(labels)), labels] += 1.5
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    shares = (shares == shares.max(1, keepdims=True)) if sure else shares
    relevance = (means["layer3"] * random.normal(size=16)).astype(np.float32)
    slopes, names = random.normal(size=(classes, 16)).astype(np.float32), tuple(f"class{k}" for k in range(classes))
    rows, called = np.arange(len(labels)), shares.argmax(1)
    ends = relevance, slopes, shares.astype(np.float32), called
    return Responses(rows, labels, names, tuple(range(classes)), "layer3", means, highest, *ends)


@pytest.mark.parametrize(("pictures", "classes"), [(12, 3), (8, 10), (40, 3)])
@pytest.mark.parametrize("sure", [False, True])
def test_answers_that_rest_on_nothing_are_not_suspected(pictures: int, classes: int, sure: bool) -> None:
    suspected = 0
    for seed in range(12):
        given = by_chance(np.random.default_rng(seed), pictures, classes, sure)
        suspected += bool(_suspects(given, attributes(given, ShortcutOptions())))
    assert suspected <= 1


@pytest.mark.parametrize("wanted", [-1, 1])
def test_a_change_the_wrong_way_proves_nothing(wanted: int) -> None:
    before = np.random.default_rng(0).random(20) / 10 + 0.4
    for way in (-1, 1):
        change = paired(before + 0.3 * way, before)
        assert change is not None
        assert Intervention(0.4, 0.4 + 0.3 * way, change, 0.05, 20, wanted).holds == (way == wanted)
