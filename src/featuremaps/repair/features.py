"""What a repair works with: features before the last layer, the answers with edits of a layer, and the groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from featuremaps.editing.edits import Removal
from featuremaps.errors import ModelError
from featuremaps.methods.passes import Copied
from featuremaps.models.studied_model import StudiedModel
from featuremaps.progress import track
from featuremaps.running import run as run_model
from featuremaps.runtime.batches import batches
from featuremaps.runtime.recording import take
from featuremaps.session import Session
from featuremaps.shortcuts.responses import RUNNING
from featuremaps.survey.analysis.seen_pictures import seen_pictures
from featuremaps.survey.storage.reader import StoredSurvey
from featuremaps.tail import Tail

AXES = (0, 1, 0)
"""Along which features, probabilities and means have their pictures."""


@dataclass(frozen=True, eq=False)
class Head:
    """A model's last layer: its name, and its weights, by which features become the class scores."""

    name: str
    weight: Float[Tensor, "output feature"]
    bias: Float[Tensor, " output"]


@dataclass(frozen=True, eq=False)
class Worked:
    """Pictures as the last layer receives them, `features`, and the probabilities of all outputs with each edit.

    `means` are the edited layer's own. The first edit is none.
    """

    features: Float[Tensor, "picture feature"]
    probabilities: Float[Tensor, "edit picture output"]
    means: Float[np.ndarray, "picture channel"]


def head_of(session: Session, inputs: Tensor) -> Head:
    """The last layer; `ModelError` where the class scores are not what a linear layer gives."""
    last: list[tuple[str, Tensor]] = []
    with session.one_pass() as hooks:
        for name, module in session.model.named_modules():
            if isinstance(module, nn.Linear):
                hooks.on_forward(module, partial(_note, last, name))
        outputs = run_model(session.model, inputs)
    scores = outputs if isinstance(outputs, Tensor) else getattr(outputs, "logits", None)
    if not last or scores is None or last[-1][1].shape != scores.shape or not torch.equal(last[-1][1], scores):
        raise ModelError(
            f"the class scores of {type(session.model).__name__} are not the output of a linear layer, so that no last "
            "layer can be trained anew. how='projection' and how='channels' change a layer inside instead."
        )
    module = session.model.get_submodule(last[-1][0])
    assert isinstance(module, nn.Linear)
    bias = torch.zeros(len(module.weight)) if module.bias is None else module.bias
    return Head(last[-1][0], module.weight.detach().float().cpu().clone(), bias.detach().float().cpu().clone())


def worked(
    studied: StudiedModel,
    survey: StoredSurvey,
    rows: Int[np.ndarray, " picture"],
    layer: str,
    edits: Sequence[Removal],
    head: str | None,
    batch_size: int,
) -> Worked:
    """Run the pictures once: the features that the layer called `head` receives, and the answers with each edit."""
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    with studied.session() as session:
        for start in track(range(0, len(rows), batch_size), RUNNING):
            part = rows[start : start + batch_size]
            seen = seen_pictures(survey, studied.preprocessing, part.tolist())
            order: list[int] = []
            found: list[tuple[Tensor, Tensor, Tensor]] = []
            for batch in batches(seen, batch_size, RUNNING):
                with batch, torch.no_grad():
                    found.append(_run(session, studied, batch.inputs, layer, edits, head))
                    order += batch.rows
            back = torch.from_numpy(np.argsort(order))
            features, shares, means = (torch.cat([each[i] for each in found], AXES[i]) for i in range(3))
            parts.append((features[back], shares[:, back], means[back]))
    features, shares, means = (torch.cat([each[i] for each in parts], AXES[i]) for i in range(3))
    return Worked(features, shares, means.numpy())


def _run(
    session: Session,
    studied: StudiedModel,
    inputs: Tensor,
    layer: str,
    edits: Sequence[Removal],
    head: str | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Features, probabilities (edit, picture, output) and the layer's means of a batch."""
    received: list[tuple[str, Tensor]] = []
    with session.one_pass() as hooks:
        if head is not None:
            hooks.on_forward(session.model.get_submodule(head), partial(_received, received))
        record = take(session, inputs, [layer], classes=studied.class_outputs, gradients=False)
    name, _, call = layer.partition("#")
    maps = record.activations[layer]
    parts = [record.classes.probabilities(record.outputs, len(inputs))[None]]
    if edits:
        tail = Tail(session.model, name, record.inputs, call=int(call) if call else None)
        layout = record.layouts[layer]

        def run(edited: Tensor) -> Tensor:
            outputs = tail(layout.from_maps(edited, tail.output).to(tail.output.dtype))
            return record.classes.probabilities(outputs, len(edited))

        for edit in edits:
            parts.append(Copied(run, len(inputs))(edit(maps, 1))[None])
    features = received[-1][1].flatten(1) if received else maps.mean((2, 3))
    return features.float().cpu(), torch.cat(parts).float().cpu(), maps.mean((2, 3)).float().cpu()


def _note(last: list[tuple[str, Tensor]], name: str, module: nn.Module, arguments: Any, output: Any) -> None:
    last.append((name, output.detach()))


def _received(received: list[tuple[str, Tensor]], module: nn.Module, arguments: Any, output: Any) -> None:
    received.append(("", arguments[0].detach()))
