"""What every channel of a layer is worth to the answers: taken out alone, over a survey's pictures, by the tail."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from featuremaps.errors import OptionError
from featuremaps.layers.layout import Layout
from featuremaps.models.studied_model import StudiedModel
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.progress import track
from featuremaps.runtime.batches import batches
from featuremaps.runtime.recording import take
from featuremaps.session import Session
from featuremaps.shortcuts.options import ShortcutOptions
from featuremaps.shortcuts.responses import AT_ONCE, RUNNING, chosen
from featuremaps.survey.analysis.seen_pictures import seen_pictures
from featuremaps.survey.storage.reader import StoredSurvey
from featuremaps.tail import Tail, Without

if TYPE_CHECKING:
    import pyarrow as pa

ELEMENTS = 2**23
"""So many values of edited maps are held at once."""


@dataclass(frozen=True, eq=False)
class ChannelEffects:
    """How the classes' mean probabilities change where one channel of a `layer` is held at 0.

    `changes[label, channel, class]` is over the pictures of a label, `pictures` says how many there are, and `notes`
    what was left out. A channel that a class rests on has a negative change for it.
    """

    layer: str
    classes: tuple[str, ...]
    changes: Float[np.ndarray, "label channel class"]
    pictures: Int[np.ndarray, " label"]
    notes: tuple[str, ...] = ()

    @property
    def overall(self) -> Float[np.ndarray, "channel class"]:
        """The changes over all pictures."""
        return np.average(self.changes, 0, self.pictures)

    def own(self, label: str) -> Float[np.ndarray, " channel"]:
        """How the probability of a class changes in its own pictures."""
        if label not in self.classes:
            raise OptionError(f"{label!r} is none of the classes: {', '.join(self.classes)}.")
        number = self.classes.index(label)
        return self.changes[number, :, number]

    def units(self, label: str, n: int = 10) -> tuple[str, ...]:
        """The `n` units without which a class loses most in its own pictures."""
        order = np.argsort(self.own(label), kind="stable")[:n]
        return tuple(f"{self.layer}:{channel}" for channel in order.tolist())

    def table(self) -> "pa.Table":
        """A row for each channel: the change of every class in its own pictures."""
        import pyarrow as pa

        units = [f"{self.layer}:{channel}" for channel in range(self.changes.shape[1])]
        return pa.table({"unit": units} | {label: self.own(label) for label in self.classes})

    def __repr__(self) -> str:
        count = int(self.pictures.sum())
        lines = [f"<Effects of {self.changes.shape[1]} channels of {self.layer}, each taken out of {count:,} pictures"]
        for label in self.classes:
            (unit,) = self.units(label, 1)
            lines.append(f"  {label}: most by {unit}, {self.own(label).min():+.3f}".replace("-", "−"))
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)]) + ">"


def channel_effects(
    studied: StudiedModel,
    survey: StoredSurvey,
    layer: str,
    options: ShortcutOptions,
    names: Mapping[str, str] | None = None,
) -> ChannelEffects:
    """Take every channel of a layer out of pictures of every class, one at a time; each picture runs once to there."""
    rows, labels, classes, outputs, notes = chosen(survey, options, names)
    first = seen_pictures(survey, studied.preprocessing, rows[:1].tolist())[0].input[None]
    (layer,) = studied.resolve(layer, first)
    sums: dict[int, Tensor] = {}
    with studied.session() as session:
        for start in track(range(0, len(rows), AT_ONCE), RUNNING):
            seen = seen_pictures(survey, studied.preprocessing, rows[start : start + AT_ONCE].tolist())
            for batch in batches(seen, options.batch_size, RUNNING):
                with batch, torch.no_grad():
                    changes = _changes(session, studied.class_outputs, batch.inputs, layer, list(outputs)).double()
                for row, change in zip(batch.rows, changes, strict=True):
                    number = int(labels[start + row])
                    sums[number] = sums.get(number, torch.zeros_like(change)) + change
    counts = np.bincount(labels, minlength=len(classes))
    means = np.stack([sums[number].cpu().numpy() / counts[number] for number in range(len(classes))])
    return ChannelEffects(layer, classes, means, counts, notes)


def _changes(
    session: Session, known: ClassOutputs, inputs: Tensor, layer: str, outputs: list[int]
) -> Float[Tensor, "picture channel class"]:
    """How the classes' probabilities change without each channel, picture by picture."""
    record = take(session, inputs, [layer], classes=known, gradients=False)
    name, _, call = layer.partition("#")
    tail = Tail(session.model, name, record.inputs, call=int(call) if call else None)
    maps, layout = record.activations[layer], record.layouts[layer]
    before = record.classes.probabilities(record.outputs, len(inputs))[:, outputs]
    without = Without(partial(_probabilities, tail, layout, record.classes, outputs), maps)
    most = max(1, ELEMENTS // maps.numel())
    channels = torch.arange(maps.shape[1], device=maps.device)
    return torch.cat([without(some) for some in channels.split(most)], 1) - before[:, None]


def _probabilities(tail: Tail, layout: Layout, classes: ClassOutputs, outputs: list[int], edited: Tensor) -> Tensor:
    found = tail(layout.from_maps(edited, tail.output).to(tail.output.dtype))
    shares: Tensor = classes.probabilities(found, len(edited))
    return shares[:, outputs]
