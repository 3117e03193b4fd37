"""What a repair brings in a world whose shortcut is known, beside a network that learned the same scenes without it."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from torch import nn

from benchmarks.worlds.ceilings import best_head, trained_further
from benchmarks.worlds.judged import PHI, Result
from benchmarks.worlds.networks import CACHE, as_inputs, probabilities, trained
from benchmarks.worlds.scenes import LABELS
from benchmarks.worlds.search import SEARCHED, Labelled, digits, finding, surveyed
from benchmarks.worlds.world import FRESH, Pictures, World, pictures
from featuremaps.repair.decodable import REPAIRABLE
from featuremaps.repair.options import How
from featuremaps.repair.repair import Repair

WORKED_WITH = 500
"""Pictures of each class that a repair works with, as many as `scope.repaired` takes where nothing is said."""
WAYS: tuple[How, ...] = ("auto", "fine_tune")
FREE, TAUGHT = 20_000, 30_000
"""Added to a world's seed for scenes, all without the shortcut: to judge on, and for the best that could be done."""


def repaired(world: World, count: int = WORKED_WITH, cache: Path = CACHE) -> dict[str, Any]:
    """The network, repaired ones and its twin on fresh pictures without the shortcut, as plain numbers.

    `repairs` are by the way that `scope.repaired` chooses, and by training all layers.
    """
    model, twin = trained(world, cache), trained(world, cache, bare=True)
    shown = pictures(world, count, world.seed + FRESH)
    free = pictures(world, SEARCHED, world.seed + FREE)
    taught = pictures(world, world.count, world.seed + TAUGHT)
    result = {"twin": right(twin, free), "before": right(model, free), "drawn": right(model, free, as_drawn=True)}
    result |= {"head": best_head(model, taught, free), "tail": right(trained_further(model, taught, world.seed), free)}
    result["lacking"] = int((~shown.present[shown.labels == world.cues[0].label, 0]).sum())
    with surveyed(model, Labelled(as_inputs(shown.drawn()), shown.labels, LABELS)) as (scope, survey):
        for shortcut in scope.find_shortcuts(survey, per_class=count):
            if same_pictures(finding(shortcut, shown.present, LABELS)):
                made = {how: scope.repaired(shortcut, survey, how, per_class=count) for how in WAYS}
                repairs = {how: account(repair, free) for how, repair in made.items()}
                told = made["auto"].told
                assert told is not None
                area = [told.layer, *map(digits, (told.area.value, *told.area.interval))]
                return result | {"found": True, "told": area, "repairs": repairs}
    return result | {"found": False}


def same_pictures(told: Result) -> bool:
    """Whether a finding tells the pictures with the cue from those without, named from either side."""
    return bool(abs(told["phi"][0]) >= PHI)


def decodable(result: Result) -> bool:
    """Whether a probe tells the class where the shortcut is not; nobody asked where none was found."""
    return result["found"] and result["told"][1] >= REPAIRABLE


def closed(result: Result, after: float) -> float:
    """The share of the gap between the network and its twin that is closed by one that is right so often."""
    return float((after - result["before"]) / max(result["twin"] - result["before"], 1e-9))


def account(repair: Repair, free: Pictures) -> dict[str, Any]:
    """What a repair says of itself, and how often its best try is right: `after` without the shortcut, and as `drawn`.

    As they are drawn most of a class's scenes have its shortcut.
    """
    best, model = repair.tried[0], repair.attempt.model
    return {
        "repaired": repair.repaired,
        "after": right(model, free),
        "drawn": right(model, free, as_drawn=True),
        "way": best.way,
        "settings": best.settings,
        "worst": [digits(repair.worst_before.value), digits(best.worst.value)],
        "all": [digits(repair.accuracy.value), digits(best.accuracy.value)],
    }


def right(model: nn.Module, free: Pictures, *, as_drawn: bool = False) -> float:
    """The share of scenes that a network calls right: where none has a cue, or as they are drawn."""
    absent: Bool[np.ndarray, "picture cue"] = np.zeros_like(free.present)
    called = probabilities(model.eval(), free.drawn(None if as_drawn else absent)).argmax(1)
    return digits((called == free.labels).mean())
