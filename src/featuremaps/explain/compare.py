"""Explaining pictures: one record per chunk of pictures, and every method asked for as a formula on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from featuremaps.errors import OptionError
from featuremaps.explain.attributions import Attributions
from featuremaps.explain.comparison import Comparison, Explanation, Key
from featuremaps.explain.formulas import Number, NumberedParts, Part, maps_of
from featuremaps.explain.predict import answers_of, scores_if_any
from featuremaps.explain.request import Request
from featuremaps.explain.warnings import map_warnings, pixel_warnings, scale_doubts, warn_of_unexplained
from featuremaps.layers.listing import LEVELS
from featuremaps.methods import Method
from featuremaps.methods.needs import together
from featuremaps.outputs.detections import form_of
from featuremaps.pictures.seen import Seen
from featuremaps.progress import track
from featuremaps.results.answer import Answers
from featuremaps.results.heatmaps import Heatmaps
from featuremaps.rules.lrp import KEPT
from featuremaps.runtime.batches import batches
from featuremaps.runtime.record import Record
from featuremaps.runtime.warnings import unsteady
from featuremaps.session import Session, preserved
from featuremaps.targets.bound import Bound, Several, Target

BRIGHTNESS = (0.9, 1.0, 1.1)
MIRRORED = "Mirrored copies were explained by the same function: right only where it means no place in the picture."
OUTPUTS = "outputs"
"""The key of how outputs were read, beside the layers."""


@dataclass(frozen=True, eq=False)
class _Chunk:
    """Everything found out about one chunk of pictures.

    `answers` has the class scores of each, where there are any; `reading` says how they were read, and each layer.
    """

    parts: "Parts"
    failures: dict[Key, str]
    answers: Sequence[Answers] | None
    reading: Mapping[str, str]


Parts = dict[Key, Part]


def compare(model: nn.Module, pictures: Sequence[Seen], request: Request) -> Comparison:
    """Heatmaps of all methods × layers × targets, from one forward pass per chunk of pictures.

    Pictures of one size run together, up to the options' `batch_size` at a time, fewer when memory is short. The
    model is afterwards as it was, also when something fails.
    """
    explained: dict[int, tuple[_Chunk, int]] = {}
    with preserved(model, request.layout) as session:
        for batch in batches(pictures, request.options.batch_size, "explaining pictures"):
            with batch:
                chunk = _explain(session, batch.inputs, request.of(batch.rows, pictures))
                explained |= {index: (chunk, row) for row, index in enumerate(batch.rows)}
    rows = [explained[index] for index in range(len(pictures))]
    failures = {key: text for chunk, _ in rows for key, text in chunk.failures.items()}
    answers = tuple(None if chunk.answers is None else chunk.answers[row] for chunk, row in rows)
    methods = {method.name: method for method in request.methods}
    kept = [key for key in request.keys if key not in failures]
    best = [None if chunk.answers is None else chunk.answers[row].top(1)[0] for chunk, row in rows]
    doubts = tuple(scale_doubts(model, pictures, best))
    heatmaps = {key: _explanation(key, methods[key[0]], rows, pictures, doubts) for key in kept}
    warn_of_unexplained(heatmaps)
    return Comparison(heatmaps, failures, answers, request.options)


def _explanation(
    key: Key,
    method: Method,
    rows: Sequence[tuple[_Chunk, int]],
    pictures: Sequence[Seen],
    doubts: tuple[str, ...],
) -> Explanation:
    """All maps of a key in the pictures' order; of a detector several, or none, of a picture."""
    placed = [
        (number, chunk, chunk.parts[key], place)
        for number, (chunk, row) in enumerate(rows)
        for place, own in enumerate(chunk.parts[key].rows)
        if own == row
    ]
    maps = tuple(part.maps[place] for _, _, part, place in placed)
    targets = tuple(part.labels[place] for _, _, part, place in placed)
    warnings = tuple((*part.warnings[place], *doubts) for _, _, part, place in placed)
    answers = tuple(
        chunk.answers[rows[number][1]].of(part.indices[place])
        if chunk.answers is not None and part.indices is not None
        else None
        for number, chunk, part, place in placed
    )
    said = {name: text for chunk, _ in rows for name, text in chunk.reading.items()}
    reading = tuple(said[name] for name in (key[1], OUTPUTS) if name in said)
    common: Any = {
        "method": key[0],
        "layer": key[1],
        "targets": targets,
        "pictures": tuple(pictures[number] for number, _, _, _ in placed),
        "warnings": warnings,
        "answers": answers,
        "reading": reading,
        "regions": tuple(None if part.regions is None else part.regions[place] for _, _, part, place in placed),
        "boxes": tuple(part.boxes[place] if part.boxes else None for _, _, part, place in placed),
        "picture_numbers": tuple(number for number, _, _, _ in placed),
        "unexplained": tuple(pictures[i] for i in sorted({*range(len(rows))} - {number for number, *_ in placed})),
    }
    if method.level == "layer":
        levels = tuple(part.levels[place] if part.levels else {} for _, _, part, place in placed)
        return Heatmaps(maps=maps, **common, levels=levels)
    names = rows[0][0].parts[key].remarks
    remarks = {name: tuple(part.remarks[name][place].item() for _, _, part, place in placed) for name in names}
    return Attributions(values=maps, **common, collapse=method.collapse, remarks=remarks)


def _explain(session: Session, inputs: Tensor, request: Request) -> _Chunk:
    failed: dict[Number, str] = {}
    record, made = maps_of(session, inputs, request, list(request.targets.values()), failed)
    if "augment" in request.options.smoothings:
        made = _augmented(session, inputs, request, record, made, failed)
    methods = {method.name: method for method in request.methods}
    counts = iter(record.counts or (1,) * len(request.targets))
    numbered = [key for key in request.targets for _ in range(next(counts))]
    judged = {
        number: _judged(number, numbered[number[2]], part, methods[number[0]], record, request)
        for number, part in made.items()
    }
    failures = {(method, layer, numbered[number]): text for (method, layer, number), text in failed.items()}
    parts = {
        key: _joined([judged[method, layer, number] for number in own])
        for key in request.keys
        if key not in failures
        for method, layer, target in [key]
        for own in [[number for number, given in enumerate(numbered) if given == target]]
    }
    for doubt in unsteady(session, record.inputs):
        parts = {key: part.doubted(doubt) for key, part in parts.items()}
    reading = {name: layout.describe(name) for name, layout in record.layouts.items()}
    reading |= {name: f"{name}: {' + '.join(reading[level] for level in of)}" for name, of in request.fused.items()}
    scores = scores_if_any(record)
    if scores is None:
        form = "" if record.classes.boxes is None else form_of(record.outputs, record.classes)
        return _Chunk(parts, failures, None, reading | ({OUTPUTS: f"detections: {form}"} if form else {}))
    reading[OUTPUTS] = scores.reading
    if scores.doubt:
        parts = {key: part if part.indices is None else part.doubted(scores.doubt) for key, part in parts.items()}
    return _Chunk(parts, failures, answers_of(record, scores), reading)


def _joined(parts: Sequence[Part]) -> Part:
    """The parts of several targets as one: every map with the picture that it is of."""
    if parts and not any(part.boxes for part in parts):  # several only where the method looks at no target
        return replace(parts[0], rows=tuple(range(len(parts[0].maps))))
    kept = [
        (part, row) for part in parts for row in range(len(part.maps)) if not part.boxes or part.boxes[row] is not None
    ]
    if not kept:
        return Part(torch.zeros(0, device="cpu"), rows=())
    names = kept[0][0].remarks
    return Part(
        maps=torch.stack([part.maps[row] for part, row in kept]),
        remarks={name: torch.stack([part.remarks[name][row] for part, row in kept]) for name in names},
        labels=tuple(part.labels[row] for part, row in kept),
        warnings=tuple(part.warnings[row] for part, row in kept),
        levels=tuple(part.levels[row] for part, row in kept if part.levels),
        rows=tuple(row for _, row in kept),
        boxes=tuple(part.boxes[row] for part, row in kept if part.boxes),
    )


def _judged(key: Number, asked: object, part: Part, method: Method, record: Record, request: Request) -> Part:
    """The part with its labels, classes and warnings, where a target was `asked` for, or None."""
    name, layer, number = key
    target = record.targets[number] if record.targets and together(method.needs).target else None
    if method.level == "pixel":
        error = part.remarks.get("completeness error") if name == "integrated_gradients" else None
        notes = pixel_warnings(part.maps, record, number, error, part.remarks.get(KEPT))
    else:
        layers = request.fused.get(layer, (layer,))
        of_layer = record.of_levels() if layer == LEVELS else record
        notes = map_warnings(part.maps, of_layer, layers, number, "gradients" in method.needs)
    notes = tuple((*some, *part.notes, *filter(None, [own])) for some, own in zip(notes, part.drowned, strict=True))
    if target is None:
        unused = (f"{name} uses no target: its map is the same for every class.",) if asked is not None else ()
        return replace(part, labels=("",) * len(record.inputs), warnings=tuple((*some, *unused) for some in notes))
    indices = None if target.indices is None else tuple(target.indices.tolist())
    if target.boxes is not None:
        part = replace(part, boxes=target.boxes)
        said = [(box.note,) if box is not None and box.note else () for box in target.boxes]
        notes = tuple((*own, *some) for own, some in zip(said, notes, strict=True))
    return replace(part, labels=target.labels, indices=indices, regions=target.region, warnings=notes)


def _augmented(
    session: Session,
    inputs: Tensor,
    request: Request,
    record: Record,
    made: NumberedParts,
    failures: dict[Number, str],
) -> NumberedParts:
    """The mean over flipped and brightened copies, for the targets found on the picture itself."""
    if inputs.ndim != 4 or any(bound.mirrored == "no" for bound in record.targets):
        what = "signals and volumes are not" if inputs.ndim != 4 else "a target with a place (Box, Query) is not"
        raise OptionError(f"smooth='augment' explains mirrored copies, and {what} mirrored: leave it out.")
    if any(bound.mirrored == "perhaps" for bound in record.targets):
        made = {key: replace(part, notes=(*part.notes, MIRRORED)) for key, part in made.items()}
    variants = [(flip, factor) for flip in (False, True) for factor in BRIGHTNESS if flip or factor != 1.0]
    targets: list[Target | Several | Bound] = list(request.targets.values())
    total = {key: part.maps for key, part in made.items()}
    for flip, factor in track(variants, "explaining augmented copies"):
        there = [bound.in_mirror() if flip and bound.in_mirror else bound for bound in record.targets] or targets
        _, again = maps_of(session, (inputs.flip(-1) if flip else inputs) * factor, request, there, failures)
        maps = {key: part.maps.flip(-1) if flip else part.maps for key, part in again.items()}
        total = {key: total[key] + map for key, map in maps.items() if key in total}
    return {key: replace(made[key], maps=maps / (len(variants) + 1)) for key, maps in total.items()}
