"""A survey's pictures as the model sees them, and the maps of units over them."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.draw.drawing import Real
from featuremaps.errors import ImageError
from featuremaps.layers import Layers
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.load import Pictures
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.pictures.seen import Seen, see
from featuremaps.runtime.batches import batches
from featuremaps.runtime.recording import take
from featuremaps.survey.storage.reader import StoredSurvey


def seen_pictures(survey: StoredSurvey, preprocessing: Preprocessing, rows: Sequence[int]) -> tuple[Seen, ...]:
    """What the model sees of some of a survey's pictures."""
    pictures = (replace(survey.example(row), name=survey.pictures.names[row]) for row in rows)
    return see(Pictures(tuple(pictures)), preprocessing).seen


def layers_of(studied: StudiedModel, survey: StoredSurvey) -> Layers:
    """The model's layers, found by running it on the survey's first picture."""
    (first,) = seen_pictures(survey, studied.preprocessing, [0])
    return studied.walk(first.input[None])


def maps_of_units(
    studied: StudiedModel, layer: str, seen: Sequence[Seen], wanted: Sequence[Sequence[int]]
) -> dict[tuple[int, int], Float[Tensor, "*_space"]]:
    """The maps of the `wanted` channels of each picture, by (picture, channel): each picture runs once."""
    unit_maps: dict[tuple[int, int], Tensor] = {}
    with studied.session() as session:
        for batch in batches(seen, 16, f"maps of {layer}"):
            with batch:
                maps = take(session, batch.inputs, [layer], gradients=False, stop_early=True).spatial(layer)
                for picture, of_picture in zip(batch.rows, maps, strict=True):
                    channels = torch.tensor(list(wanted[picture]), device=maps.device)
                    chosen = of_picture[channels].float().cpu()
                    unit_maps |= {(picture, channel): chosen[i] for i, channel in enumerate(channels.tolist())}
    return unit_maps


def best_picture(survey: StoredSurvey, preprocessing: Preprocessing, layer: str, channel: int) -> Real | None:
    """The best picture that a survey knows of a channel, by the mean of its map; None where the layer is not in it."""
    if layer not in survey.layers:
        return None
    survey.check_of_pictures("the best real picture of a channel")
    best = survey.top(f"{layer}:{channel}", 1, by="mean")[0]
    names = survey.pictures.names
    try:
        (seen,) = seen_pictures(survey, preprocessing, [best.row])
    except ImageError:  # the value is known all the same
        return Real(best.value, names[best.row], len(names), None)
    return Real(best.value, names[best.row], len(names), seen)
