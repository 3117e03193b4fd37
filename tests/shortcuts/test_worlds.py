"""Small networks trained on worlds of our own: what was planted is found with its pictures, and nothing else is.

Four worlds as `make worlds` has them, smaller: two with a shortcut, one whose cue says nothing, one without any.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from benchmarks.worlds.judged import covered, further, inside, right_finding
from benchmarks.worlds.listed import leaning, listed
from benchmarks.worlds.scenes import SIDE
from benchmarks.worlds.search import searched
from benchmarks.worlds.world import Cue, World, pictures

SMALL = {"count": 500, "width": 8}  # with fewer pictures a network rests on whatever it sees first
WORLDS = {
    "mark": World((leaning("corner mark", 0.9),), 11, **SMALL),
    "ground": World((leaning("plain ground", 0.9),), 2, **SMALL),
    "bare": World((), 3, **SMALL),
    "benign": World((Cue("border", 0, 0.5, 0.5),), 44, **SMALL),
}

Results = Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    cache = tmp_path_factory.mktemp("worlds")
    return {name: searched(world, 100, cache) for name, world in WORLDS.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mark", "ground"])
def test_a_planted_shortcut_is_found_with_its_pictures_and_its_effect(results: Results, name: str) -> None:
    finding = right_finding(results[name])
    assert finding is not None
    assert results[name]["findings"].index(finding) == 0
    cue = results[name]["cues"][0]
    assert cue["own"] > 0.3  # the network did learn it
    assert inside(finding, cue, finding["effect"])
    assert finding["taken out"][0] - finding["taken out"][1] > 0.2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bare", "benign"])
def test_nothing_is_found_where_nothing_was_planted(results: Results, name: str) -> None:
    assert results[name]["findings"] == []
    assert covered(results[name])
    assert results[name]["accuracy"] > 0.8  # the network did learn its classes


@pytest.mark.parametrize(
    ("cue", "where"),
    [
        ("corner mark", np.s_[2:8, 2:8]),
        ("watermark text", np.s_[30:, 2:]),
        ("border", np.s_[:, :]),
        ("plain ground", np.s_[:, :]),
    ],
)
def test_counter_pictures_differ_in_the_cue_alone(cue: str, where: tuple[slice, slice]) -> None:
    drawn = pictures(World((leaning(cue, 0.9),)), 10, 5)
    having, lacking = drawn.with_cue(0, True), drawn.with_cue(0, False)
    outside = np.ones((SIDE, SIDE), bool)
    outside[where] = False
    np.testing.assert_array_equal(having[:, outside], lacking[:, outside])
    assert ((having != lacking).sum((1, 2, 3)) > 30).all()
    present = drawn.present[:, 0]
    np.testing.assert_array_equal(drawn.drawn(), np.where(present[:, None, None, None], having, lacking))
    if cue == "plain ground":  # the object hides the ground
        masks = np.stack([each.mask for each in drawn.scenes])
        np.testing.assert_array_equal(having[masks], lacking[masks])


def test_a_world_is_of_its_seed_and_every_one_has_its_own_network() -> None:
    world = World((leaning("border", 0.8),))
    first, again, other = (pictures(world, 5, seed).drawn() for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    worlds = [*listed().values(), *listed(1000).values()]
    assert len({each.key for each in worlds}) == len({each.seed for each in worlds}) == len(worlds) == 56


def test_what_counts() -> None:
    cue = {"label": 0, "planted": True, "own": 0.5, "others": 0.2}
    effects = {"effect": "own", "own": [0.5, 0.4, 0.6], "others": [0.4, 0.3, 0.5]}
    right = {"label": 0, "agreement": [0.95], "phi": [0.8], **effects}
    result = {"cues": [cue], "findings": [right], "power": 0.3}
    assert right_finding(result) == right
    assert covered(result)
    for wrong in ({"label": 1}, {"agreement": [0.89]}, {"phi": [0.69]}, {"phi": [-0.8]}):
        findings = [right | wrong]
        assert right_finding(result | {"findings": findings}) is None
        assert further(result | {"findings": findings}) == findings
        assert not covered(result | {"findings": findings})
    assert not covered(result | {"findings": [right | {"effect": "others"}]})
    benign = result | {"cues": [cue | {"planted": False, "own": -0.2}]}
    assert not covered(benign)
    assert covered(benign | {"findings": []})
    assert not covered(benign | {"findings": [], "power": 0.1})
    assert covered(benign | {"findings": [], "power": None})
