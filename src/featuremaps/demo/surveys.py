"""The demo's surveys: its models over both domains of their world, and over pictures like those they learned from."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from featuremaps.demo.drawn import COUNT, LEARNED_NAME, PHOTOGRAPHS, PLAIN, XRAYS, draw, place_of, worlds_in
from featuremaps.errors import SurveyError
from featuremaps.scope import Scope
from featuremaps.survey.analysis.channel_sums import Sums, sums
from featuremaps.survey.analysis.model_comparison import ModelComparison, compare_models
from featuremaps.survey.survey import Survey

WORLDS = {
    "demo": (PHOTOGRAPHS, XRAYS, LEARNED_NAME),
    "demo-fixed": (PHOTOGRAPHS, XRAYS),
    "demo-leaning": (PHOTOGRAPHS, LEARNED_NAME),
}
"""Over which worlds each model is surveyed."""


@dataclass(frozen=True, eq=False)
class WorldSurveys:
    """Surveys by model and world.

    In `PHOTOGRAPHS` and `XRAYS` the background says nothing of the label; in `LEARNED_NAME` it says nearly everything,
    as where `demo` learned.
    """

    surveys: Mapping[str, Mapping[str, Survey]]

    @cached_property
    def learned(self) -> Mapping[str, tuple[int, ...]]:
        """For each class the channels of `demo` that separate it in pictures like those it learned from."""
        return self.surveys["demo"][LEARNED_NAME].separation().channels()

    @cached_property
    def carried(self) -> Sums:
        """Those channels' sums in photographs where the background says nothing."""
        return sums(
            self.surveys["demo"][PHOTOGRAPHS], {name: channels for name, channels in self.learned.items() if channels}
        )

    @cached_property
    def plain(self) -> np.ndarray:
        """Which of those photographs show plain ground."""
        names = self.surveys["demo"][PHOTOGRAPHS].pictures.names
        return np.array([Path(name).name.startswith(PLAIN) for name in names])

    @cached_property
    def comparison(self) -> ModelComparison:
        """Both models on the same photographs, carried to the same X-rays."""
        both = {name: worlds for name, worlds in self.surveys.items() if XRAYS in worlds}
        return compare_models({name: (worlds[PHOTOGRAPHS], worlds[XRAYS]) for name, worlds in both.items()})


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch in one thread: the bundled networks are so small that more cost time, above all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def survey_world(scopes: Mapping[str, Scope], folder: Path, count: int = COUNT) -> WorldSurveys:
    """Draw the world into `folder/world`, and survey it into `folder/surveys`.

    There are `count` scenes of each label on each ground, half as many X-rays. What is there already is not made again,
    unless it is of something else.
    """
    draw(worlds_in(folder, count))
    surveys: dict[str, dict[str, Survey]] = {}
    for model, scope in scopes.items():
        for world in WORLDS[model]:
            place = place_of(folder, world)
            out = folder / "surveys" / f"{model}-{place.name}"
            surveys.setdefault(model, {})[world] = _surveyed(scope, place, out)
    return WorldSurveys(surveys)


def _surveyed(scope: Scope, place: Path, out: Path) -> Survey:
    layer = scope.layers().last
    try:
        return scope.survey(place, layer, out, workers=0, predictions=True)
    except SurveyError:
        # A survey left by another version of the demo: it is the demo's own, and made again in a second.
        shutil.rmtree(out)
        return scope.survey(place, layer, out, workers=0, predictions=True)
