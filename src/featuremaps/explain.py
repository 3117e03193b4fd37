"""Explaining pictures: one record per chunk of pictures, and every method asked for as a formula on it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from featuremaps.errors import MethodError, ModelError, OptionError, did_you_mean
from featuremaps.heatmaps import Comparison, Heatmaps, Key
from featuremaps.methods import Method
from featuremaps.needs import NEEDS, Pass, Precision, together
from featuremaps.outputs import Classes, logits_of, scores_of
from featuremaps.progress import track
from featuremaps.record import Record, take
from featuremaps.sight import Seen
from featuremaps.state import Session, preserved
from featuremaps.targets import Bound, Target, select

Smoothing = Literal["augment", "eigen"]
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
        return [(m.name, layer, t) for t in self.targets for layer in self.layers for m in self.methods]

    def of(self, indices: Sequence[int], total: int) -> "Request":
        """The same request for some of the pictures, where targets were given one per picture."""
        return replace(self, targets={key: select(target, indices, total) for key, target in self.targets.items()})


@dataclass(frozen=True, eq=False)
class _Part:
    """One key's maps for one chunk of pictures, or why there are none."""

    maps: Tensor
    labels: tuple[str, ...]
    warnings: tuple[tuple[str, ...], ...]


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
    if batch_size < 1:
        raise OptionError(f"batch_size is how many pictures run together, 1 or more; got {batch_size}.")
    found: dict[int, tuple[_Chunk, int]] = {}
    with preserved(model) as session:
        for indices, chunk in _in_chunks(
            [seen.input for seen in pictures],
            batch_size,
            lambda inputs, indices: _explain(session, inputs, request.of(indices, len(pictures))),
        ):
            found |= {index: (chunk, row) for row, index in enumerate(indices)}
    rows = [found[i] for i in range(len(pictures))]
    failures = {key: text for chunk, _ in rows for key, text in chunk.failures.items()}
    scores = tuple(None if chunk.scores is None else chunk.scores[row] for chunk, row in rows)
    kept = [key for key in request.keys if key not in failures]
    return Comparison({key: _heatmaps(key, rows, pictures) for key in kept}, failures, scores)


def _heatmaps(key: Key, rows: Sequence[tuple[_Chunk, int]], pictures: Sequence[Seen]) -> Heatmaps:
    parts = [(chunk.parts[key], row) for chunk, row in rows]
    return Heatmaps(
        maps=tuple(part.maps[row] for part, row in parts),
        method=key[0],
        layer=key[1],
        targets=tuple(part.labels[row] for part, row in parts),
        pictures=tuple(pictures),
        warnings=tuple(part.warnings[row] for part, row in parts),
    )


def _explain(session: Session, inputs: Tensor, request: Request) -> _Chunk:
    failures: dict[Key, str] = {}
    record, maps = _maps(session, inputs, request, list(request.targets.values()), failures)
    if "augment" in request.smooth:
        maps = _augmented(session, inputs, request, record, maps, failures)
    parts = {}
    needs = {method.name: method.needs for method in request.methods}
    numbers = {target: number for number, target in enumerate(request.targets)}
    for key, map in maps.items():
        number = numbers[key[2]]
        labels = record.targets[number].labels if record.targets else ("",) * len(inputs)
        parts[key] = _Part(map, labels, doubts(map, record, key[1], number, "gradients" in needs[key[0]]))
    logits = logits_of(record.outputs)
    return _Chunk(parts, failures, None if logits is None else scores_of(logits).float())


def _maps(
    session: Session,
    inputs: Tensor,
    request: Request,
    targets: Sequence[Target | Bound],
    failures: dict[Key, str],
) -> tuple[Record, dict[Key, Tensor]]:
    """One record, and from it a map (batch, height, width) per key."""
    need = together(name for method in request.methods for name in method.needs)
    layers = dict.fromkeys([*request.layers, *(d for layer in request.layers for d in request.deeper.get(layer, ()))])
    record = take(
        session,
        inputs,
        list(layers),
        targets if need.target else (),
        classes=request.classes,
        gradients=need.gradients,
        stop_early=request.stop_early,
    )
    maps = {}
    tails: dict[str, Any] = {}
    for number, key in enumerate(request.targets):
        own = record.for_target(number)
        for layer in request.layers:
            given = Pass(session, own, layer, request.deeper.get(layer, ()), request.seed, request.precision, tails)
            for method in request.methods:
                try:
                    maps[method.name, layer, key] = _map(method, given, request)
                except Exception as error:
                    if not request.keep_failures or (_out_of_memory(error) and len(inputs) > 1):
                        raise
                    failures[method.name, layer, key] = f"{type(error).__name__}: {error}"
    return record, maps


def _map(method: Method, given: Pass, request: Request) -> Float[Tensor, "batch height width"]:
    options = dict(request.options.get(method.name, {}))
    if "eigen" in request.smooth and "combine" in method.options:
        options["combine"] = "principal"
    with torch.no_grad():
        map = method.formula(*(NEEDS[name].supply(given) for name in method.needs), **options)
    size = given.record.activations[given.layer]
    expected = (size.shape[0], *size.shape[2:])
    if not isinstance(map, Tensor) or tuple(map.shape) != expected:
        got = f"shape {tuple(map.shape)}" if isinstance(map, Tensor) else f"a {type(map).__name__}"
        raise MethodError(f"method {method.name!r} must return a map {expected} (batch, height, width); it gave {got}.")
    return map.detach().float()


def _augmented(
    session: Session,
    inputs: Tensor,
    request: Request,
    record: Record,
    maps: dict[Key, Tensor],
    failures: dict[Key, str],
) -> dict[Key, Tensor]:
    """The mean over flipped and brightened copies, for the targets found on the picture itself."""
    variants = [(flip, factor) for flip in (False, True) for factor in BRIGHTNESS if flip or factor != 1.0]
    targets: list[Target | Bound] = list(record.targets or request.targets.values())
    total = dict(maps)
    for flip, factor in track(variants, "explaining augmented copies"):
        _, found = _maps(session, (inputs.flip(-1) if flip else inputs) * factor, request, targets, failures)
        found = {key: map.flip(-1) if flip else map for key, map in found.items()}
        total = {key: total[key] + map for key, map in found.items() if key in total}
    return {key: map / (len(variants) + 1) for key, map in total.items()}


def doubts(
    map: Float[Tensor, "batch height width"], record: Record, layer: str, target: int, by_gradient: bool
) -> tuple[tuple[str, ...], ...]:
    """For each picture why its map should not be trusted, if so: not finite, empty, or the same everywhere."""
    flat = map.flatten(1)
    finite = flat.isfinite().all(1)
    empty, nothing = (flat == 0).all(1), (flat <= 0).all(1)
    constant = (flat == flat[:, :1]).all(1) & (flat.shape[1] > 1)
    if bool((finite & ~constant & ~nothing).all()):
        return ((),) * len(map)
    notes: list[tuple[str, ...]] = []
    for i in range(len(map)):
        if not finite[i]:
            notes.append((f"{int((~flat[i].isfinite()).sum())} of {flat.shape[1]} values are not finite.",))
        elif empty[i]:
            notes.append((f"The map is zero everywhere: {_why_empty(record, layer, target, i, by_gradient)}",))
        elif nothing[i]:
            score = f" (its score is {float(record.scores[target][i]):.3g})" if record.scores else ""
            notes.append((f"Every value is negative: this layer speaks against the target{score}. Look at it signed.",))
        elif constant[i]:
            notes.append(("The map is the same everywhere: it prefers no place.",))
        else:
            notes.append(())
    return tuple(notes)


def _why_empty(record: Record, layer: str, target: int, i: int, by_gradient: bool) -> str:
    if not bool(record.activations[layer][i].any()):
        return "every activation of the layer is zero (a dead layer) for this picture."
    if by_gradient and layer in record.unreached:
        return "no gradient reaches the layer, the target's score does not depend on it."
    if by_gradient and not bool(record.gradients_by_target[target][layer][i].any()):
        return "the target's gradient is zero at the layer (a saturated or constant score, or a dead path)."
    if by_gradient and not bool((record.gradients_by_target[target][layer][i] > 0).any()):
        return "every gradient is negative: nothing in the layer speaks for the target."
    return "no channel was given any weight."


def _in_chunks(
    inputs: Sequence[Tensor], most: int, run: Callable[[Tensor, list[int]], Any]
) -> Iterator[tuple[list[int], Any]]:
    """Run pictures of equal shape together, at most `most` at a time; halve that whenever memory runs out."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for i, tensor in enumerate(inputs):
        groups.setdefault(tuple(tensor.shape), []).append(i)
    work = [group[start : start + most] for group in groups.values() for start in range(0, len(group), most)]
    for chunk in track(work, "explaining pictures"):
        pending = [chunk]
        while pending:
            indices = pending.pop(0)
            try:
                result = run(torch.stack([inputs[i] for i in indices]), indices)
            except RuntimeError as error:
                if not _out_of_memory(error):
                    raise
                if len(indices) == 1:
                    raise ModelError(
                        "memory ran out on a single picture; use smaller pictures or fewer layers."
                    ) from error
                half = len(indices) // 2
                pending[:0] = [indices[:half], indices[half:]]
                continue
            yield indices, result


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _one_of(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        known = ", ".join(map(repr, choices))
        raise OptionError(f"{option}={value!r} is not known; choose {known}.{did_you_mean(str(value), choices)}")
