"""What a search says of a world, beside what its counter-pictures say."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from torch import Tensor, nn
from torch.utils.data import Dataset

import featuremaps as fm
from benchmarks.worlds.networks import CACHE, as_inputs, probabilities, trained
from benchmarks.worlds.scenes import LABELS
from benchmarks.worlds.world import FRESH, Cue, Pictures, World, pictures
from featuremaps.shortcuts.estimates import Difference
from featuremaps.shortcuts.shortcut import Intervention, Shortcut
from featuremaps.shortcuts.shortcuts import Shortcuts
from featuremaps.survey.survey import Survey

SEARCHED = 300
"""Pictures of each class."""


@dataclass
class Labelled(Dataset[tuple[Tensor, int]]):
    """Inputs with their labels, as a survey takes them."""

    inputs: Tensor
    labels: Int[np.ndarray, " picture"]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.inputs[index], int(self.labels[index])


def searched(world: World, count: int = SEARCHED, cache: Path = CACHE) -> dict[str, Any]:
    """The findings in fresh pictures of a world, with its truth, as plain numbers."""
    model, fresh = trained(world, cache), pictures(world, count, world.seed + FRESH)
    started = time.perf_counter()
    shortcuts = search(model, Labelled(as_inputs(fresh.drawn()), fresh.labels, LABELS))
    seconds = time.perf_counter() - started
    right = probabilities(model, fresh.drawn()).argmax(1) == fresh.labels
    return {
        "classes": list(LABELS),
        "accuracy": digits(right.mean()),
        "cues": [cue_truth(model, fresh, place, cue) for place, cue in enumerate(world.cues)],
        **told(shortcuts, fresh.present),
        "seconds": digits(seconds),
    }


@contextmanager
def surveyed(model: nn.Module, shown: Labelled) -> Iterator[tuple[fm.Scope, Survey]]:
    """A survey of the pictures, as a user makes it, for as long as it is needed."""
    scope = fm.Scope(model, classes=list(shown.classes), outputs="logits")
    with tempfile.TemporaryDirectory() as folder:
        yield scope, scope.survey(shown, "last", Path(folder) / "survey", workers=0)


def search(model: nn.Module, shown: Labelled) -> Shortcuts:
    """A survey of the pictures and a search in it."""
    with surveyed(model, shown) as (scope, survey):
        return scope.find_shortcuts(survey)


def cue_truth(model: nn.Module, fresh: Pictures, place: int, cue: Cue) -> dict[str, Any]:
    """How much a cue changes the probability of its class: the same scenes with it and without it."""
    shares = [probabilities(model, fresh.with_cue(place, there)) for there in (True, False)]
    return {"name": cue.name, "label": cue.label, "planted": cue.planted, **truth(*shares, fresh.labels, cue.label)}


def truth(having: np.ndarray, lacking: np.ndarray, labels: Int[np.ndarray, " picture"], label: int) -> dict[str, float]:
    """The mean change of the class's probability in its `own` pictures and in the `others`."""
    change = having[:, label] - lacking[:, label]
    return {"own": digits(change[labels == label].mean()), "others": digits(change[labels != label].mean())}


def told(shortcuts: Shortcuts, present: Bool[np.ndarray, "picture cue"]) -> dict[str, Any]:
    """What a search says, its findings beside the cues that the pictures have."""
    drops = [each.drop for each in shortcuts.power if each.share == 0.25]
    return {
        "findings": [finding(each, present, shortcuts.classes) for each in shortcuts],
        "unproven": [finding(each, present, shortcuts.classes) for each in shortcuts.unproven],
        "tried": shortcuts.tried,
        "power": None if None in drops else max(drop for drop in drops if drop is not None),
    }


def finding(shortcut: Shortcut, present: Bool[np.ndarray, "picture cue"], classes: tuple[str, ...]) -> dict[str, Any]:
    """One finding as plain numbers; `agreement` and `phi` with each cue."""
    has = shortcut.attribute.present
    return {
        "label": classes.index(shortcut.label),
        "told by": shortcut.attribute.name,
        "agreement": [digits((has == cue).mean()) for cue in present.T],
        "phi": [digits(phi(has, cue)) for cue in present.T],
        "effect": "own" if shortcut.effect is shortcut.own else "others",
        "own": _difference(shortcut.own),
        "others": _difference(shortcut.others),
        "taken out": _intervention(shortcut.taken_out),
        "put in": _intervention(shortcut.put_in),
    }


def phi(first: Bool[np.ndarray, " picture"], second: Bool[np.ndarray, " picture"]) -> float:
    """How far two ways to tell pictures apart agree: 0 by chance, and where one of them tells none apart."""
    if first.std() == 0 or second.std() == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def digits(value: float) -> float:
    """Four digits of a number."""
    return float(f"{value:.4g}")


def _difference(difference: Difference | None) -> list[float] | None:
    return None if difference is None else [digits(difference.value), *map(digits, difference.interval)]


def _intervention(trial: Intervention | None) -> list[float] | None:
    return None if trial is None else [digits(each) for each in (trial.before, trial.after, trial.control)]
