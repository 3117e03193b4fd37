"""What a repair brings in a world whose shortcut is known, beside a network that learned the same scenes without it."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from benchmarks.worlds.judged import Result, agrees
from benchmarks.worlds.networks import CACHE, as_inputs, probabilities, trained
from benchmarks.worlds.scenes import LABELS
from benchmarks.worlds.search import SEARCHED, Labelled, digits, finding, surveyed
from benchmarks.worlds.world import FRESH, Pictures, World, pictures
from featuremaps.repair.decodable import REPAIRABLE
from featuremaps.repair.heads import fitted
from featuremaps.repair.options import How
from featuremaps.repair.repair import Repair
from featuremaps.repair.ways import PENALTIES

FREE, TAUGHT = 20_000, 30_000
"""Added to a world's seed for scenes, all without the shortcut: to judge on, and for the best last layer."""


def repaired(world: World, count: int = SEARCHED, cache: Path = CACHE, how: How = "auto") -> dict[str, Any]:
    """The network, the repaired one and its twin on fresh pictures without the shortcut, as plain numbers."""
    model, twin = trained(world, cache), trained(world, cache, bare=True)
    shown = pictures(world, count, world.seed + FRESH)
    free = pictures(world, count, world.seed + FREE)
    result = {"twin": right(twin, free), "before": right(model, free), "head": best_head(world, model, free)}
    with surveyed(model, Labelled(as_inputs(shown.drawn()), shown.labels, LABELS)) as (scope, survey):
        for shortcut in scope.find_shortcuts(survey):
            told = finding(shortcut, shown.present, LABELS)
            if agrees(told, world.cues[0].label):
                repair = scope.repaired(shortcut, survey, how)
                after = repair.scope.model if repair.repaired else model
                return result | {"found": True, "after": right(after, free), **account(repair)}
    return result | {"found": False, "after": result["before"]}


def decodable(result: Result) -> bool:
    """Whether a probe tells the class where the shortcut is not; nobody asked where none was found."""
    return result["found"] and result["told"][1] >= REPAIRABLE


def closed(result: Result) -> float:
    """The share of the gap between the network and its twin that is closed."""
    return float((result["after"] - result["before"]) / max(result["twin"] - result["before"], 1e-9))


def account(repair: Repair) -> dict[str, Any]:
    """What a repair says of itself."""
    best, told = repair.tried[0], repair.told
    assert told is not None
    return {
        "repaired": repair.repaired,
        "way": best.way,
        "settings": best.settings,
        "told": [told.layer, *map(digits, (told.area.value, *told.area.interval))],
        "worst": [digits(repair.worst_before.value), digits(best.worst.value)],
        "all": [digits(repair.accuracy.value), digits(best.accuracy.value)],
    }


def best_head(world: World, model: nn.Sequential, free: Pictures) -> float:
    """What no way that trains the last layer alone can do better: trained on scenes that all lack the shortcut.

    As many of them as the network learned from, the penalty being the best for the scenes that it is judged on.
    """
    taught, found = pictures(world, world.count, world.seed + TAUGHT), []
    known, asked = (_features(model, each) for each in (taught, free))
    labels, head = torch.from_numpy(taught.labels), model[-1]
    for penalty in PENALTIES:
        weight, bias = fitted(known, labels, torch.ones(len(labels)), head.weight.detach(), head.bias.detach(), penalty)
        found.append(((asked @ weight.T + bias).argmax(1).numpy() == free.labels).mean())
    return digits(max(found))


@torch.no_grad()
def _features(model: nn.Sequential, shown: Pictures) -> Float[Tensor, "picture feature"]:
    """What the last layer receives of scenes without any cue."""
    drawn = as_inputs(shown.drawn(np.zeros_like(shown.present)))
    return torch.cat([model[:-1](part) for part in drawn.split(256)])


def right(model: nn.Module, free: Pictures) -> float:
    """The share of scenes that a network calls right where none has a cue."""
    absent: Bool[np.ndarray, "picture cue"] = np.zeros_like(free.present)
    called = probabilities(model.eval(), free.drawn(absent)).argmax(1)
    return digits((called == free.labels).mean())
