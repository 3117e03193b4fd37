"""What a unit's page says of every channel of a layer, all channels at once: class profile, neighbours, maps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from featuremaps.pictures.load import Picture
from featuremaps.pictures.seen import Seen
from featuremaps.runtime.batches import batches
from featuremaps.runtime.record import take
from featuremaps.runtime.studied_model import StudiedModel
from featuremaps.session import preserved
from featuremaps.survey.storage.reader import StoredSurvey


@dataclass(frozen=True, eq=False)
class LayerFacts:
    """Means per class (NaN without pictures), and for each channel those that rise and fall with it most."""

    profile: Float[np.ndarray, "class channel"]
    nearest: Int[np.ndarray, "channel near"]
    correlations: Float[np.ndarray, "channel near"]


def layer_facts(survey: StoredSurvey, layer: str, near: int = 6) -> LayerFacts:
    """One streaming pass over the means of a layer; a channel that never changes has correlations NaN."""
    channels, labels = survey.layers[layer].channels, survey.pictures.labels
    classes = len(survey.classes or ())
    sums, counts = np.zeros((classes, channels)), np.bincount(labels[labels >= 0], minlength=classes)[:classes]
    total, products, pictures = np.zeros(channels), np.zeros((channels, channels)), 0
    for rows, block in survey.blocks(layer, "mean"):
        values, own = block.astype(np.float64), labels[rows]
        total += values.sum(0)
        products += values.T @ values
        pictures += len(values)
        for label in np.unique(own[own >= 0]).tolist():
            sums[label] += values[own == label].sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        profile = sums / counts[:, None]
        covariance = products / pictures - np.outer(total / pictures, total / pictures)
        spread = np.sqrt(np.maximum(covariance.diagonal(), 0))
        # What is left of a constant channel is rounding: relative to its mean, not to nothing.
        spread = np.where(spread > 1e-6 * np.abs(total / pictures) + 1e-12, spread, np.nan)
        correlations = np.clip(covariance / np.outer(spread, spread), -1, 1)
    np.fill_diagonal(correlations, np.nan)
    ranked = np.where(np.isnan(correlations), -2.0, correlations)
    nearest = np.argsort(-ranked, 1, kind="stable")[:, : min(near, channels - 1)]
    return LayerFacts(profile, nearest, np.take_along_axis(correlations, nearest, 1))


def seen_pictures(survey: StoredSurvey, studied: StudiedModel, rows: Sequence[int]) -> list[Seen]:
    """What the model sees of some of a survey's pictures."""
    prepare = studied.preprocessing
    pictures = (Picture(survey.pictures.names[row], survey.picture(row)) for row in rows)
    return [Seen(picture, prepare(picture), prepare) for picture in pictures]


def maps_of_units(
    studied: StudiedModel, layer: str, seen: Sequence[Seen], wanted: Sequence[Sequence[int]]
) -> dict[tuple[int, int], Float[Tensor, "height width"]]:
    """The maps of the `wanted` channels of each picture, by (picture, channel): each picture runs once."""
    unit_maps: dict[tuple[int, int], Tensor] = {}
    with preserved(studied.model) as session:
        for batch in batches([picture.input for picture in seen], 16, f"maps of {layer}"):
            with batch:
                maps = take(session, batch.inputs, [layer], gradients=False, stop_early=True).activations[layer]
                for picture, of_picture in zip(batch.rows, maps, strict=True):
                    channels = torch.tensor(list(wanted[picture]), device=maps.device)
                    chosen = of_picture[channels].float().cpu()
                    unit_maps |= {(picture, channel): chosen[i] for i, channel in enumerate(channels.tolist())}
    return unit_maps
