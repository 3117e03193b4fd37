"""Explaining pictures: one record per chunk of pictures, and every method asked for as a formula on it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from featuremaps.attributions import Attributions
from featuremaps.chunks import in_chunks, out_of_memory
from featuremaps.comparison import Comparison, Explanation, Key
from featuremaps.doubts import doubts, pixel_doubts
from featuremaps.errors import MethodError, OptionError, did_you_mean
from featuremaps.heatmaps import Heatmaps
from featuremaps.methods import Method
from featuremaps.needs import NEEDS, Pass, Precision, together
from featuremaps.outputs import Classes, logits_of, scores_of
from featuremaps.progress import track
from featuremaps.record import Record, take
from featuremaps.running import quickest
from featuremaps.sight import Seen
from featuremaps.state import Session, preserved
from featuremaps.targets import Bound, Target, select

Smoothing = Literal["augment", "eigen"]
INPUT = "input"
BRIGHTNESS = (0.9, 1.0, 1.1)


@dataclass(frozen=True)
class Request:
    """What is asked of a model: every method on every layer for every target.

    `targets` are keyed by what the user gave. `options` are per method name. `deeper` holds, per layer, the last
    layer of every coarser map size after it, where a method asks for them. `stop_early` allows the model to stop
    after the deepest layer. With `keep_failures` a method that fails leaves its message instead of raising.
    """

    methods: tuple[Method, ...]
    layers: tuple[str, ...]
    targets: Mapping[Any, Target]
    options: Mapping[str, Mapping[str, object]]
    classes: Classes = None
    deeper: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    smooth: frozenset[Smoothing] = frozenset()
    seed: int = 0
    precision: Precision = "float32"
    stop_early: bool = False
    keep_failures: bool = False

    def __post_init__(self) -> None:
        for given in self.smooth:
            _one_of("smooth", given, get_args(Smoothing))
        _one_of("precision", self.precision, get_args(Precision))

    @property
    def keys(self) -> list[Key]:
        """The keys of the comparison, in order."""
        return [(m.name, layer, t) for t in self.targets for layer, m in self.pairs]

    @property
    def pairs(self) -> list[tuple[str, Method]]:
        """Each layer with each method that looks at it, and "input" with those that look at no layer."""
        by_layer = [(layer, method) for layer in self.layers for method in self.methods if method.by_layer]
        return by_layer + [(INPUT, method) for method in self.methods if not method.by_layer]

    def of(self, indices: Sequence[int], total: int) -> "Request":
        """The same request for some of the pictures, where targets were given one per picture."""
        return replace(self, targets={key: select(target, indices, total) for key, target in self.targets.items()})


@dataclass(frozen=True, eq=False)
class _Part:
    """One key's maps for one chunk of pictures, or why there are none."""

    maps: Tensor
    labels: tuple[str, ...]
    warnings: tuple[tuple[str, ...], ...]
    remarks: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, eq=False)
class _Chunk:
    """Everything found out about one chunk of pictures."""

    parts: dict[Key, _Part]
    failures: dict[Key, str]
    scores: Tensor | None


def compare(model: nn.Module, pictures: Sequence[Seen], request: Request, batch_size: int = 32) -> Comparison:
    """Heatmaps of all methods × layers × targets, from one forward pass per chunk of pictures.

    Pictures of one size run together, up to `batch_size` at a time, fewer when memory is short. The model is
    afterwards as it was, also when something fails.
    """
    found: dict[int, tuple[_Chunk, int]] = {}
    with preserved(model) as session:
        for indices, chunk in in_chunks(
            [seen.input for seen in pictures],
            batch_size,
            lambda inputs, indices: _explain(session, inputs, request.of(indices, len(pictures))),
        ):
            found |= {index: (chunk, row) for row, index in enumerate(indices)}
    rows = [found[i] for i in range(len(pictures))]
    failures = {key: text for chunk, _ in rows for key, text in chunk.failures.items()}
    scores = tuple(None if chunk.scores is None else chunk.scores[row] for chunk, row in rows)
    methods = {method.name: method for method in request.methods}
    kept = [key for key in request.keys if key not in failures]
    found_maps = {key: _explanation(key, methods[key[0]], rows, pictures) for key in kept}
    return Comparison(found_maps, failures, scores)


def _explanation(key: Key, method: Method, rows: Sequence[tuple[_Chunk, int]], pictures: Sequence[Seen]) -> Explanation:
    parts = [(chunk.parts[key], row) for chunk, row in rows]
    maps = tuple(part.maps[row] for part, row in parts)
    targets = tuple(part.labels[row] for part, row in parts)
    warnings = tuple(part.warnings[row] for part, row in parts)
    if method.level == "layer":
        return Heatmaps(maps, key[0], key[1], targets, tuple(pictures), warnings)
    remarks = {name: tuple(part.remarks[name][row] for part, row in parts) for name in parts[0][0].remarks}
    return Attributions(maps, key[0], key[1], targets, tuple(pictures), warnings, method.collapse, remarks)


@dataclass(frozen=True, eq=False)
class _Made:
    """What one formula gave for one layer and target, with the notes on what it was given and the remarks it left."""

    map: Tensor
    notes: tuple[str, ...] = ()
    remarks: Mapping[str, Tensor] = field(default_factory=dict)


def _explain(session: Session, inputs: Tensor, request: Request) -> _Chunk:
    failures: dict[Key, str] = {}
    record, made = _maps(session, inputs, request, list(request.targets.values()), failures)
    if "augment" in request.smooth:
        made = _augmented(session, inputs, request, record, made, failures)
    methods = {method.name: method for method in request.methods}
    numbers = {target: number for number, target in enumerate(request.targets)}
    parts = {key: _part(key, found, methods[key[0]], record, numbers[key[2]]) for key, found in made.items()}
    logits = logits_of(record.outputs)
    return _Chunk(parts, failures, None if logits is None else scores_of(logits).float())


def _part(key: Key, made: _Made, method: Method, record: Record, number: int) -> _Part:
    labels = record.targets[number].labels if record.targets else ("",) * len(record.inputs)
    if method.level == "pixel":
        found = pixel_doubts(made.map, record, number)
    else:
        found = doubts(made.map, record, key[1], number, "gradients" in method.needs)
    warnings = tuple((*notes, *made.notes) for notes in found)
    return _Part(made.map, labels, warnings, {name: tuple(of.tolist()) for name, of in made.remarks.items()})


def _maps(
    session: Session,
    inputs: Tensor,
    request: Request,
    targets: Sequence[Target | Bound],
    failures: dict[Key, str],
) -> tuple[Record, dict[Key, _Made]]:
    """One record, and from it a map (batch, height, width) or values (batch, colour, height, width) per key."""
    need = together(name for method in request.methods for name in method.needs)
    layers = dict.fromkeys([*request.layers, *(d for layer in request.layers for d in request.deeper.get(layer, ()))])

    def run(layout: torch.memory_format) -> Record:
        return take(
            session,
            inputs,
            list(layers),
            targets if need.target else (),
            classes=request.classes,
            gradients=need.gradients,
            input_gradients=need.ways,
            stop_early=request.stop_early,
            layout=layout,
        )

    all_the_way = bool(need.ways) and inputs.ndim == 4  # where the other layout pays
    record = quickest(session, run) if all_the_way else run(torch.preserve_format)
    made = {}
    tails: dict[str, Any] = {}
    for number, key in enumerate(request.targets):
        own = record.for_target(number)
        for layer, method in request.pairs:
            given = Pass(session, own, layer, request.deeper.get(layer, ()), request.seed, request.precision, tails)
            try:
                made[method.name, layer, key] = _map(method, given, request)
            except Exception as error:
                if not request.keep_failures or (out_of_memory(error) and len(inputs) > 1):
                    raise
                failures[method.name, layer, key] = f"{type(error).__name__}: {error}"
    return record, made


def _map(method: Method, given: Pass, request: Request) -> _Made:
    options = dict(request.options.get(method.name, {}))
    if "eigen" in request.smooth and "combine" in method.options:
        options["combine"] = "principal"
    with torch.no_grad():
        map = method.formula(*(NEEDS[name].supply(given) for name in method.needs), **options)
    shape = tuple(map.shape) if isinstance(map, Tensor) else None
    if shape not in _expected(method, given):
        wanted = " or ".join(str(expected) for expected in _expected(method, given))
        axes = "(batch, height, width)" if method.level == "layer" else "(batch, colour, height, width)"
        got = f"shape {shape}" if shape else f"a {type(map).__name__}"
        raise MethodError(f"method {method.name!r} must return a map {wanted} {axes}; it gave {got}.")
    map = map.detach().float()
    if method.level == "pixel":
        *stack, width = map.shape[2:]
        map = map.reshape(*map.shape[:2], math.prod(stack), width)
    return _Made(map, tuple(given.notes), dict(given.remarks))


def _expected(method: Method, given: Pass) -> list[tuple[int, ...]]:
    """The shapes that a method's map may have."""
    if method.level == "pixel":
        batch, colours, *space = given.record.inputs.shape
        return [(batch, colours, *space)] + ([(batch, 1, *space)] if colours != 1 else [])
    maps = given.record.activations[given.layer]
    return [(maps.shape[0], *maps.shape[2:])]


def _augmented(
    session: Session,
    inputs: Tensor,
    request: Request,
    record: Record,
    made: dict[Key, _Made],
    failures: dict[Key, str],
) -> dict[Key, _Made]:
    """The mean over flipped and brightened copies, for the targets found on the picture itself."""
    variants = [(flip, factor) for flip in (False, True) for factor in BRIGHTNESS if flip or factor != 1.0]
    targets: list[Target | Bound] = list(record.targets or request.targets.values())
    total = {key: found.map for key, found in made.items()}
    for flip, factor in track(variants, "explaining augmented copies"):
        _, again = _maps(session, (inputs.flip(-1) if flip else inputs) * factor, request, targets, failures)
        maps = {key: found.map.flip(-1) if flip else found.map for key, found in again.items()}
        total = {key: total[key] + map for key, map in maps.items() if key in total}
    return {key: replace(made[key], map=map / (len(variants) + 1)) for key, map in total.items()}


def _one_of(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        known = ", ".join(map(repr, choices))
        raise OptionError(f"{option}={value!r} is not known; choose {known}.{did_you_mean(str(value), choices)}")
