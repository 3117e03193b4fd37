"""What a method may name as its parameters, and how each is supplied from a record.

Everything a formula uses arrives through one of these names, so reading the parameter names of the methods asked
for tells the engine all it has to compute, and no more.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from featuremaps.acceleration.batch_norm_folding import batch_norms_folded
from featuremaps.acceleration.box_scoring import BoxScoring
from featuremaps.errors import MethodError, TargetError
from featuremaps.layers.attention_use import words_of_missing
from featuremaps.layers.info import LayerInfo
from featuremaps.layers.known import known_layers
from featuremaps.methods.passes import Pass, autocast, copies, run_tail, scoring
from featuremaps.methods.shapes import Inputs, Maps, Score, SpatialMaps
from featuremaps.outputs.detections import detections_of
from featuremaps.rules import ReluRule, Rule
from featuremaps.rules.biases import Biases
from featuremaps.runtime.attention import Attended, left_out, outliers
from featuremaps.runtime.backward import RuleRun, run_by
from featuremaps.runtime.memory_format import quickest
from featuremaps.runtime.record import Record
from featuremaps.runtime.recording import take
from featuremaps.runtime.warnings import beyond_its_fields, misplaced
from featuremaps.tail import Without

Ways = tuple[ReluRule, ...]


@dataclass(frozen=True)
class Need:
    """A parameter name that formulas may use, what it is, and what recording it takes.

    `layer`: it depends on the layer. `ways`: ways back through a ReLU to the inputs that the record must hold.
    `attention`: the record must hold the model's attentions. `joint`: it is about all targets of the record at once.
    """

    name: str
    doc: str
    supply: Callable[[Pass], Any]
    gradients: bool = False
    deeper: bool = False
    target: bool = False
    layer: bool = False
    ways: Ways = ()
    attention: bool = False
    joint: bool = False


NEEDS: dict[str, Need] = {}


def need(
    *,
    gradients: bool = False,
    deeper: bool = False,
    target: bool = False,
    layer: bool = False,
    ways: Ways = (),
    attention: bool = False,
    joint: bool = False,
) -> Callable[[Callable[[Pass], Any]], Callable[[Pass], Any]]:
    """Register a supplier under its function's name; its docstring is the description users read."""

    def register(supply: Callable[[Pass], Any]) -> Callable[[Pass], Any]:
        doc, name = (supply.__doc__ or "").strip(), supply.__name__
        wants_target = target or gradients or attention or bool(ways)
        by_layer = layer or gradients or deeper
        NEEDS[name] = Need(name, doc, supply, gradients, deeper, wants_target, by_layer, ways, attention, joint)
        return supply

    return register


def together(names: Iterable[str]) -> Need:
    """The union of several needs: the least recording that supplies them all."""
    needs = [NEEDS[name] for name in names]
    return Need(
        "union",
        "",
        lambda _: None,
        gradients=any(need.gradients for need in needs),
        deeper=any(need.deeper for need in needs),
        target=any(need.target for need in needs),
        layer=any(need.layer for need in needs),
        ways=tuple(dict.fromkeys(way for need in needs for way in need.ways)),
        attention=any(need.attention for need in needs),
    )


@need(layer=True)
def activations(given: Pass) -> Maps:
    """The layer's output as maps."""
    return given.record.activations[given.layer]


@need(layer=True)
def unfolded_activations(given: Pass) -> SpatialMaps:
    """The same with the input's own axes: (batch, channel, time) of signals, (…, depth, height, width) of volumes.

    A formula may return its map with these axes too.
    """
    return _unfolded(given, given.layer)


def _unfolded(given: Pass, layer: str) -> Tensor:
    record = given.record
    return record.activations[layer] if record.inputs.ndim == 4 else record.spatial(layer)


@need(layer=True)
def spatial_activations(given: Pass) -> SpatialMaps:
    """`unfolded_activations` that are laid over the input.

    `MethodError` where the model cuts, shifts or pads it inside.
    """
    if beyond_its_fields(_info(given), given.record.inputs.shape[2:]):
        raise MethodError(
            f"this method lays the maps of {given.layer!r} over the picture, and the model cuts, shifts or pads the "
            "picture inside, so they would lie beside what they show. Do that in the transform instead, or use a "
            "method of the layer alone, such as grad_cam or ablation_cam."
        )
    return _unfolded(given, given.layer)


@need(gradients=True)
def gradients(given: Pass) -> Maps:
    """The gradient of the target's score with respect to the layer's maps."""
    return given.record.gradients[given.layer]


@need(deeper=True)
def deeper_activations(given: Pass) -> tuple[SpatialMaps, ...]:
    """The outputs of the last layer of every coarser map size after this one; axes as in `unfolded_activations`."""
    return tuple(_unfolded(given, layer) for layer in given.deeper)


@need(gradients=True, deeper=True)
def deeper_gradients(given: Pass) -> tuple[Float[Tensor, "batch channel_ height_ width_"], ...]:
    """The gradients that belong to `deeper_activations`."""
    return tuple(given.record.gradients[layer] for layer in given.deeper)


@need()
def inputs(given: Pass) -> Inputs:
    """The preprocessed pictures, as the model received them."""
    return given.record.inputs.float()


@need(target=True)
def logits(given: Pass) -> Float[Tensor, "batch classes"]:
    """The model's class scores before the softmax."""
    return _every_class(given)(given.record.outputs, 1).float()


@need(target=True)
def target(given: Pass) -> Int[Tensor, " batch"]:
    """The class index being explained, per picture."""
    if given.target.indices is None:
        raise _no_class(given)
    return given.target.indices


def _every_class(given: Pass) -> Callable[[object, int], Tensor]:
    if given.target.every_class is None:
        raise _no_class(given)
    return given.target.every_class


def _no_class(given: Pass) -> TargetError:
    return TargetError(
        f"this method compares classes, and the target {given.target.labels[0]!r} is not a class. "
        "Give a class index or name, or choose another method."
    )


@need(target=True)
def score(given: Pass) -> Score:
    """A function from new inputs (batch·k, colour, height, width), picture by picture, to target scores (batch·k,)."""
    return copies(given, scoring(given, given.target.scores))


@need(target=True)
def box_score(given: Pass) -> Score:
    """Like `score`, for inputs that differ from the pictures in a small box each, which run little more than those."""
    return copies(given, BoxScoring(scoring(given, given.target.scores), given.record.inputs))


@need(target=True)
def probability(given: Pass) -> Score:
    """Like `score`, but the probability of the target's class; the score itself where the target is not a class."""
    return copies(given, scoring(given, given.target.probability or given.target.scores))


@need(target=True, joint=True)
def similarities(given: Pass) -> Score:
    """A function from new inputs (batch·k, …) to how alike what is found there is to each target's box (batch·k, box).

    Overlap × cosine of the class scores × objectness, of the detection that is most alike.
    """
    targets = given.record.targets
    alike = [target.similarity for target in targets if target.similarity is not None]
    if len(alike) < len(targets):
        raise MethodError(
            "this method compares boxes, and the target is none: it is for detectors, with no target (each box found), "
            "a label, Detection(0) or Box(…). For classes use rise."
        )

    def read(outputs: object, _: int) -> Tensor:
        detections = detections_of(outputs, given.record.classes)
        return torch.stack([similarity(detections) for similarity in alike], 1)

    return copies(given, scoring(given, read))


@need(target=True, layer=True)
def tail(given: Pass) -> Score:
    """A function from edited maps (batch·k, channel, height, width), picture by picture, to target scores (batch·k,).

    It runs only what comes after the layer, and can be differentiated.
    """
    read = given.span.noting(given.target.scores)
    return copies(given, lambda edited: read(*run_tail(given, edited)))


@need(target=True, layer=True)
def tail_logits(given: Pass) -> Score:
    """Like `tail`, but all class scores, (batch·k, classes)."""
    read = _every_class(given)
    return copies(given, lambda edited: read(*run_tail(given, edited)).float())


@need(target=True, layer=True)
def tail_without(given: Pass) -> Score:
    """A function from channel indices (k,) to the target scores (batch, k) with one of these channels set to zero."""
    return Without(tail(given), activations(given))


@need(gradients=True)
def observe(given: Pass) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """A function from new inputs to this layer's activations and gradients: a forward and a backward pass each."""

    def observed(new: Tensor) -> tuple[Tensor, Tensor]:
        with autocast(given):
            single = () if given.apart else (given.layer,)
            record = take(given.session, new, single, [given.target], apart=given.apart)
        record = record.of_levels() if given.apart else record
        return record.activations[given.layer], record.gradients[given.layer]

    return observed


@need(ways=("gradient",))
def input_gradients(given: Pass) -> Inputs:
    """The gradient of the target's score with respect to the preprocessed pictures."""
    return given.record.input_gradients["gradient"]


@need(ways=("guided",))
def guided_input_gradients(given: Pass) -> Inputs:
    """What guided backprop sends back to the preprocessed pictures."""
    return _by_way(given, "guided")


@need(ways=("deconvnet",))
def deconvnet_input_gradients(given: Pass) -> Inputs:
    """What the DeconvNet sends back to the preprocessed pictures."""
    return _by_way(given, "deconvnet")


@need(target=True)
def gradients_at(given: Pass) -> Score:
    """A function from new inputs (batch·k, …), picture by picture, to the gradient of the target's score at each."""

    def gradient(new: Tensor) -> Tensor:
        def run(layout: torch.memory_format) -> Record:
            targets = [given.target]
            way: list[ReluRule] = ["gradient"]
            with batch_norms_folded(given.session):
                return take(given.session, new, (), targets, gradients=False, input_gradients=way, layout=layout)

        with autocast(given):
            record = quickest(given.session, run) if new.ndim == 4 else run(torch.preserve_format)
        return record.input_gradients["gradient"]

    return copies(given, gradient)


@need(target=True)
def propagate(given: Pass) -> Callable[[Rule], Tensor]:
    """A function from a backward rule to what it sends from the target's score to the preprocessed pictures."""

    return lambda rule: sent(given, run_by(given.session, given.record.inputs, rule))


def sent(given: Pass, run: RuleRun) -> Tensor:
    """What a run's rule sends from the target's score to the inputs; what is to be said of it is left in the pass."""
    arrived, rule = run.sent_back(given.target), run.rule
    given.remarks.update(rule.remarks)
    if isinstance(rule, Biases):
        given.notes.extend(_beside(given))
    if note := rule.warning():
        given.notes.append(note)
    if not bool(arrived.isfinite().all()):
        given.notes.append(
            f"What {rule.title} sends back grew beyond all numbers on its way through the model. Another baseline, "
            "if it has one, may help; integrated_gradients asks the same question without a rule."
        )
    return arrived


@need(attention=True)
def attentions(given: Pass) -> tuple[Attended, ...]:
    """The softmax attentions, in the order in which they run, with the gradient of the target's score at each."""
    known = known_layers(given.session.model, given.record.inputs, given.session.layout)
    if known.without_softmax:
        raise MethodError(
            f"this method follows attention, and {words_of_missing(known.without_softmax)}. Choose grad_cam, which "
            "reads any layer."
        )
    given.notes.extend(_beside(given))
    given.notes.extend(left_out(given.record.attentions))
    given.notes.extend(outliers(given.record.attentions, given.record.token_norms))
    return given.record.attentions


@need()
def remark(given: Pass) -> Callable[[str, Tensor], None]:
    """A function that puts a named number per picture (batch,) beside the result: `remark("error", values)`."""

    def remarked(name: str, values: Tensor) -> None:
        given.remarks[name] = values.detach().float()

    return remarked


@need()
def generator(given: Pass) -> torch.Generator:
    """Seeded randomness on the CPU, the same for every picture, whatever the batch."""
    return given.options.generator


def _info(given: Pass) -> LayerInfo:
    return known_layers(given.session.model, given.record.inputs, given.session.layout)[given.layer]


def _beside(given: Pass) -> tuple[str, ...]:
    """A doubt where some layer's places, which the method lays over the input, do not cover it evenly."""
    session = given.session
    layers = known_layers(session.model, given.record.inputs, session.layout)
    partly = next((layer.layout for layer in layers if layer.places_uneven), None)
    return misplaced(partly)


def _by_way(given: Pass, way: ReluRule) -> Tensor:
    if way in given.record.notes:
        given.notes.append(given.record.notes[way])
    return given.record.input_gradients[way]
