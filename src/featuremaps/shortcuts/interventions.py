"""What becomes of a class where an attribute is taken out of the layer, or put into it: the model run from there on.

The picture's places are all moved alike; a class token or a register, which is no place, by its own difference.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from featuremaps.layers.layout import Layout
from featuremaps.methods.passes import Copied
from featuremaps.models.studied_model import StudiedModel
from featuremaps.runtime.batches import batches
from featuremaps.runtime.recording import take
from featuremaps.shortcuts.responses import RUNNING, Responses
from featuremaps.shortcuts.strata import effects
from featuremaps.survey.analysis.seen_pictures import seen_pictures
from featuremaps.survey.storage.reader import StoredSurvey
from featuremaps.tail import Tail


@dataclass(frozen=True, eq=False)
class Shifts:
    """Shifts to try in the same pictures, `places` among the responses, for the same class.

    The first of a shift's columns is for the picture's places, the others are for the tokens beside them, in order.
    """

    places: Int[np.ndarray, " picture"]
    number: int
    shifts: Float[np.ndarray, "shift channel column"]


def shifts_of(
    given: Responses, present: Bool[np.ndarray, " picture"], controls: int, generator: np.random.Generator
) -> Float[np.ndarray, "shift channel column"]:
    """No shift, how the layer differs with an attribute and without, within labels, and random ones as long."""
    columns = given.means[given.layer][:, :, None]
    if given.tokens is not None:
        columns = np.concatenate([columns, given.tokens], 2)
    shift = np.nan_to_num(effects(columns, present[:, None], given.labels)[0][0])
    beside = generator.standard_normal((controls, *shift.shape))
    beside *= np.linalg.norm(shift, axis=0) / np.linalg.norm(beside, axis=1, keepdims=True)
    every: Float[np.ndarray, "shift channel column"] = np.concatenate([np.zeros_like(shift)[None], shift[None], beside])
    return every.astype(np.float32)


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
    tail: Tail, layout: Layout, read: object, shifts: Float[np.ndarray, "shift channel column"], pictures: int
) -> Float[Tensor, "picture shift output"]:
    """The probabilities of all outputs after each shift, for every picture of the tail."""
    whole = layout.whole
    maps = whole.to_maps(tail.output)
    moves = torch.from_numpy(shifts).to(maps)
    if shifts.shape[2] > 1:
        before, after = moves[:, :, 1 : 1 + layout.prefix], moves[:, :, 1 + layout.prefix :]
        moves = torch.cat([before, moves[:, :, :1].expand(-1, -1, math.prod(layout.grid)), after], 2)
    assert callable(read)

    def run(edited: Tensor) -> Tensor:
        outputs = tail(whole.from_maps(edited, tail.output).to(tail.output.dtype))
        return read(outputs, len(edited))

    parts = []
    for each in moves[:, :, None].split(8):
        moved = maps[:, None] + each[None]
        parts.append(Copied(run, pictures)(moved.flatten(0, 1)).unflatten(0, (pictures, -1)))
    return torch.cat(parts, 1)
