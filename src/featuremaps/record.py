"""One recording of a model: the activations and gradients of every layer asked for, from one forward pass.

Nothing is computed that nobody asked for: there is no graph before the first layer named, none at all without
gradients, never a weight gradient, and where only activations are wanted the model stops after the last layer.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from featuremaps.errors import ModelError, TargetError
from featuremaps.layers.addresses import Address, find, parse
from featuremaps.layers.layout import Layout, layout_of, needs_layout
from featuremaps.outputs import Classes, logits_of
from featuremaps.rules import Rectifiers, Rule, Way
from featuremaps.running import run_on
from featuremaps.state import Session
from featuremaps.targets import Bound, Target


@dataclass(frozen=True, eq=False, repr=False)
class Record:
    """One pass over a batch.

    `activations[layer]` and `gradients[layer]` are maps (batch, channel, height, width), float32, on the model's
    device. With several targets `gradients` is that of the first; `for_target(i)` gives the record of another.
    `input_gradients[way]` is shaped like `inputs`, for each way back through a ReLU that was asked for; `notes[way]` is
    a warning where that way found nothing to act on. `unreached` names layers the target's score does not depend on.
    """

    inputs: Tensor
    outputs: Any
    activations: Mapping[str, Float[Tensor, "batch _channel _height _width"]]
    layouts: Mapping[str, Layout]
    targets: tuple[Bound, ...] = ()
    scores: tuple[Float[Tensor, " batch"], ...] = ()
    gradients_by_target: tuple[Mapping[str, Float[Tensor, "batch _channel _height _width"]], ...] = ()
    input_gradients_by_target: tuple[Mapping[Way, Tensor], ...] = ()
    notes: Mapping[Way, str] = field(default_factory=dict)
    unreached: frozenset[str] = frozenset()

    @property
    def logits(self) -> Tensor | None:
        """The model's class scores, where it gives any."""
        return logits_of(self.outputs)

    @property
    def gradients(self) -> Mapping[str, Float[Tensor, "batch _channel _height _width"]]:
        """Gradients of the first target's score with respect to each layer's maps; empty when none were asked for."""
        return self.gradients_by_target[0] if self.gradients_by_target else {}

    @property
    def input_gradients(self) -> Mapping[Way, Tensor]:
        """What came back to the inputs from the first target's score, for each way asked for."""
        return self.input_gradients_by_target[0] if self.input_gradients_by_target else {}

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {tuple(maps.shape)}" for name, maps in self.activations.items())
        wanted = ", ".join(dict.fromkeys(label for target in self.targets for label in target.labels))
        gradients = f", gradients for {wanted}" if self.gradients_by_target else ""
        return f"<Record of {len(self.inputs)} picture{'s' if len(self.inputs) != 1 else ''}: {shapes}{gradients}>"

    def for_target(self, number: int) -> "Record":
        """The same pass seen from its target `number`."""
        one = slice(number, number + 1)
        return replace(
            self,
            targets=self.targets[one],
            scores=self.scores[one],
            gradients_by_target=self.gradients_by_target[one],
            input_gradients_by_target=self.input_gradients_by_target[one],
        )


class _Stop(BaseException):
    """Ends a forward pass after the last layer needed; no `except Exception` in a model may catch it."""


@dataclass
class _Tap:
    """What the hooks collect during one forward pass."""

    wanted: tuple[Address, ...]
    input_shape: tuple[int, ...]
    prefix: int | None
    gradients: bool
    stop_early: bool
    taken: dict[str, Tensor] = field(default_factory=dict)
    layouts: dict[str, Layout] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)

    def hook(self, layer: str) -> Any:
        addresses = [address for address in self.wanted if address.layer == layer]

        def on_forward(module: nn.Module, _: Any, output: Any) -> Any:
            call = self.calls[layer]
            self.calls[layer] += 1
            for address in addresses:
                if address.call in (None, call):
                    output = self._take(address.name, module, output)
            if self.stop_early and len(self.taken) == len(self.wanted):
                raise _Stop
            return output

        return on_forward

    def _take(self, name: str, module: nn.Module, output: Any) -> Any:
        """Keep the output, and hand on a copy, because the next operation may work in place."""
        tensor = first_tensor(output)
        layout = layout_of(tensor, module, self.input_shape, prefix=self.prefix)
        self.layouts[name] = needs_layout(layout, name, output if tensor is None else tensor)
        assert tensor is not None
        if not self.gradients:
            self.taken[name] = tensor.detach().clone()
            return output
        torch.set_grad_enabled(True)
        kept = tensor if tensor.requires_grad else tensor.detach().requires_grad_()
        self.taken[name] = kept
        return with_first_tensor(output, kept.clone())


@torch.enable_grad()  # the caller may be a formula, which runs without
def take(
    session: Session,
    inputs: Float[Tensor, "batch channel *space"],
    layers: Sequence[str] = (),
    targets: Sequence[Target | Bound] = (),
    *,
    classes: Classes = None,
    gradients: bool = True,
    input_gradients: Sequence[Way] = (),
    stop_early: bool = False,
    layout: torch.memory_format = torch.preserve_format,
) -> Record:
    """Run the model once on `inputs` and record `layers` (exact names, `"relu#0"` for one call of several).

    For each target one backward pass gives the gradients of its score, summed over the batch, with respect to the
    recorded maps, and one for each of `input_gradients` what comes back to the inputs that way. A `Bound` target may
    come from fewer pictures than `inputs` has, if `inputs` is a multiple of them, picture by picture. `layout` is how
    the inputs lie in memory. Raises `TargetError` for a target that does not fit, has no gradient, or whose score is
    not finite; `LayoutError` for a layer without maps; `ModelError` for one that never ran.
    """
    addresses = tuple(parse(layer) for layer in layers)
    backward = bool(targets) and (gradients or bool(input_gradients))
    inputs = to_model(session.model, inputs)
    rule = Rectifiers() if set(input_gradients) - {"gradient"} else None
    for with_graph in (bool(input_gradients), True):
        leaf = inputs.detach().clone(memory_format=layout).requires_grad_(backward and bool(input_gradients))
        tap = _Tap(
            addresses, tuple(inputs.shape), getattr(session.model, "num_prefix_tokens", None), backward, stop_early
        )
        outputs = _forward(session, leaf, tap, with_graph and backward, rule)
        _check_all_ran(addresses, tap)
        bound = tuple(_bind(target, outputs, classes, len(inputs)) for target in targets)
        scores = tuple(_scores(target, outputs, len(inputs)) for target in bound)
        if not backward or with_graph or all(score.requires_grad for score in scores):
            break  # else the model left the graph out itself (its own no_grad): once more, with a graph all the way
    record: dict[str, Any] = {}
    if backward:
        _check_gradients(bound, scores, list(tap.taken) if gradients else [])
        record = _backward(tap, leaf, scores, gradients, tuple(input_gradients), rule)
    return Record(
        inputs=leaf.detach(),
        outputs=_detached(outputs),
        activations={
            name: tap.layouts[name].to_maps(tap.taken[name].detach()).float() for name in map(_name, addresses)
        },
        layouts=dict(tap.layouts),
        targets=bound,
        scores=tuple(score.detach() for score in scores),
        **record,
    )


@torch.enable_grad()
def propagate(session: Session, inputs: Tensor, target: Bound, rule: Rule) -> Tensor:
    """What `rule` sends from the target's score back to `inputs`, shaped like them: a forward and a backward pass."""
    inputs = to_model(session.model, inputs.detach())
    leaf = to_model(session.model, rule.prepared(inputs)).detach().clone().requires_grad_()
    with session.one_pass(), rule, run_on(session.model, leaf):
        scores = _scores(target, session.model(leaf), len(leaf))
    _check_gradients([target], [scores], [])
    start = scores.detach() if rule.start == "score" else torch.ones_like(scores)
    arrived = torch.autograd.grad(scores, [leaf, *rule.watched], grad_outputs=start, allow_unused=True)
    rule.arrived = list(arrived[1:])
    return rule.collected(torch.zeros_like(leaf) if arrived[0] is None else arrived[0], inputs).float()


@torch.enable_grad()
def send_back_unit(
    session: Session, inputs: Float[Tensor, "batch colour *space"], layer: str, channel: int, way: Way
) -> tuple[Float[Tensor, " batch"], Int[Tensor, "batch 2"], Float[Tensor, "batch colour *space"]]:
    """A channel's highest value in each picture, its place (row, column), and what `way` sends back from there.

    What is sent is the value itself (Zeiler & Fergus 2014, section 2.1). The model stops at the layer.
    """
    address, leaf = parse(layer), to_model(session.model, inputs).detach().clone().requires_grad_()
    tap = _Tap((address,), tuple(leaf.shape), getattr(session.model, "num_prefix_tokens", None), True, True)
    rule = Rectifiers()
    _forward(session, leaf, tap, True, rule)
    _check_all_ran([address], tap)
    own = tap.layouts[layer].to_maps(tap.taken[layer])[:, channel]
    values, places = own.flatten(1).max(1)
    rule.way = way
    (signal,) = torch.autograd.grad(values, leaf, grad_outputs=values.detach())
    rows_and_columns = torch.stack([places // own.shape[2], places % own.shape[2]], 1)
    return values.detach().float(), rows_and_columns, signal.float()


def to_model(model: nn.Module, inputs: Tensor) -> Tensor:
    """Inputs on the model's device, in its floating-point type."""
    like = next((p for p in model.parameters() if p.is_floating_point()), None)
    return inputs if like is None else inputs.to(like.device, like.dtype)


def first_tensor(output: object) -> Tensor | None:
    """The tensor in a layer's output: itself, or the first of a tuple, list, dict or model output."""
    if isinstance(output, Tensor):
        return output
    values = output.values() if isinstance(output, Mapping) else output if isinstance(output, tuple | list) else ()
    return next((value for value in values if isinstance(value, Tensor)), None)


def with_first_tensor(output: Any, tensor: Tensor) -> Any:
    """The same output with its first tensor replaced."""
    if isinstance(output, Tensor):
        return tensor
    if isinstance(output, Mapping):
        key = next(key for key, value in output.items() if isinstance(value, Tensor))
        changed = dict(output) | {key: tensor}
        return changed if type(output) is dict else type(output)(**changed)
    position = next(i for i, value in enumerate(output) if isinstance(value, Tensor))
    items = [*output[:position], tensor, *output[position + 1 :]]
    return type(output)(*items) if hasattr(output, "_fields") else type(output)(items)


def _name(address: Address) -> str:
    return address.name


def _forward(session: Session, inputs: Tensor, tap: _Tap, with_graph: bool, rule: Rule | None) -> Any:
    with session.one_pass() as hooks, torch.set_grad_enabled(with_graph), rule or nullcontext():
        for layer in dict.fromkeys(address.layer for address in tap.wanted):
            hooks.on_forward(find(session.model, layer), tap.hook(layer))
        try:
            with run_on(session.model, inputs):
                return session.model(inputs)
        except _Stop:
            return None


def _check_all_ran(addresses: Sequence[Address], tap: _Tap) -> None:
    for address in addresses:
        if address.name not in tap.taken:
            ran = tap.calls[address.layer]
            done = f"ran {ran} time{'s' if ran > 1 else ''} (calls are counted from 0)" if ran else "did not run"
            raise ModelError(
                f"layer {address.name!r} {done} for this input. It exists in the model, but its forward pass "
                "takes another way (an auxiliary head, say). Choose a layer that runs: scope.layers() lists them."
            )


def _bind(target: Target | Bound, outputs: object, classes: Classes, batch: int) -> Bound:
    return target if isinstance(target, Bound) else target.bind(outputs, classes, batch)


def _scores(target: Bound, outputs: object, batch: int) -> Tensor:
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


def _check_gradients(bound: Sequence[Bound], scores: Sequence[Tensor], layers: Sequence[str]) -> None:
    for target, score in zip(bound, scores, strict=True):
        if not score.requires_grad:
            raise TargetError(
                f"target {target.labels[0]!r} has no gradient: its score does not depend on the layers "
                f"{', '.join(layers) or 'or the input'} through operations that can be differentiated. A target "
                "function must keep the graph (no .detach(), .item() or argmax), and the model must not compute "
                "these layers' successors under no_grad."
            )


def _backward(
    tap: _Tap,
    inputs: Tensor,
    scores: Sequence[Tensor],
    gradients: bool,
    ways: tuple[Way, ...],
    rule: Rectifiers | None,
) -> dict[str, Any]:
    """One backward pass per score for the layers and the plain input gradient, and one for each other way."""
    names = list(tap.taken) if gradients else []
    plain: list[Way] = ["gradient"] if names or "gradient" in ways else []
    passes = [(score, way) for score in scores for way in dict.fromkeys([*plain, *ways])]
    by_target: list[dict[str, Tensor]] = [{} for _ in scores]
    of_inputs: list[dict[Way, Tensor]] = [{} for _ in scores]
    notes: dict[Way, str] = {}
    unreached: set[str] = set()
    for number, (score, way) in enumerate(passes):
        target = number * len(scores) // len(passes)
        wanted = names if way == "gradient" else []
        leaves = [tap.taken[name] for name in wanted] + ([inputs] if way in ways else [])
        if rule is not None:
            rule.way = way
            if way != "gradient" and (note := rule.warning()):
                notes[way] = note
        last = number == len(passes) - 1
        found = torch.autograd.grad(score.sum(), leaves, retain_graph=not last, allow_unused=True)
        unreached |= {name for name, grad in zip(wanted, found, strict=False) if grad is None}
        grads = [torch.zeros_like(leaf) if grad is None else grad for leaf, grad in zip(leaves, found, strict=True)]
        for name, grad in zip(wanted, grads, strict=False):
            by_target[target][name] = tap.layouts[name].to_maps(grad).float()
        if way in ways:
            of_inputs[target][way] = grads[-1].float()
    return {
        "gradients_by_target": tuple(by_target) if gradients else (),
        "input_gradients_by_target": tuple(of_inputs) if ways else (),
        "notes": notes,
        "unreached": frozenset(unreached),
    }


def _detached(outputs: Any) -> Any:
    """Outputs without their graph, which would keep every activation alive."""
    if isinstance(outputs, Tensor):
        return outputs.detach()
    if isinstance(outputs, Mapping):
        detached = {key: _detached(value) for key, value in outputs.items()}
        return detached if type(outputs) is dict else type(outputs)(**detached)
    if isinstance(outputs, tuple | list):
        items = [_detached(value) for value in outputs]
        return type(outputs)(*items) if hasattr(outputs, "_fields") else type(outputs)(items)
    return outputs
