"""Recording a model: the activations and gradients of every layer asked for, from one forward pass.

Nothing is computed that nobody asked for: there is no graph before the first layer named, none at all without
gradients, never a weight gradient, and where only activations are wanted the model stops after the last layer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import TargetError
from featuremaps.layers.addresses import parse
from featuremaps.layers.attention_info import AttentionInfo
from featuremaps.layers.known import known_layers
from featuremaps.outputs.class_outputs import ClassOutputs, seen_outputs
from featuremaps.outputs.detections import seen_boxes
from featuremaps.outputs.outputs import mapped
from featuremaps.outputs.own_thresholds import gives_less_sure, own_threshold
from featuremaps.outputs.torchvision_detectors import check_label_names
from featuremaps.rules import Rectifiers, ReluRule
from featuremaps.runtime.attention import WatchedAttention
from featuremaps.runtime.capture import Capture, run_capturing, to_model
from featuremaps.runtime.gradient import sent_back
from featuremaps.runtime.record import Record
from featuremaps.runtime.run_errors import run_on
from featuremaps.session import Session
from featuremaps.targets.bound import Bound, Several, Target
from featuremaps.targets.detection_targets import bound_targets
from featuremaps.targets.targets import is_function


@torch.enable_grad()  # the caller may be a formula, which runs without
def take(
    session: Session,
    inputs: Float[Tensor, "batch channel *space"],
    layers: Sequence[str] = (),
    targets: Sequence[Target | Several | Bound] = (),
    *,
    apart: Sequence[str] = (),
    classes: ClassOutputs | None = None,
    gradients: bool = True,
    input_gradients: Sequence[ReluRule] = (),
    attention: bool = False,
    stop_early: bool = False,
    layout: torch.memory_format = torch.preserve_format,
) -> Record:
    """Run the model once on `inputs` and record `layers` (exact names, `"relu#0"` for one call of several).

    For each target one backward pass gives the gradients of its score, summed over the batch, with respect to the
    recorded maps, and one for each of `input_gradients` what comes back to the inputs that way. A `Bound` target may
    come from fewer pictures than `inputs` has, if `inputs` is a multiple of them, picture by picture. `layout` is how
    the inputs lie in memory, `classes` what is known of the class scores. With `attention` the probabilities of every
    attention are kept, and the same backward pass gives the gradients there. Layers named in `apart` are recorded too,
    with the gradients that do not come through another of them: what a detector's heads send to each of their maps.
    Raises `TargetError` for a target that does not fit, has no gradient, or whose score is not finite; `LayoutError`
    for a layer without maps; `ModelError` for one that never ran.
    """
    addresses = tuple(parse(layer) for layer in dict.fromkeys((*layers, *apart)))
    to_inputs = bool(input_gradients) or attention
    backward = bool(targets) and (gradients or to_inputs)
    inputs = to_model(session.model, inputs)
    rectifiers = Rectifiers() if set(input_gradients) - {"gradient"} else None
    infos = _attentions(session, inputs) if attention else None
    for with_graph in (to_inputs, True):
        forward = _forward(
            session,
            inputs,
            infos,
            rectifiers,
            layout=layout,
            to_inputs=backward and to_inputs,
            all_boxes=bool(targets) or classes is not None,
            wanted=addresses,
            gradients=backward,
            stop_early=stop_early,
            with_graph=with_graph and backward,
            apart=apart,
        )
        scored = _scored(session, inputs, forward.outputs, targets, classes)
        if not backward or with_graph or all(score.requires_grad for score in scored.scores):
            break  # else the model left the graph out itself (its own no_grad): once more, with a graph all the way
    sent: dict[str, Any] = {}
    if backward and scored.targets:
        check_gradients(scored.targets, scored.scores, list(forward.capture.taken) if gradients else [])
        of_layers = (layers, apart) if gradients else ((), ())
        passes = list(_ways_back(len(scored.scores), *of_layers, tuple(input_gradients), forward.attentions))
        sent = _backward(forward, scored.scores, passes, rectifiers)
    capture = forward.capture
    return Record(
        inputs=forward.inputs.detach(),
        outputs=_detached(forward.outputs),
        activations={address.name: capture.maps(address.name).detach().float() for address in addresses},
        layouts=dict(capture.layouts),
        **scored.fields(),
        **sent,
    )


def recorded(
    session: Session,
    inputs: Float[Tensor, "batch channel *space"],
    outputs: Any,
    targets: Sequence[Target | Several | Bound],
    classes: ClassOutputs,
) -> Record:
    """The record, without layers, of a pass that gave these outputs; raises as `take` does."""
    scored = _scored(session, inputs, outputs, targets, classes)
    return Record(inputs.detach(), _detached(outputs), {}, {}, **scored.fields())


def _attentions(session: Session, inputs: Tensor) -> tuple[AttentionInfo, ...]:
    with run_on(session.model, inputs):
        return known_layers(session.model, inputs, session.layout).attentions


@dataclass(frozen=True, eq=False)
class _Forward:
    """A forward pass: what it ran on, what its layers gave, its outputs, and the attentions that were watched."""

    inputs: Tensor
    capture: Capture
    outputs: Any
    attentions: WatchedAttention | None


def _forward(
    session: Session,
    inputs: Tensor,
    infos: Sequence[AttentionInfo] | None,
    rectifiers: Rectifiers | None,
    *,
    layout: torch.memory_format,
    to_inputs: bool,
    all_boxes: bool,
    **capturing: Any,
) -> _Forward:
    """Run the model as `run_capturing` does, on a copy of the inputs, which gradients go back to with `to_inputs`.

    With `all_boxes` a detector that left a picture without any is run again for those that it is less sure of.
    """
    while True:
        attentions = None if infos is None else WatchedAttention(infos, len(inputs))
        leaf = inputs.detach().clone(memory_format=layout).requires_grad_(to_inputs)
        watching = None if attentions is None else attentions.rule
        rules = [rule for rule in (rectifiers, watching) if rule is not None]
        capture, outputs = run_capturing(session, leaf, rules=rules, **capturing)
        if not (all_boxes and gives_less_sure(session, outputs)):
            return _Forward(leaf, capture, outputs, attentions)


@dataclass(frozen=True, eq=False)
class _Scored:
    """The targets bound to a batch with their scores; `classes` and `counts` as in a record."""

    classes: ClassOutputs
    targets: tuple[Bound, ...]
    scores: tuple[Tensor, ...]
    counts: tuple[int, ...]

    def fields(self) -> dict[str, Any]:
        """The same as fields of a record, without a graph."""
        scores = tuple(score.detach() for score in self.scores)
        return {"classes": self.classes, "targets": self.targets, "scores": scores, "counts": self.counts}


def _scored(
    session: Session,
    inputs: Tensor,
    outputs: Any,
    targets: Sequence[Target | Several | Bound],
    classes: ClassOutputs | None,
) -> _Scored:
    """What each target is for these outputs and its scores, the class scores being read where they are of interest."""
    read = ClassOutputs()
    if classes is not None or not all(isinstance(target, Bound) for target in targets):
        read = seen_outputs(session, inputs, outputs, classes or read)
    if classes is not None and not any(isinstance(target, Bound) or is_function(target) for target in targets):
        read = seen_boxes(outputs, replace(read, threshold=max(read.threshold, own_threshold(session))))
        check_label_names(session.model, read.count)
    each = [bound_targets(target, outputs, read, len(inputs)) for target in targets]
    bound = tuple(target for several in each for target in several)
    scores = tuple(checked_scores(target, outputs, len(inputs)) for target in bound)
    return _Scored(read, bound, scores, tuple(map(len, each)))


def checked_scores(target: Bound, outputs: object, batch: int) -> Tensor:
    """The target's scores for a batch; `TargetError` where one is not finite."""
    scores = target.scores(outputs, batch // len(target.labels))
    finite = scores.detach().isfinite()
    if not bool(finite.all()):
        bad = (~finite).nonzero()[:, 0].tolist()
        raise TargetError(
            f"the score of {target.labels[0]!r} is not finite for picture{'s' if len(bad) > 1 else ''} "
            f"{', '.join(map(str, bad[:5]))}: {scores.detach()[bad[0]].item()}. Look for NaN in the weights or the "
            "preprocessed picture, or an overflow in half precision."
        )
    return scores


def check_gradients(bound: Sequence[Bound], scores: Sequence[Tensor], layers: Sequence[str]) -> None:
    """`TargetError` where a score has no gradient to send back."""
    for target, score in zip(bound, scores, strict=True):
        if not score.requires_grad:
            raise TargetError(
                f"target {target.labels[0]!r} has no gradient: its score does not depend on the layers "
                f"{', '.join(layers) or 'or the input'} through operations that can be differentiated. A target "
                "function must keep the graph (no .detach(), .item() or argmax), and the model must not compute "
                "these layers' successors under no_grad."
            )


@dataclass(frozen=True)
class _WayBack:
    """One backward pass: from the score of a target, by a way through ReLUs, to layers and perhaps to the inputs.

    `apart`: none of the layers sends anything on to another. `attended`: the pass reaches the attentions too.
    """

    target: int
    way: ReluRule
    layers: tuple[str, ...] = ()
    to_inputs: bool = False
    apart: bool = False
    attended: bool = False


def _ways_back(
    count: int,
    layers: Sequence[str],
    apart: Sequence[str],
    ways: tuple[ReluRule, ...],
    attentions: WatchedAttention | None,
) -> Iterator[_WayBack]:
    """For each target one pass for layers, attentions and the plain input gradient, and one for each other way."""
    attended = attentions is not None and bool(attentions.differentiable)
    for target in range(count):
        if apart:
            yield _WayBack(target, "gradient", tuple(dict.fromkeys(apart)), apart=True)
        if layers or attended or "gradient" in ways:
            names = tuple(dict.fromkeys(layers))
            yield _WayBack(target, "gradient", names, "gradient" in ways, attended=attended)
        for way in dict.fromkeys(ways):
            if way != "gradient":
                yield _WayBack(target, way, to_inputs=True)


def _backward(
    forward: _Forward, scores: Sequence[Tensor], passes: Sequence[_WayBack], rectifiers: Rectifiers | None
) -> dict[str, Any]:
    """What these passes give, as fields of a record."""
    capture, inputs, attentions = forward.capture, forward.inputs, forward.attentions
    of_layers: dict[bool, list[dict[str, Tensor]]] = {apart: [{} for _ in scores] for apart in (False, True)}
    of_inputs: list[dict[ReluRule, Tensor]] = [{} for _ in scores]
    of_attentions = [() if attentions is None else attentions.with_gradients([None] * len(attentions.differentiable))]
    of_attentions *= len(scores)
    notes: dict[ReluRule, str] = {}
    unreached: set[str] = set()
    for number, back in enumerate(passes):
        watched = attentions.differentiable if attentions is not None and back.attended else []
        leaves = [*(capture.taken[name] for name in back.layers), *watched, *[inputs] * back.to_inputs]
        capture.gate.open = not back.apart
        if rectifiers is not None:
            rectifiers.way = back.way
            if back.way != "gradient" and (note := rectifiers.warning()):
                notes[back.way] = note
        arrived = sent_back(scores[back.target], leaves, retain_graph=number < len(passes) - 1)
        unreached |= {name for name, gradient in zip(back.layers, arrived, strict=False) if gradient is None}
        if attentions is not None and back.way == "gradient" and not back.apart:
            first = len(back.layers)
            of_attentions[back.target] = attentions.with_gradients(arrived[first : first + len(watched)])
        gradients = [
            torch.zeros_like(leaf) if grad is None else grad for leaf, grad in zip(leaves, arrived, strict=True)
        ]
        for name, gradient in zip(back.layers, gradients, strict=False):
            of_layers[back.apart][back.target][name] = capture.layouts[name].to_maps(gradient).float()
        if back.to_inputs:
            of_inputs[back.target][back.way] = gradients[-1].float()
    return {
        "gradients_by_target": tuple(of_layers[False]) if any(of_layers[False]) else (),
        "apart_by_target": tuple(of_layers[True]) if any(of_layers[True]) else (),
        "input_gradients_by_target": tuple(of_inputs) if any(of_inputs) else (),
        "notes": notes,
        "unreached": frozenset(unreached),
        "attentions_by_target": tuple(of_attentions) if attentions else (),
        "token_norms": attentions.rule.norms_of(len(inputs)) if attentions else {},
    }


def _detached(outputs: Any) -> Any:
    """Outputs without their graph, which would keep every activation alive."""
    return mapped(outputs, Tensor, Tensor.detach)
