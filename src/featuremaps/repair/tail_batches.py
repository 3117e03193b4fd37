"""A copy of a model, whole or from one layer on, ready to be trained: all pictures in batches, and the parameters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from featuremaps.layers.layout import Layout
from featuremaps.models.studied_model import StudiedModel
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.progress import track
from featuremaps.running import run as run_model
from featuremaps.runtime.batches import Batch, batches
from featuremaps.runtime.recording import take
from featuremaps.session import Session, unwrapped
from featuremaps.shortcuts.responses import RUNNING
from featuremaps.survey.analysis.seen_pictures import seen_pictures
from featuremaps.survey.storage.reader import StoredSurvey
from featuremaps.tail import Tail

TailWay = Literal["auto", "replace"]
Made = TypeVar("Made")
SMALLEST_SHARE = 1e-12
"""Probabilities are not below this before their logarithm is taken."""


@dataclass(frozen=True, eq=False)
class TailBatch:
    """Some pictures, by their `rows` among all, at a layer, with the model from there on."""

    tail: Tail
    layout: Layout
    classes: ClassOutputs
    rows: Int[np.ndarray, " batch"]

    @property
    def maps(self) -> Float[Tensor, "batch channel height width"]:
        """The layer's maps of these pictures."""
        return self.layout.to_maps(self.tail.output)

    def scores(self, maps: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch output"]:
        """The class scores for such maps: logits, or the logarithms of a model's probabilities."""
        return _logits(self.classes, self.tail(self.layout.from_maps(maps, self.tail.output)), len(maps))


@dataclass(frozen=True, eq=False)
class WholeBatch:
    """Some pictures, by their `rows` among all, as the whole model receives them; `maps` are the inputs themselves."""

    model: nn.Module
    classes: ClassOutputs
    maps: Float[Tensor, "batch channel *space"]
    rows: Int[np.ndarray, " batch"]

    def scores(self, maps: Float[Tensor, "batch channel *space"]) -> Float[Tensor, "batch output"]:
        """The class scores for such inputs: logits, or the logarithms of a model's probabilities."""
        return _logits(self.classes, run_model(self.model, maps), len(maps))


def _logits(classes: ClassOutputs, outputs: Any, count: int) -> Float[Tensor, "batch output"]:
    scores, given = classes.scores(outputs, count), classes.given(outputs, count)
    if classes.known_for(given) == "probabilities":
        return scores.clamp_min(SMALLEST_SHARE).log()
    return scores


def whole_batches(
    session: Session, studied: StudiedModel, survey: StoredSurvey, rows: Int[np.ndarray, " picture"], batch_size: int
) -> list[WholeBatch]:
    """A survey's pictures, `rows` of it, in batches at random; the model runs once over each."""

    def at(batch: Batch, places: Int[np.ndarray, " place"]) -> WholeBatch:
        record = take(session, batch.inputs, classes=studied.class_outputs, gradients=False)
        inputs = record.inputs.detach().clone()
        return WholeBatch(unwrapped(session.model), record.classes, inputs, places[batch.rows])

    return _dealt(studied, survey, rows, batch_size, at)


def tail_batches(
    session: Session,
    studied: StudiedModel,
    survey: StoredSurvey,
    rows: Int[np.ndarray, " picture"],
    layer: str,
    batch_size: int,
    way: TailWay = "auto",
) -> list[TailBatch]:
    """The tails of a survey's pictures, `rows` of it, in batches at random; the model runs once over each."""
    name, _, call = layer.partition("#")

    def at(batch: Batch, places: Int[np.ndarray, " place"]) -> TailBatch:
        record = take(session, batch.inputs, [layer], classes=studied.class_outputs, gradients=False)
        tail = Tail(session.model, name, record.inputs, call=int(call) if call else None, way=way)
        return TailBatch(tail, record.layouts[layer], record.classes, places[batch.rows])

    return _dealt(studied, survey, rows, batch_size, at)


def _dealt(
    studied: StudiedModel,
    survey: StoredSurvey,
    rows: Int[np.ndarray, " picture"],
    batch_size: int,
    at: Callable[[Batch, Int[np.ndarray, " place"]], Made],
) -> list[Made]:
    """What is made of each batch of the pictures, which are dealt at random."""
    order = np.random.default_rng(0).permutation(len(rows))
    found = []
    for start in track(range(0, len(rows), batch_size), RUNNING):
        places = order[start : start + batch_size]
        seen = seen_pictures(survey, studied.preprocessing, rows[places].tolist())
        for batch in batches(seen, batch_size, RUNNING):
            with batch:
                found.append(at(batch, places))
    return found


def way_to_train(
    session: Session,
    studied: StudiedModel,
    survey: StoredSurvey,
    rows: Int[np.ndarray, " picture"],
    layer: str,
) -> TailWay:
    """The way of the tail that trains every weight after the layer.

    A graph computes once what does not depend on the pictures, weights made of other weights among it, and such are
    not reached by a gradient: where the whole model reaches more than the graph, the whole model is run.
    """
    ways: tuple[TailWay, TailWay] = ("auto", "replace")
    reached = [
        set(trained_after(session.model, tail_batches(session, studied, survey, rows[:1], layer, 1, way)))
        for way in ways
    ]
    return "auto" if reached[0] == reached[1] else "replace"


def trained_after(model: nn.Module, some: Sequence[TailBatch | WholeBatch]) -> Mapping[str, nn.Parameter]:
    """The parameters that class scores depend on after what batches hold, by name; only these keep a gradient."""
    named = {name: weight for name, weight in model.named_parameters() if weight.is_floating_point()}
    for weight in named.values():
        weight.requires_grad_(True)
    scores = some[0].scores(some[0].maps)
    reached: Sequence[Tensor | None] = [None] * len(named)
    if scores.requires_grad:
        reached = torch.autograd.grad(scores.sum(), list(named.values()), allow_unused=True)
    for weight, gradient in zip(named.values(), reached, strict=True):
        weight.requires_grad_(gradient is not None)
    return {name: weight for name, weight in named.items() if weight.requires_grad}
