"""Explaining pictures: one record per chunk of pictures, and every method asked for as a formula on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from featuremaps.errors import MethodError, OptionError, WrittenError
from featuremaps.explain.attributions import Attributions
from featuremaps.explain.comparison import Comparison, Explanation, Key
from featuremaps.explain.predict import answers_of, scores_if_any
from featuremaps.explain.request import Request
from featuremaps.explain.warnings import map_warnings, pixel_warnings, scale_doubts
from featuremaps.methods import Method
from featuremaps.methods.needs import NEEDS, together
from featuremaps.methods.passes import Pass
from featuremaps.pictures.seen import Seen
from featuremaps.progress import track
from featuremaps.registry import unwritten
from featuremaps.results.answer import Answers
from featuremaps.results.heatmaps import Heatmaps
from featuremaps.runtime.batches import batches
from featuremaps.runtime.bound import Bound, Target
from featuremaps.runtime.doubts import unsteady
from featuremaps.runtime.memory_format import out_of_memory, quickest, run_on
from featuremaps.runtime.record import Record, take
from featuremaps.session import Session, preserved

BRIGHTNESS = (0.9, 1.0, 1.1)
MIRRORED = "Mirrored copies were explained by the same function: right only where it means no place in the picture."
OUTPUTS = "outputs"
"""The key of how outputs were read, beside the layers."""


@dataclass(frozen=True, eq=False)
class Part:
    """One key's maps for one chunk of pictures: with the notes on what the formula was given, the remarks it left.

    `drowned` has a doubt where scores are mostly rounding, one text for each picture. The labels, classes and regions
    of its targets and the warnings, one for each picture, are found once the maps are whole.
    """

    maps: Tensor
    notes: tuple[str, ...] = ()
    remarks: Mapping[str, Tensor] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    indices: tuple[int, ...] | None = None
    regions: Tensor | None = None
    drowned: tuple[str, ...] = ()
    warnings: tuple[tuple[str, ...], ...] = ()

    def doubted(self, doubt: str) -> "Part":
        """The same with one more warning for every picture."""
        return replace(self, warnings=tuple((*some, doubt) for some in self.warnings))


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
                chunk = _explain(session, batch.inputs, request.of(batch.rows, len(pictures), batch.inputs.ndim - 2))
                explained |= {index: (chunk, row) for row, index in enumerate(batch.rows)}
    rows = [explained[index] for index in range(len(pictures))]
    failures = {key: text for chunk, _ in rows for key, text in chunk.failures.items()}
    answers = tuple(None if chunk.answers is None else chunk.answers[row] for chunk, row in rows)
    methods = {method.name: method for method in request.methods}
    kept = [key for key in request.keys if key not in failures]
    best = ["" if chunk.answers is None else chunk.answers[row].top(1)[0].label for chunk, row in rows]
    doubts = tuple(scale_doubts(pictures, best))
    heatmaps = {key: _explanation(key, methods[key[0]], rows, pictures, doubts) for key in kept}
    return Comparison(heatmaps, failures, answers, request.options)


def _explanation(
    key: Key,
    method: Method,
    rows: Sequence[tuple[_Chunk, int]],
    pictures: Sequence[Seen],
    doubts: tuple[str, ...],
) -> Explanation:
    parts = [(chunk.parts[key], row) for chunk, row in rows]
    maps = tuple(part.maps[row] for part, row in parts)
    targets = tuple(part.labels[row] for part, row in parts)
    warnings = tuple((*part.warnings[row], *doubts) for part, row in parts)
    answers = tuple(
        chunk.answers[row].of(part.indices[row]) if chunk.answers is not None and part.indices is not None else None
        for (chunk, row), (part, _) in zip(rows, parts, strict=True)
    )
    said = {name: text for chunk, _ in rows for name, text in chunk.reading.items()}
    reading = tuple(said[name] for name in (key[1], OUTPUTS) if name in said)
    regions = tuple(None if part.regions is None else part.regions[row] for part, row in parts)
    common = (maps, key[0], key[1], targets, tuple(pictures), warnings)
    if method.level == "layer":
        return Heatmaps(*common, answers=answers, reading=reading, regions=regions)
    remarks = {name: tuple(part.remarks[name][row].item() for part, row in parts) for name in parts[0][0].remarks}
    return Attributions(*common, method.collapse, remarks, answers, reading, regions)


def _explain(session: Session, inputs: Tensor, request: Request) -> _Chunk:
    failures: dict[Key, str] = {}
    record, made = maps_of(session, inputs, request, list(request.targets.values()), failures)
    if "augment" in request.options.smoothings:
        made = _augmented(session, inputs, request, record, made, failures)
    methods = {method.name: method for method in request.methods}
    numbers = {target: number for number, target in enumerate(request.targets)}
    parts = {key: _judged(key, part, methods[key[0]], record, numbers[key[2]]) for key, part in made.items()}
    for doubt in unsteady(session, record.inputs):
        parts = {key: part.doubted(doubt) for key, part in parts.items()}
    reading = {name: layout.describe(name) for name, layout in record.layouts.items()}
    scores = scores_if_any(record)
    if scores is None:
        return _Chunk(parts, failures, None, reading)
    reading[OUTPUTS] = scores.reading
    if scores.doubt:
        parts = {key: part if part.indices is None else part.doubted(scores.doubt) for key, part in parts.items()}
    return _Chunk(parts, failures, answers_of(record, scores), reading)


def _judged(key: Key, part: Part, method: Method, record: Record, number: int) -> Part:
    """The part with its labels, classes and warnings."""
    target = record.targets[number] if record.targets and together(method.needs).target else None
    if method.level == "pixel":
        notes = pixel_warnings(part.maps, record, number)
    else:
        notes = map_warnings(part.maps, record, key[1], number, "gradients" in method.needs)
    notes = tuple((*some, *part.notes, *filter(None, [own])) for some, own in zip(notes, part.drowned, strict=True))
    if target is None:
        unused = () if key[2] is None else (f"{key[0]} uses no target: its map is the same for every class.",)
        return replace(part, labels=("",) * len(record.inputs), warnings=tuple((*some, *unused) for some in notes))
    indices = None if target.indices is None else tuple(target.indices.tolist())
    return replace(part, labels=target.labels, indices=indices, regions=target.region, warnings=notes)


def maps_of(
    session: Session, inputs: Tensor, request: Request, targets: Sequence[Target | Bound], failures: dict[Key, str]
) -> tuple[Record, Parts]:
    """One record, and from it a map (batch, *space) or values (batch, colour, *space) per key.

    Messages of methods that fail are left in `failures`, where the request allows that.
    """
    need = together(name for method in request.methods for name in method.needs)
    layers = dict.fromkeys([*request.layers, *(d for layer in request.layers for d in request.deeper.get(layer, ()))])

    def run(layout: torch.memory_format) -> Record:
        return take(
            session,
            inputs,
            list(layers),
            targets if need.target or request.asked else (),
            classes=request.classes,
            gradients=need.gradients,
            input_gradients=need.ways,
            attention=need.attention,
            stop_early=request.stop_early,
            layout=layout,
        )

    all_the_way = bool(need.ways) and inputs.ndim == 4  # where the other layout pays
    record = quickest(session, run) if all_the_way else run(torch.preserve_format)
    made = {}
    tails: dict[str, Any] = {}
    for number, key in enumerate(request.targets):
        for_target = record.for_target(number)
        for layer, method in request.pairs:
            given = Pass(session, for_target, layer, request.deeper.get(layer, ()), request.options, tails)
            try:
                made[method.name, layer, key] = _map(method, given, request)
            except Exception as error:
                kept = request.keep_failures and not isinstance(error, WrittenError)
                if not kept or (out_of_memory(error) and len(inputs) > 1):
                    raise
                failures[method.name, layer, key] = f"{type(error).__name__}: {error}"
    return record, made


def _map(method: Method, given: Pass, request: Request) -> Part:
    options = dict(request.options.of_methods.get(method.name, {}))
    if "eigen" in request.options.smoothings and "combine" in method.options:
        options["combine"] = "principal"
    with torch.no_grad(), run_on(given.session.model, given.record.inputs):
        needs = [NEEDS[name].supply(given) for name in method.needs]
        with unwritten(method, needs):
            map = method.formula(*needs, **options)
    shape = tuple(map.shape) if isinstance(map, Tensor) else None
    if shape not in _expected(method, given):
        wanted = " or ".join(str(expected) for expected in _expected(method, given))
        axes = "(batch, height, width)" if method.level == "layer" else "(batch, colour, height, width)"
        got = f"shape {shape}" if shape else f"a {type(map).__name__}"
        raise MethodError(f"method {method.name!r} must return a map {wanted} {axes}; it gave {got}.")
    map = map.detach().float()
    if method.level == "layer":
        map = map.reshape(len(map), *given.record.grid(given.layer))
    doubt = (
        "The scores that this map is made of differ by hardly more than their rounding "
        f"({str(given.rounded_to).removeprefix('torch.')}): take another target or method, or a higher precision."
    )
    doubts = tuple(doubt if row else "" for row in given.span.drowned(given.rounded_to).tolist())
    return Part(map, tuple(given.notes), dict(given.remarks), drowned=doubts)


def _expected(method: Method, given: Pass) -> list[tuple[int, ...]]:
    """The shapes that a method's map may have."""
    if method.level == "pixel":
        batch, colours, *space = given.record.inputs.shape
        return [(batch, colours, *space)] + ([(batch, 1, *space)] if colours != 1 else [])
    maps = given.record.activations[given.layer]
    return [(maps.shape[0], *maps.shape[2:])]


def _augmented(
    session: Session, inputs: Tensor, request: Request, record: Record, made: Parts, failures: dict[Key, str]
) -> Parts:
    """The mean over flipped and brightened copies, for the targets found on the picture itself."""
    if inputs.ndim != 4 or any(bound.mirrored == "no" for bound in record.targets):
        what = "signals and volumes are not" if inputs.ndim != 4 else "a target with a place (Box, Query) is not"
        raise OptionError(f"smooth='augment' explains mirrored copies, and {what} mirrored: leave it out.")
    if any(bound.mirrored == "perhaps" for bound in record.targets):
        made = {key: replace(part, notes=(*part.notes, MIRRORED)) for key, part in made.items()}
    variants = [(flip, factor) for flip in (False, True) for factor in BRIGHTNESS if flip or factor != 1.0]
    targets = list(request.targets.values())
    total = {key: part.maps for key, part in made.items()}
    for flip, factor in track(variants, "explaining augmented copies"):
        there = [bound.in_mirror() if flip and bound.in_mirror else bound for bound in record.targets] or targets
        _, again = maps_of(session, (inputs.flip(-1) if flip else inputs) * factor, request, there, failures)
        maps = {key: part.maps.flip(-1) if flip else part.maps for key, part in again.items()}
        total = {key: total[key] + map for key, map in maps.items() if key in total}
    return {key: replace(made[key], maps=maps / (len(variants) + 1)) for key, maps in total.items()}
