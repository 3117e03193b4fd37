"""What a repair brings in a world whose shortcut is known, beside a network that learned the same scenes without it."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from torch import nn

from benchmarks.worlds.judged import agrees
from benchmarks.worlds.networks import CACHE, as_inputs, probabilities, trained
from benchmarks.worlds.scenes import LABELS
from benchmarks.worlds.search import SEARCHED, Labelled, digits, finding, surveyed
from benchmarks.worlds.world import FRESH, Pictures, World, pictures
from featuremaps.repair.options import How
from featuremaps.repair.repair import Repair

FREE = 20_000
"""Added to a world's seed for the pictures, all without the shortcut, that a repair is judged on."""


def repaired(world: World, count: int = SEARCHED, cache: Path = CACHE, how: How = "auto") -> dict[str, Any]:
    """The network, the repaired one and its twin on fresh pictures without the shortcut, as plain numbers."""
    model, twin = trained(world, cache), trained(world, cache, bare=True)
    shown = pictures(world, count, world.seed + FRESH)
    free = pictures(world, count, world.seed + FREE)
    result = {"twin": right(twin, free), "before": right(model, free)}
    with surveyed(model, Labelled(as_inputs(shown.drawn()), shown.labels, LABELS)) as (scope, survey):
        for shortcut in scope.find_shortcuts(survey):
            told = finding(shortcut, shown.present, LABELS)
            if agrees(told, world.cues[0].label):
                repair = scope.repaired(shortcut, survey, how)
                after = repair.scope.model if repair.repaired else model
                return result | {"found": True, "after": right(after, free), **account(repair)}
    return result | {"found": False, "after": result["before"]}


def account(repair: Repair) -> dict[str, Any]:
    """What a repair says of itself."""
    best, told = repair.tried[0], max(repair.decodable, key=lambda each: each.area.value)
    return {
        "repaired": repair.repaired,
        "way": best.way,
        "settings": best.settings,
        "told": [told.layer, *map(digits, (told.area.value, *told.area.interval))],
        "worst": [digits(repair.worst_before.value), digits(best.worst.value)],
        "all": [digits(repair.accuracy.value), digits(best.accuracy.value)],
    }


def right(model: nn.Module, free: Pictures) -> float:
    """The share of scenes that a network calls right where none has a cue."""
    absent: Bool[np.ndarray, "picture cue"] = np.zeros_like(free.present)
    called = probabilities(model.eval(), free.drawn(absent)).argmax(1)
    return digits((called == free.labels).mean())
