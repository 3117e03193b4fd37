"""Drawing what units, classes and directions look for: many of them in one batch, on one canvas each."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from featuremaps.anatomy import Anatomy
from featuremaps.draw.drawing import Drawing, Drawings
from featuremaps.draw.manner import Manner
from featuremaps.draw.objective import Channel, Objective
from featuremaps.draw.parsing import as_objective
from featuremaps.draw.real import Surveyed
from featuremaps.draw.studio import Studio
from featuremaps.errors import OptionError
from featuremaps.outputs import Classes
from featuremaps.sight import Seen
from featuremaps.state import preserved


def draw(
    anatomy: Anatomy,
    wanted: Sequence[object],
    manner: Manner,
    *,
    classes: Classes = None,
    real: Sequence[Seen] | Surveyed = (),
) -> Drawings:
    """A drawing of each of `wanted` (see `as_objective`), `manner.variants` of each, with the best of
    `real` pictures, or of those that a survey knows.

    Units of one depth are drawn together; each picture is what it would be if it were drawn alone. Raises
    `LayerNotFoundError`, `TargetError`, `LayoutError` and `OptionError` before anything is drawn, and `ModelError`
    for a model without a gradient, or pictures too small for it.
    """
    blank = anatomy.blank()
    layers = anatomy.walk(blank)
    objectives = [as_objective(each, layers, classes) for each in wanted]
    if not objectives:
        raise OptionError("nothing was given to draw: a unit such as 'layer4:452', or the name of a class.")
    order = {layer: layers[layer].order for each in objectives for layer in each.layers}
    with preserved(anatomy.model) as session:
        studio = Studio(session, anatomy, blank, manner, classes)
        grounded = studio.grounded(objectives)
        best = studio.best_real(grounded, real)
        drawn: dict[int, list[Drawing]] = {}
        for chosen in _together(grounded, order, max(1, manner.batch_size // manner.variants)):
            for i, found in zip(chosen, studio.drawn([grounded[i] for i in chosen]), strict=True):
                drawn[i] = [replace(each, real=best[i]) for each in found]
    return Drawings(tuple(each for i in range(len(grounded)) for each in drawn[i]))


def first_channels(anatomy: Anatomy, layer: str, top: int) -> list[Channel]:
    """The first `top` channels of a layer, or as many as it has."""
    if top < 1:
        raise OptionError(f"top is how many channels of a layer are drawn, 1 or more; got {top}.")
    layers = anatomy.walk(anatomy.blank())
    return [
        Channel(name, channel)
        for name in layers.resolve(layer)
        for channel in range(min(top, layers[name].channels or 0))
    ]


def _together(objectives: Sequence[Objective], order: Mapping[str, int], most: int) -> Iterator[list[int]]:
    """Which objectives are drawn together: those that need the model up to the same layer, at most so many."""
    groups: dict[float, list[int]] = {}
    for i, each in enumerate(objectives):
        depth = math.inf if each.outputs else max(order[layer] for layer in each.layers)
        groups.setdefault(depth, []).append(i)
    for group in groups.values():
        for start in range(0, len(group), most):
            yield group[start : start + most]
