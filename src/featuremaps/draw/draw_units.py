"""Drawing what units, classes and directions look for: many of them in one batch, on one canvas each."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from featuremaps.draw.best_real import Known
from featuremaps.draw.choices import Size, pair
from featuremaps.draw.drawing import Drawing, Drawings
from featuremaps.draw.objective import Channel, Objective
from featuremaps.draw.options import DrawOptions, check_takes_pictures
from featuremaps.draw.parse_objective import as_objective
from featuremaps.draw.run import DrawingRun
from featuremaps.errors import OptionError, check_least
from featuremaps.layers.directions import check_directions
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.seen import Seen


def draw(
    studied: StudiedModel, wanted: Sequence[object], options: DrawOptions, *, real: Sequence[Seen] | Known = ()
) -> Drawings:
    """A drawing of each of `wanted` (see `as_objective`), with the best of `real` pictures, or what is known of them.

    Units of one depth are drawn together; each picture is what it would be if it were drawn alone. Raises
    `LayerNotFoundError`, `TargetError`, `LayoutError` and `OptionError` before anything is drawn, and `ModelError`
    for a model without a gradient, or pictures too small for it.
    """
    check_takes_pictures(studied)
    blank = studied.blank(pair(options.size))
    layers = studied.walk(blank)
    check_directions(wanted, layers, studied.model)
    objectives = [as_objective(each, layers, studied.classes) for each in wanted]
    if not objectives:
        raise OptionError("nothing was given to draw: a unit such as 'layer4:452', or the name of a class.")
    order = {layer: layers[layer].order for each in objectives for layer in each.layers}
    with studied.session() as session:
        run = DrawingRun(session, studied, blank, options)
        grounded = run.grounded(objectives)
        best = run.best_real(grounded, real)
        drawn: dict[int, list[Drawing]] = {}
        for chosen in _together(grounded, order, max(1, options.batch_size // options.variants)):
            for i, variants in zip(chosen, run.drawn([grounded[i] for i in chosen]), strict=True):
                drawn[i] = [replace(drawing, real=best[i]) for drawing in variants]
    return Drawings(tuple(each for i in range(len(grounded)) for each in drawn[i]))


def first_channels(studied: StudiedModel, layer: str, top: int, size: Size = None) -> list[Channel]:
    """The first `top` channels of a layer, or as many as it has, in pictures of this size."""
    check_least("top", top, "how many channels of a layer are drawn")
    check_takes_pictures(studied)
    layers = studied.walk(studied.blank(pair(size)))
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
