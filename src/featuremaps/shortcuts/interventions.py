"""What becomes of a class where an attribute is taken out of the layer, or put into it: the model run from there on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from featuremaps.layers.layout import Layout
from featuremaps.methods.passes import Copied
from featuremaps.models.studied_model import StudiedModel
from featuremaps.runtime.batches import batches
from featuremaps.runtime.recording import take
from featuremaps.shortcuts.responses import RUNNING, Responses
from featuremaps.survey.analysis.seen_pictures import seen_pictures
from featuremaps.survey.storage.reader import StoredSurvey
from featuremaps.tail import Tail


@dataclass(frozen=True, eq=False)
class Shifts:
    """Shifts (shift, channel) to try in the same pictures, `places` among the responses, for the same class."""

    places: Int[np.ndarray, " picture"]
    number: int
    shifts: Float[np.ndarray, "shift channel"]


def shifted(
    studied: StudiedModel, survey: StoredSurvey, given: Responses, trials: Sequence[Shifts], batch_size: int
) -> list[Float[np.ndarray, "picture shift"]]:
    """For each trial the class's probability where every place of the layer is moved by a shift, column by column.

    Each picture runs once, for all trials that it is in.
    """
    results = [np.full((len(trial.places), len(trial.shifts)), np.nan) for trial in trials]
    wanted = np.unique(np.concatenate([trial.places for trial in trials])) if trials else np.array([], int)
    with studied.session() as session:
        for start in range(0, len(wanted), batch_size):
            places = wanted[start : start + batch_size]
            seen = seen_pictures(survey, studied.preprocessing, given.rows[places].tolist())
            for batch in batches(seen, batch_size, RUNNING):
                with batch, torch.no_grad():
                    record = take(session, batch.inputs, [given.layer], classes=studied.class_outputs, gradients=False)
                    layer, _, call = given.layer.partition("#")
                    tail = Tail(session.model, layer, record.inputs, call=int(call) if call else None)
                    layout = record.layouts[given.layer]
                    here = places[batch.rows]
                    for trial, result in zip(trials, results, strict=True):
                        inside = np.isin(here, trial.places)
                        if inside.any():
                            shares = _shares(tail, layout, record.classes.probabilities, trial.shifts, len(here))
                            columns = shares[:, :, given.outputs[trial.number]].cpu().numpy()
                            result[np.searchsorted(trial.places, here[inside])] = columns[inside]
    return results


def _shares(
    tail: Tail, layout: Layout, read: object, shifts: Float[np.ndarray, "shift channel"], pictures: int
) -> Float[Tensor, "picture shift output"]:
    """The probabilities of all outputs after each shift, for every picture of the tail."""
    maps = layout.to_maps(tail.output)
    assert callable(read)

    def run(edited: Tensor) -> Tensor:
        outputs = tail(layout.from_maps(edited, tail.output).to(tail.output.dtype))
        shares: Tensor = read(outputs, len(edited))
        return shares

    parts = []
    for each in torch.from_numpy(shifts).to(maps).split(8):
        moved = maps[:, None] + each[None, :, :, None, None]
        parts.append(Copied(run, pictures)(moved.flatten(0, 1)).unflatten(0, (pictures, -1)))
    return torch.cat(parts, 1)
