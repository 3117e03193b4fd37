"""What the demo's networks rest on that is not the thing, and whether that can be taken out: measured, then told."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from featuremaps.demo.drawn import LEARNED_NAME, PHOTOGRAPHS, PLAIN
from featuremaps.errors import FeatureMapsError
from featuremaps.repair.repair import Repair
from featuremaps.report.data import FailedSection, Section
from featuremaps.report.shortcuts import ShortcutsSection
from featuremaps.scope import Scope
from featuremaps.shortcuts.shortcuts import Shortcuts
from featuremaps.survey.measures.proportions import Rate
from featuremaps.survey.survey import Survey

LABEL = "scissors"
AGREES = 0.9
"""What is found is the ground where it tells so many of the pictures apart as the ground does."""


@dataclass(frozen=True, eq=False)
class Suspicion:
    """What a search on pictures like those a network learned from gave, and the repair on balanced ones.

    `failure` says why either is missing; `ground` is the share of pictures in which the first finding is plain ground.
    """

    model: str
    found: Shortcuts | None = None
    repair: Repair | None = None
    ground: float = 0.0
    failure: str = ""

    @property
    def title(self) -> str:
        """The title of its section."""
        return f"{self.model}: what its answers rest on"

    @property
    def by_ground(self) -> bool:
        """Whether the answer rests on plain ground."""
        return self.ground >= AGREES

    def section(self) -> Section:
        """Pictures, proof and repair; or why they are missing."""
        if self.found is None:
            return FailedSection(self.title, self.failure, ShortcutsSection.question)
        return ShortcutsSection(self.found, self.repair, title=self.title)

    def sentences(self) -> tuple[str, ...]:
        """The first finding and the repair in words."""
        if self.found is None:
            return ()
        repair = () if self.repair is None else (f"{self.model}: {self.repair.sentence}",)
        return (f"{self.model}: {self.found.sentence}", *repair)


def suspicion(model: str, scope: Scope, worlds: Mapping[str, Survey]) -> Suspicion:
    """Search pictures like those `demo` learned from, and repair what is found where the ground says nothing."""
    found, repair, ground = None, None, 0.0
    try:
        found = scope.find_shortcuts(worlds[LEARNED_NAME])
        first = next((each for each in found if each.label == LABEL), None)
        if first is not None:
            ground = float((first.attribute.present == plain_in(worlds[LEARNED_NAME])[first.rows]).mean())
            repair = scope.repaired(first, worlds[PHOTOGRAPHS])
    except FeatureMapsError as error:
        return Suspicion(model, found, repair, ground, str(error))
    return Suspicion(model, found, repair, ground)


def plain_in(survey: Survey) -> Bool[np.ndarray, " picture"]:
    """Which pictures of the bundled world show plain ground: it is in their names."""
    return np.array([Path(name).name.startswith(PLAIN) for name in survey.pictures.names])


def strangers_called(survey: Survey) -> Rate:
    """Of things that are neither scissors nor hammer and lie on plain ground, those that the model calls `LABEL`."""
    predictions, classes, outputs = survey.predictions(), survey.classes or (), survey.model_classes or ()
    assert predictions is not None
    strangers = plain_in(survey) & (survey.pictures.labels == classes.index("neither"))
    return Rate(int((predictions.indices[strangers] == outputs.index(LABEL)).sum()), int(strangers.sum()))
