"""Pictures of the group that fared worst, explained by the same map in both models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from featuremaps.explain.compare import compare
from featuremaps.explain.options import ExplainOptions
from featuremaps.explain.request import request_for
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.seen import Seen
from featuremaps.repair.groups import FEWEST
from featuremaps.results.heatmaps import Heatmaps
from featuremaps.survey.measures.proportions import Rate

SHOWN = 4


@dataclass(frozen=True, eq=False)
class ExplainedChange:
    """A few pictures of a `group`, at random: `rows` of the survey, and where they speak for their class `label`.

    `before` and `after` are Grad-CAM of the same layer and target in both models, `called` what each model answers.
    """

    group: str
    label: str
    rows: tuple[int, ...]
    before: Heatmaps
    after: Heatmaps
    called: tuple[tuple[str, str], ...]


def worst_group(rates: Mapping[str, Rate]) -> str:
    """The name of the group that the smallest share of is called right; one of few pictures if there is no larger."""
    large = {name: rate for name, rate in rates.items() if rate.of >= FEWEST} or rates
    return min(large, key=lambda name: large[name].value)


def some_of(of_group: Bool[np.ndarray, " picture"], seed: int) -> Int[np.ndarray, " some"]:
    """The places of a few pictures of a group, at random."""
    places = np.flatnonzero(of_group)
    return np.sort(np.random.default_rng(seed).permutation(places)[:SHOWN])


def maps_of(studied: StudiedModel, seen: Sequence[Seen], layer: str, output: int) -> Heatmaps | None:
    """Grad-CAM of pictures for one output; None where this model and layer have none, or these are no pictures."""
    if any(len(each.space) != 2 for each in seen):
        return None
    inputs = seen[0].input[None]
    request = request_for(studied, inputs, "grad_cam", layer, [output], ExplainOptions(), keep_failures=True)
    found = list(compare(studied.model, seen, request).values())
    return found[0] if found and isinstance(found[0], Heatmaps) else None
