"""Every formula asked for on one record: a map for each method, layer and target of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from featuremaps.errors import MethodError, WrittenError
from featuremaps.explain.fused import fused
from featuremaps.explain.request import Request
from featuremaps.layers.listing import LEVELS
from featuremaps.methods import Method
from featuremaps.methods.needs import NEEDS, propagate, sent, together
from featuremaps.methods.passes import Pass
from featuremaps.options import PassOptions
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.outputs.detections import DetectedBox
from featuremaps.outputs.own_thresholds import gives_less_sure
from featuremaps.registry import unwritten
from featuremaps.rules import Rule
from featuremaps.runtime.backward import run_by
from featuremaps.runtime.memory_format import quickest
from featuremaps.runtime.record import Record
from featuremaps.runtime.recording import recorded, take
from featuremaps.runtime.run_errors import out_of_memory, run_on
from featuremaps.session import Session
from featuremaps.targets.bound import Bound, Several, Target

Number = tuple[str, str, int]
"""A method, the layer it looks at, and the number of a record's target."""


@dataclass(frozen=True, eq=False)
class Part:
    """Maps for one chunk of pictures: with the notes on what the formula was given, the remarks it left.

    `drowned` has a doubt where scores are mostly rounding, one text for each map, and `levels` the share that each of
    several layers added up has in it. The labels, classes and regions of its targets and the warnings, one for each
    map, are found once the maps are whole, and so are the `rows`, the picture of the chunk that each map is of, and
    `boxes`, what a detector found there.
    """

    maps: Tensor
    notes: tuple[str, ...] = ()
    remarks: Mapping[str, Tensor] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    indices: tuple[int, ...] | None = None
    regions: Tensor | None = None
    drowned: tuple[str, ...] = ()
    warnings: tuple[tuple[str, ...], ...] = ()
    levels: tuple[Mapping[str, float], ...] = ()
    rows: tuple[int, ...] = ()
    boxes: tuple[DetectedBox | None, ...] = ()

    def doubted(self, doubt: str) -> "Part":
        """The same with one more warning for every map."""
        return replace(self, warnings=tuple((*some, doubt) for some in self.warnings))


NumberedParts = dict[Number, Part]


def maps_of(
    session: Session,
    inputs: Tensor,
    request: Request,
    targets: Sequence[Target | Several | Bound],
    failures: dict[Number, str],
) -> tuple[Record, NumberedParts]:
    """One record, and from it a map (batch, *space) or values (batch, colour, *space) per method, layer and target.

    Messages of methods that fail are left in `failures`, where the request allows that.
    """
    need = together(name for method in request.methods for name in method.needs)
    levels = request.fused.get(LEVELS, ())
    others = [each for layer in request.layers if layer != LEVELS for each in request.fused.get(layer, (layer,))]
    deeper = [below for layer in (*others, *levels) for below in request.deeper.get(layer, ())]

    def run(layout: torch.memory_format) -> Record:
        return take(
            session,
            inputs,
            list(dict.fromkeys([*others, *deeper])),
            targets if need.target or request.asked else (),
            apart=levels,
            classes=request.classes,
            gradients=need.gradients,
            input_gradients=need.ways,
            attention=need.attention,
            stop_early=request.stop_early,
            layout=layout,
        )

    record, made = _by_first_rule(session, inputs, request, targets)
    if record is None:
        all_the_way = bool(need.ways) and inputs.ndim == 4
        pays = all_the_way and len(inputs) > 1  # a ResNet's gradient of one picture takes longer with channels last
        record = quickest(session, run) if pays else run(torch.preserve_format)
    tails: dict[str, Any] = {}
    every = list(range(sum(record.counts) if record.counts else 1))
    for layer, method in request.pairs:
        for numbers in [every] if method.joint and every else [[number] for number in every]:
            if (method.name, layer, numbers[0]) in made:
                continue
            of_targets = record.for_targets(numbers)
            try:
                parts = _of_layer(method, layer, of_targets, session, request, tails)
                made |= {(method.name, layer, number): part for number, part in zip(numbers, parts, strict=True)}
            except Exception as error:
                kept = request.keep_failures and not isinstance(error, WrittenError)
                if not kept or (out_of_memory(error) and len(inputs) > 1):
                    raise
                failures |= {(method.name, layer, number): f"{type(error).__name__}: {error}" for number in numbers}
    return record, made


def _by_first_rule(
    session: Session, inputs: Tensor, request: Request, targets: Sequence[Target | Several | Bound]
) -> tuple[Record | None, NumberedParts]:
    """The record and the first target's part, where all that is asked for comes back by a rule: one pass for both."""
    pairs = request.pairs
    if request.keep_failures or len(pairs) != 1 or pairs[0][1].needs != ("propagate",):
        return None, {}
    layer, method = pairs[0]
    first = FirstRule(session, inputs, targets, request.classes, layer, request.options)
    with torch.no_grad(), run_on(session.model, inputs):
        map = _mapped(method, [first], request)
    if first.record is None or first.given is None:
        return first.record, {}
    maps = _checked(method, map, first.given)
    return first.record, {(method.name, layer, 0): _part(maps, [first.given])}


def _of_layer(
    method: Method, layer: str, record: Record, session: Session, request: Request, tails: dict[str, Any]
) -> list[Part]:
    """A part for each target of the record; several layers that are one to the user are added up."""
    own = request.fused.get(layer, (layer,))
    apart = own if layer == LEVELS else ()
    record = record.of_levels() if apart else record
    passes = [Pass(session, record, each, request.deeper.get(each, ()), request.options, tails, apart) for each in own]
    of_each = [_maps(method, given, request) for given in passes]
    return [_part(maps, passes) for maps in zip(*of_each, strict=True)]


def _part(maps: Sequence[Tensor], passes: Sequence[Pass]) -> Part:
    """The maps of one target, a tensor for each layer, as one part."""
    map, shares = fused(maps)
    levels = tuple(
        {given.layer: share for given, share in zip(passes, row, strict=True)} for row in shares if len(passes) > 1
    )
    notes = tuple(dict.fromkeys(note for given in passes for note in given.notes))
    return Part(map, notes, dict(passes[0].remarks), drowned=_drowned(passes), levels=levels)


def _drowned(passes: Sequence[Pass]) -> tuple[str, ...]:
    """For each picture a doubt where the scores of every layer's map are mostly rounding; "" elsewhere."""
    rounded = passes[0].rounded_to
    doubt = (
        "The scores that this map is made of differ by hardly more than their rounding "
        f"({str(rounded).removeprefix('torch.')}): take another target or method, or a higher precision."
    )
    drowned = torch.stack([given.span.drowned(rounded) for given in passes]).all(0)
    return tuple(doubt if row else "" for row in drowned.tolist())


def _maps(method: Method, given: Pass, request: Request) -> list[Tensor]:
    """What a formula gives for each target of the pass."""
    with torch.no_grad(), run_on(given.session.model, given.record.inputs):
        map = _mapped(method, [NEEDS[name].supply(given) for name in method.needs], request)
    return _checked(method, map, given)


def _mapped(method: Method, needs: Sequence[Any], request: Request) -> object:
    """What a formula gives."""
    options = dict(request.options.of_methods.get(method.name, {}))
    if "eigen" in request.options.smoothings and "combine" in method.options:
        options["combine"] = "principal"
    with unwritten(method, needs):
        return method.formula(*needs, **options)


def _checked(method: Method, map: object, given: Pass) -> list[Tensor]:
    """The maps, one for each target of the pass; `MethodError` where they have another shape than such maps have."""
    shape = tuple(map.shape) if isinstance(map, Tensor) else None
    if not isinstance(map, Tensor) or shape not in _expected(method, given):
        wanted = " or ".join(str(expected) for expected in _expected(method, given))
        axes = "(batch, height, width)" if method.level == "layer" else "(batch, colour, height, width)"
        got = f"shape {shape}" if shape else f"a {type(map).__name__}"
        raise MethodError(f"method {method.name!r} must return a map {wanted} {axes}; it gave {got}.")
    maps = list(map.detach().float()) if method.joint else [map.detach().float()]
    if method.level == "layer":
        maps = [map.reshape(len(map), *given.record.grid(given.layer)) for map in maps]
    return maps


def _expected(method: Method, given: Pass) -> list[tuple[int, ...]]:
    """The shapes that a method's map may have."""
    joint = (len(given.record.targets),) if method.joint else ()
    if method.level == "pixel":
        batch, colours, *space = given.record.inputs.shape
        return [(*joint, batch, colours, *space)] + ([(*joint, batch, 1, *space)] if colours != 1 else [])
    maps = given.record.activations[given.layer]
    own = [(*joint, len(maps), *given.record.grid(given.layer))] if given.record.inputs.ndim != 4 else []
    return [(*joint, len(maps), *maps.shape[2:]), *own]


@dataclass(eq=False)
class FirstRule:
    """What `propagate` is to a formula before there is a record: the first rule's pass makes it.

    `record` is then that of the run under the rule, where the rule runs the model on the pictures as they are, and
    `given` its pass for the first target, None where there is no target.
    """

    session: Session
    inputs: Tensor
    targets: Sequence[Target | Several | Bound]
    classes: ClassOutputs
    layer: str
    options: PassOptions
    record: Record | None = None
    given: Pass | None = None

    def __call__(self, rule: Rule) -> Tensor:
        """What the rule sends from the first target's score to the pictures."""
        if self.given is not None:
            return propagate(self.given)(rule)
        run = run_by(self.session, self.inputs, rule)
        while gives_less_sure(self.session, run.outputs):
            run = run_by(self.session, self.inputs, rule)
        if type(rule).prepared is Rule.prepared:
            self.record = recorded(self.session, run.inputs, run.outputs, self.targets, self.classes)
        else:
            self.record = take(self.session, self.inputs, (), self.targets, classes=self.classes, gradients=False)
        if not self.record.targets:
            return torch.zeros_like(run.inputs)
        self.given = Pass(self.session, self.record.for_target(0), self.layer, options=self.options)
        return sent(self.given, run)
