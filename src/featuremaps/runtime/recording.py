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
from featuremaps.runtime.memory_format import run_on
from featuremaps.runtime.record import Record
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
    far = bool(input_gradients) or attention
    backward = bool(targets) and (gradients or far)
    inputs = to_model(session.model, inputs)
    rule = Rectifiers() if set(input_gradients) - {"gradient"} else None
    infos = _attentions(session, inputs) if attention else ()
    asks = bool(targets) or classes is not None
    for with_graph in (far, True):
        run_again = True
        while run_again:
            seen = WatchedAttention(infos, len(inputs)) if attention else None
            leaf = inputs.detach().clone(memory_format=layout).requires_grad_(backward and far)
            rules = [each for each in (rule, seen and seen.rule) if each is not None]
            graph: dict[str, Any] = {"gradients": backward, "with_graph": with_graph and backward, "rules": rules}
            tap, outputs = run_capturing(session, leaf, addresses, stop_early=stop_early, apart=apart, **graph)
            run_again = asks and gives_less_sure(session, outputs)
        read, each = _bind(session, inputs, outputs, targets, classes)
        bound = tuple(target for several in each for target in several)
        scores = tuple(checked_scores(target, outputs, len(inputs)) for target in bound)
        if not backward or with_graph or all(score.requires_grad for score in scores):
            break  # else the model left the graph out itself (its own no_grad): once more, with a graph all the way
    record: dict[str, Any] = {}
    if backward and bound:
        check_gradients(bound, scores, list(tap.taken) if gradients else [])
        of_layers = (layers, apart) if gradients else ((), ())
        passes = list(_ways_back(len(scores), *of_layers, tuple(input_gradients), seen))
        record = _backward(tap, leaf, scores, passes, rule, seen)
    return Record(
        inputs=leaf.detach(),
        outputs=_detached(outputs),
        activations={address.name: tap.maps(address.name).detach().float() for address in addresses},
        layouts=dict(tap.layouts),
        targets=bound,
        scores=tuple(score.detach() for score in scores),
        classes=read,
        counts=tuple(map(len, each)),
        **record,
    )


def recorded(
    session: Session,
    inputs: Float[Tensor, "batch channel *space"],
    outputs: Any,
    targets: Sequence[Target | Several | Bound],
    classes: ClassOutputs,
) -> Record:
    """The record, without layers, of a pass that gave these outputs; raises as `take` does."""
    read, each = _bind(session, inputs, outputs, targets, classes)
    bound = tuple(target for several in each for target in several)
    scores = tuple(checked_scores(target, outputs, len(inputs)).detach() for target in bound)
    counts = tuple(map(len, each))
    return Record(inputs.detach(), _detached(outputs), {}, {}, bound, scores, classes=read, counts=counts)


def _attentions(session: Session, inputs: Tensor) -> tuple[AttentionInfo, ...]:
    with run_on(session.model, inputs):
        return known_layers(session.model, inputs, session.layout).attentions


def _bind(
    session: Session,
    inputs: Tensor,
    outputs: Any,
    targets: Sequence[Target | Several | Bound],
    classes: ClassOutputs | None,
) -> tuple[ClassOutputs, list[Sequence[Bound]]]:
    """How the class scores are read, where that is of interest, and what each target is for these outputs."""
    read = ClassOutputs()
    if classes is not None or not all(isinstance(target, Bound) for target in targets):
        read = seen_outputs(session, inputs, outputs, classes or read)
    if classes is not None and not any(isinstance(target, Bound) or is_function(target) for target in targets):
        read = seen_boxes(outputs, replace(read, threshold=max(read.threshold, own_threshold(session))))
        check_label_names(session.model, read.count)
    return read, [bound_targets(target, outputs, read, len(inputs)) for target in targets]


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
    seen: WatchedAttention | None,
) -> Iterator[_WayBack]:
    """For each target one pass for layers, attentions and the plain input gradient, and one for each other way."""
    attended = seen is not None and bool(seen.differentiable)
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
    tap: Capture,
    inputs: Tensor,
    scores: Sequence[Tensor],
    passes: Sequence[_WayBack],
    rule: Rectifiers | None,
    seen: WatchedAttention | None,
) -> dict[str, Any]:
    """What these passes give, as fields of a record."""
    by_target: dict[bool, list[dict[str, Tensor]]] = {apart: [{} for _ in scores] for apart in (False, True)}
    of_inputs: list[dict[ReluRule, Tensor]] = [{} for _ in scores]
    unreached_attentions = seen.with_gradients([None] * len(seen.differentiable)) if seen is not None else ()
    attentions = [unreached_attentions for _ in scores]
    notes: dict[ReluRule, str] = {}
    unreached: set[str] = set()
    for number, one in enumerate(passes):
        watched = seen.differentiable if seen is not None and one.attended else []
        leaves = [*(tap.taken[name] for name in one.layers), *watched, *[inputs] * one.to_inputs]
        tap.gate.open = not one.apart
        if rule is not None:
            rule.way = one.way
            if one.way != "gradient" and (note := rule.warning()):
                notes[one.way] = note
        found = sent_back(scores[one.target], leaves, retain_graph=number < len(passes) - 1)
        unreached |= {name for name, grad in zip(one.layers, found, strict=False) if grad is None}
        if seen is not None and one.way == "gradient" and not one.apart:
            attentions[one.target] = seen.with_gradients(found[len(one.layers) : len(one.layers) + len(watched)])
        grads = [torch.zeros_like(leaf) if grad is None else grad for leaf, grad in zip(leaves, found, strict=True)]
        for name, grad in zip(one.layers, grads, strict=False):
            by_target[one.apart][one.target][name] = tap.layouts[name].to_maps(grad).float()
        if one.to_inputs:
            of_inputs[one.target][one.way] = grads[-1].float()
    return {
        "gradients_by_target": tuple(by_target[False]) if any(by_target[False]) else (),
        "apart_by_target": tuple(by_target[True]) if any(by_target[True]) else (),
        "input_gradients_by_target": tuple(of_inputs) if any(of_inputs) else (),
        "notes": notes,
        "unreached": frozenset(unreached),
        "attentions_by_target": tuple(attentions) if seen else (),
        "token_norms": seen.rule.norms_of(len(inputs)) if seen else {},
    }


def _detached(outputs: Any) -> Any:
    """Outputs without their graph, which would keep every activation alive."""
    return mapped(outputs, Tensor, Tensor.detach)
