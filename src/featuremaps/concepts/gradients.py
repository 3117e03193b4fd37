"""How a class's score changes with a layer's channels, in pictures of the class: recorded once, for any direction."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from featuremaps.concepts.options import SensitivityOptions
from featuremaps.errors import ModelError, SurveyError, TargetError
from featuremaps.models.studied_model import StudiedModel
from featuremaps.outputs.outputs import check_length, class_label, class_named
from featuremaps.pictures.seen import Seen
from featuremaps.progress import meter
from featuremaps.runtime.batches import batches
from featuremaps.runtime.record import Record
from featuremaps.runtime.recording import take
from featuremaps.runtime.warnings import unsteady, why_not_finite
from featuremaps.session import Session
from featuremaps.survey.analysis.class_labels import labels_of
from featuremaps.survey.analysis.confusion import outputs_meant
from featuremaps.survey.analysis.seen_pictures import seen_pictures
from featuremaps.survey.storage.reader import StoredSurvey
from featuremaps.targets.targets import Logit

AT_ONCE = 256
"""So many of a survey's pictures are held in memory."""
DOING = "sending class scores back"
Part = tuple[Sequence[Seen], list[int] | None]
"""Pictures, and the output that each is a picture of; None where that is what the model calls it."""


@dataclass(frozen=True, eq=False)
class Gradients:
    """For each picture its class, a number of `classes`, and the gradient of that class's score.

    `of[layer]` is the gradient with respect to the layer's channels, summed over places: how the score changes where a
    direction is added at every place. `told` says how it is known which class a picture is of.
    """

    classes: tuple[str, ...]
    labels: Int[np.ndarray, " picture"]
    of: Mapping[str, Float[np.ndarray, "picture _channel"]]
    told: str
    doubts: tuple[str, ...] = ()


def gradients_of_pictures(
    studied: StudiedModel,
    pictures: Sequence[Seen],
    layers: Sequence[str],
    labels: Sequence[str | int] | None,
    wanted: Sequence[str | int] | None,
    options: SensitivityOptions,
) -> Gradients:
    """Of pictures by their `labels` (names or numbers of outputs), or else by what the model calls them."""
    if labels is None:
        told = "by what the model calls them"
        return _recorded(studied, [(pictures, None)], len(pictures), layers, wanted, told, options)
    check_length(len(labels), len(pictures))
    outputs = [_output(label, studied) for label in labels]
    return _recorded(studied, [(pictures, outputs)], len(pictures), layers, wanted, "by their labels", options)


def gradients_of_survey(
    studied: StudiedModel,
    survey: StoredSurvey,
    layers: Sequence[str],
    wanted: Sequence[str | int] | None,
    names: Mapping[str, str] | None,
    options: SensitivityOptions,
) -> Gradients:
    """Of a survey's labelled pictures, at most `per_class` of each class; `names` maps labels to outputs."""
    labels, _ = labels_of(survey)
    meant = outputs_meant(survey, names)
    kept = None if wanted is None else {_output(each, studied) for each in wanted}
    generator = np.random.default_rng(options.seed)
    rows: list[int] = []
    for label, output in meant.items():
        of_label = np.flatnonzero(labels == label)
        if len(of_label) > options.per_class:
            of_label = np.sort(generator.choice(of_label, options.per_class, replace=False))
        rows += of_label.tolist() if kept is None or output in kept else []
    if not rows:
        raise SurveyError(f"survey {survey.path.name!r} has no pictures of the classes that were asked for.")

    def parts() -> Iterator[Part]:
        for start in range(0, len(rows), AT_ONCE):
            chunk = rows[start : start + AT_ONCE]
            yield seen_pictures(survey, studied.preprocessing, chunk), [meant[int(labels[row])] for row in chunk]

    return _recorded(studied, parts(), len(rows), layers, wanted, "by the survey's labels", options)


def _recorded(
    studied: StudiedModel,
    parts: Iterable[Part],
    count: int,
    layers: Sequence[str],
    wanted: Sequence[str | int] | None,
    told: str,
    options: SensitivityOptions,
) -> Gradients:
    kept = None if wanted is None else {_output(each, studied) for each in wanted}
    outputs: list[int] = []
    sums: dict[str, list[Tensor]] = {layer: [] for layer in layers}
    doubts: dict[str, None] = {}
    with studied.session() as session, meter(count, DOING) as advance:
        for seen, of_pictures in parts:
            rows = [row for row in range(len(seen)) if of_pictures is None or kept is None or of_pictures[row] in kept]
            for batch in batches([seen[row] for row in rows], options.batch_size, DOING):
                with batch:
                    given = None if of_pictures is None else [of_pictures[rows[row]] for row in batch.rows]
                    record = take(session, batch.inputs, layers, [Logit(given)], classes=studied.class_outputs)
                    outputs += _taken(session, record, sums, doubts)
                    for _ in batch.rows:
                        advance(None)
    return _by_class(studied, np.array(outputs, int), sums, kept, told, tuple(doubts))


def _taken(session: Session, record: Record, sums: Mapping[str, list[Tensor]], doubts: dict[str, None]) -> list[int]:
    """Add a batch's gradients to the others; returns the outputs that they are of."""
    for layer, of_layer in sums.items():
        if layer in record.unreached:
            raise TargetError(
                f"the class scores do not depend on layer {layer!r}, so that nothing in it can move them. Look for the "
                "concept in a layer on the way to the scores."
            )
        of_layer.append(record.gradients[layer].sum((2, 3)).cpu())
    doubts |= dict.fromkeys(unsteady(session, record.inputs))
    (target,) = record.targets
    assert target.indices is not None
    return target.indices.tolist()


def _by_class(
    studied: StudiedModel,
    outputs: Int[np.ndarray, " picture"],
    sums: Mapping[str, list[Tensor]],
    kept: set[int] | None,
    told: str,
    doubts: tuple[str, ...],
) -> Gradients:
    there = np.unique(outputs) if kept is None else np.array(sorted(kept & set(outputs.tolist())), int)
    if not len(there):
        shown = ", ".join(class_label(output, studied.classes) for output in sorted(kept or ()))
        raise TargetError(f"none of the pictures is of the classes that were asked for ({shown}), {told}.")
    rows = np.flatnonzero(np.isin(outputs, there))
    of = {layer: torch.cat(parts).numpy()[rows].astype(np.float64) for layer, parts in sums.items()}
    for layer, gradients in of.items():
        if not np.isfinite(gradients).all():
            raise ModelError(f"gradients at layer {layer!r} are not finite. {why_not_finite(studied.model)}")
    names = tuple(class_label(output, studied.classes) for output in there.tolist())
    return Gradients(names, np.searchsorted(there, outputs[rows]), of, told, doubts)


def _output(label: str | int, studied: StudiedModel) -> int:
    """The number of an output, by number or name; `TargetError` for a name that there is not."""
    return int(label) if isinstance(label, int) else class_named(label, len(studied.classes or ()), studied.classes)
