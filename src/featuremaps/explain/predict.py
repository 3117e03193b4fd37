"""What a model answers: its most probable classes for each picture."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace

from featuremaps.errors import FeatureMapsWarning, check_least
from featuremaps.explain.options import ExplainOptions
from featuremaps.explain.warnings import scale_doubts
from featuremaps.models.studied_model import StudiedModel
from featuremaps.outputs.class_outputs import ClassOutputs, ClassScores
from featuremaps.outputs.detections import (
    DetectedBox,
    Detections,
    check_pictures,
    chosen_rows,
    detections_if_any,
    detections_of,
)
from featuremaps.outputs.outputs import class_indices
from featuremaps.outputs.place_scores import PlaceScores, is_dense
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.panels import counted
from featuremaps.results.answer import Answer, Answers
from featuremaps.runtime.batches import batches
from featuremaps.runtime.record import Record
from featuremaps.runtime.recording import take
from featuremaps.runtime.warnings import unsteady

MOST = 5
"""So many classes of a picture are given, where nobody says how many."""


def predict(
    studied: StudiedModel, pictures: Sequence[Seen], top: int | None, batch_size: int, threshold: float = 0.5
) -> tuple[tuple[Answer | DetectedBox, ...], ...]:
    """For each picture the `top` most probable classes, or as many as there are, most probable first.

    Of a detector what it finds with a score of `threshold` or more, surest first; where that is nothing, the surest.
    Raises `TargetError` for a model that gives no class scores; a `FeatureMapsWarning` says why they may be doubted.
    """
    check_least("top", MOST if top is None else top, "how many classes are given")
    options = ExplainOptions(batch_size=batch_size, threshold=threshold)
    classes = replace(studied.class_outputs, threshold=options.threshold)
    best: dict[int, tuple[Answer | DetectedBox, ...]] = {}
    doubts: dict[str, None] = {}
    with studied.session() as session:
        for batch in batches(pictures, batch_size, "asking the model"):
            with batch:
                record = take(session, batch.inputs, classes=classes, gradients=False)
                read = detections_of if record.classes.kind == "detections" else detections_if_any
                found = read(record.outputs, record.classes)
                if found is not None:
                    check_pictures(found, len(batch.rows))
                    boxes = [_boxes(each, record.classes)[:top] for each in found]
                    best |= dict(zip(batch.rows, boxes, strict=True))
                    continue
                scores = _scores(record)
                best |= {
                    row: answer.top(top or MOST)
                    for row, answer in zip(batch.rows, answers_of(record, scores), strict=True)
                }
                doubts |= dict.fromkeys(filter(None, (*unsteady(session, record.inputs), scores.doubt)))
    in_order = tuple(best[row] for row in range(len(pictures)))
    surest = [each[0] if each and isinstance(each[0], Answer) else None for each in in_order]
    lost = sum(answer is not None and not math.isfinite(answer.score) for answer in surest)
    if lost:
        doubts[f"The scores of {counted(lost, 'picture')} are not finite: the weights or the pictures hold NaN."] = None
    for doubt in (*doubts, *scale_doubts(studied.model, pictures, surest)):
        warnings.warn(doubt, FeatureMapsWarning, stacklevel=3)
    return in_order


def _boxes(found: Detections, classes: ClassOutputs) -> tuple[DetectedBox, ...]:
    return tuple(found.boxed(row, classes) for row in chosen_rows(found, None, classes.threshold))


def scores_if_any(record: Record) -> ClassScores | None:
    """How the class scores are read, or None where there are none; `TargetError` where not as many as names."""
    return None if record.classes.given_if_any(record.outputs, len(record.inputs)) is None else _scores(record)


def _scores(record: Record) -> ClassScores:
    scores = ClassScores(record.outputs, record.classes, len(record.inputs))
    class_indices(None, scores.given, record.classes.names, len(record.inputs))  # as many names as classes
    return scores


def answers_of(record: Record, scores: ClassScores) -> list[Answers]:
    """The answers to each picture of a batch, by its class scores; those of a segmentation with what each covers."""
    names, batch = scores.classes.names, len(record.inputs)
    if not is_dense(record.outputs, record.classes, batch):
        pairs = zip(scores.given.float(), scores.probabilities(record.outputs), strict=True)
        return [Answers(given, shares, names) for given, shares in pairs]
    places = PlaceScores(record.outputs, record.classes, batch)
    parts = zip(
        places.scores.flatten(2).float().mean(2), places.probabilities.flatten(2).mean(2), places.covers, strict=True
    )
    return [Answers(given, shares, names, covers) for given, shares, covers in parts]
