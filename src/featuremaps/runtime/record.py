"""What one pass of a model over a batch gave: its outputs, and the activations and gradients of layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor

from featuremaps.layers.layout import Layout
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.plotting.cards import card
from featuremaps.plotting.panels import counted
from featuremaps.rules import ReluRule
from featuremaps.runtime.attention import Attended
from featuremaps.targets.bound import Bound


@dataclass(frozen=True, eq=False, repr=False)
class Record:
    """One pass over a batch.

    Maps are (batch, channel, height, width), float32, on the model's device, whatever the model's own layout; `spatial`
    gives those of signals and volumes with their own axes. With several targets `gradients`, `input_gradients` and
    `attentions` are those of the first, and `for_target(i)` gives the record of another.

    Attributes:
        inputs: The batch as the model was given it, preprocessed, `(batch, channel, *space)`.
        outputs: What the model returned, without a graph.
        activations: Each layer's maps, by its address.
        layouts: How each layer's maps lie in what it returned.
        targets: What was explained, bound to this batch.
        scores: For each target the score (batch,) of each picture, in the model's own unit.
        gradients_by_target: For each target the gradients of its score with respect to each layer's maps, shaped like
            these, in score per unit of activation.
        input_gradients_by_target: For each target what came back to the inputs, shaped like them, by each way back
            through a ReLU that was asked for.
        notes: By way, a warning where it found nothing to act on.
        unreached: The layers that the target's score does not depend on.
        classes: How the class scores in `outputs` are read.
        attentions_by_target: For each target the attentions that ran, with the gradients of its score; empty where
            attention was not asked for.
        token_norms: The norms (batch, token) of the tokens that a layer norm was last given, by how many tokens there
            are; empty where attention was not asked for.
        counts: For each target that was asked for, how many of `targets` it became: each box that a detector finds is
            one.
        apart_by_target: For each target the gradients that do not come through another of the layers recorded apart.
    """

    inputs: Tensor
    outputs: Any
    activations: Mapping[str, Float[Tensor, "batch _channel _height _width"]]
    layouts: Mapping[str, Layout]
    targets: tuple[Bound, ...] = ()
    scores: tuple[Float[Tensor, " batch"], ...] = ()
    gradients_by_target: tuple[Mapping[str, Float[Tensor, "batch _channel _height _width"]], ...] = ()
    input_gradients_by_target: tuple[Mapping[ReluRule, Tensor], ...] = ()
    notes: Mapping[ReluRule, str] = field(default_factory=dict)
    unreached: frozenset[str] = frozenset()
    classes: ClassOutputs = field(default_factory=ClassOutputs)
    attentions_by_target: tuple[tuple[Attended, ...], ...] = ()
    token_norms: Mapping[int, Float[Tensor, "batch _token"]] = field(default_factory=dict)
    counts: tuple[int, ...] = ()
    apart_by_target: tuple[Mapping[str, Float[Tensor, "batch _channel _height _width"]], ...] = ()

    @property
    def logits(self) -> Tensor | None:
        """The model's class scores, where it gives any."""
        return self.classes.logits(self.outputs)

    @property
    def gradients(self) -> Mapping[str, Float[Tensor, "batch _channel _height _width"]]:
        """Gradients of the first target's score with respect to each layer's maps; empty when none were asked for."""
        return self.gradients_by_target[0] if self.gradients_by_target else {}

    @property
    def attentions(self) -> tuple[Attended, ...]:
        """The attentions that ran, with the gradients of the first target's score."""
        return self.attentions_by_target[0] if self.attentions_by_target else ()

    @property
    def input_gradients(self) -> Mapping[ReluRule, Tensor]:
        """What came back to the inputs from the first target's score, for each way asked for."""
        return self.input_gradients_by_target[0] if self.input_gradients_by_target else {}

    def spatial(self, layer: str) -> Float[Tensor, "batch channel *space"]:
        """A layer's maps with the axes of its places.

        Args:
            layer: A recorded layer's address.

        Returns:
            (batch, channel, height, width) of pictures, (batch, channel, time) of signals, (batch, channel, depth,
            height, width) of volumes and videos.

        Raises:
            KeyError: The layer was not recorded.
        """
        maps = self.activations[layer]
        return maps.reshape(*maps.shape[:2], *self.grid(layer))

    def grid(self, layer: str) -> tuple[int, ...]:
        """How many places a layer has along each axis.

        Args:
            layer: A recorded layer's address.

        Returns:
            (height, width) of pictures, (time,) of signals, (depth, height, width) of volumes and videos.

        Raises:
            KeyError: The layer was not recorded.
        """
        # A function that was given as layout= reads a signal as one row.
        grid = self.layouts[layer].grid
        return grid[1:] if self.inputs.ndim == 3 and len(grid) == 2 and grid[0] == 1 else grid

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {tuple(maps.shape)}" for name, maps in self.activations.items())
        wanted = ", ".join(dict.fromkeys(label for target in self.targets for label in target.labels))
        gradients = f", gradients for {wanted}" if self.gradients_by_target else ""
        return f"<Record of {counted(len(self.inputs), 'picture')}: {shapes}{gradients}>"

    def _repr_html_(self) -> str:
        wanted = dict.fromkeys(label for target in self.targets for label in target.labels)
        told: dict[str, object] = {
            "input": "×".join(map(str, self.inputs.shape)),
            "activations": [f"{name}: {'×'.join(map(str, maps.shape))}" for name, maps in self.activations.items()],
            "gradients": ", ".join(wanted) if self.gradients_by_target else "none",
        }
        return card(f"Record of {counted(len(self.inputs), 'picture')}", told)

    def of_levels(self) -> "Record":
        """The same pass with the gradients of layers that were recorded apart."""
        return replace(self, gradients_by_target=self.apart_by_target)

    def for_target(self, number: int) -> "Record":
        """The same pass seen from one of its targets.

        Args:
            number: Which of `targets`, counted from 0.

        Returns:
            A record with that target alone, on the same tensors.
        """
        return self.for_targets([number])

    def for_targets(self, numbers: Sequence[int]) -> "Record":
        """The same pass seen from some of its targets.

        Args:
            numbers: Which of `targets`, counted from 0; a number that no target has gives a record without gradients.

        Returns:
            A record with these targets, on the same tensors.
        """
        kept: dict[str, Any] = {
            name: tuple(getattr(self, name)[n] for n in numbers if n < len(getattr(self, name))) for name in BY_TARGET
        }
        return replace(self, **kept, counts=(1,) * len(numbers))


BY_TARGET = (
    "targets",
    "scores",
    "gradients_by_target",
    "apart_by_target",
    "input_gradients_by_target",
    "attentions_by_target",
)
