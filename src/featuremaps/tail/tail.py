"""The model from one layer on: edited activations in, model outputs out, running no more than has to change.

Three ways give the same result; the first that works is taken, and says so.
"""

from typing import Any, Literal

import torch
from jaxtyping import Shaped
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from featuremaps.errors import LayoutError, ModelError, OptionError
from featuremaps.layers.known import batch_axis_for_edits
from featuremaps.session import unwrapped
from featuremaps.tail.checked_split import GraphWay, checked_split, in_structure
from featuremaps.tail.repeat_batch import repeat
from featuremaps.tail.replace_output import Visit, run_replaced, visited
from featuremaps.tail.split import Split

TailKind = Literal["fx", "export", "replace"]
GRAPH_WAYS: tuple[GraphWay, ...] = ("fx", "export")


class Tail:
    """A model's outputs for edits of one layer's output.

    `way` is how: "fx" and "export" run the part of a graph that depends on the layer, "replace" runs the whole
    model with the layer's output replaced. `reason` says why the ways before it were not taken. One call runs
    `nodes_run` of the model's `nodes_total` operations (None for "replace"), which is `share` of it. `output` is
    the layer's own output, `outputs` the model's.
    """

    def __init__(
        self,
        model: nn.Module,
        layer: str,
        inputs: Shaped[Tensor, "batch ..."],
        *,
        call: int | None = None,
        way: Literal["auto", "fx", "export", "replace"] = "auto",
    ) -> None:
        """Runs the model on `inputs`; `call` counts from 0 for a layer that runs several times (None: the last).

        The model must be in evaluation mode, as it is inside `preserved`. Raises `LayerNotFoundError` for a layer
        or call that does not exist, `LayoutError` for an output without pictures in its first axis or with them in
        another order, and `ModelError` where the way asked for does not work.
        """
        self._model = unwrapped(model)
        axis = batch_axis_for_edits(self._model, layer if call is None else f"{layer}#{call}")
        with torch.inference_mode(False), torch.no_grad():
            inputs = inputs.detach().clone()
            visit = visited(self._model, layer, call, inputs, axis)
            self._split, self.way, self.reason = _chosen(self._model, visit, inputs, way)
        self._site, self._batch, self._axis = visit.site, len(inputs), axis
        self._inputs = inputs if self._split is None else None
        self._structure = pytree.tree_structure(visit.outputs)
        self.output: Tensor = visit.output
        self.outputs: Any = visit.outputs

    @property
    def nodes_run(self) -> int | None:
        """How many operations one call runs."""
        return None if self._split is None else self._split.plan.nodes_run

    @property
    def nodes_total(self) -> int | None:
        """How many operations the whole model runs."""
        return None if self._split is None else self._split.plan.nodes_total

    @property
    def share(self) -> float:
        """The share of the model's operations that one call runs."""
        return 1.0 if self._split is None else self._split.plan.nodes_run / max(1, self._split.plan.nodes_total)

    def __call__(self, edited: Shaped[Tensor, "edits ..."]) -> Any:
        """The model's outputs for edits of the layer's output, in the layer's own layout and not changed by this.

        `edited` is (batch·k, …), or (token, batch·k, channel) of a layer that gives the batch second: all k edits of
        picture 0 first, then of picture 1, …. Where gradients are on, the outputs can be differentiated with respect to
        it, more than once. Raises `LayoutError` for another shape.
        """
        repeats = self._repeats(edited)
        edited = edited.to(self.output.dtype)
        if self._split is not None:
            return in_structure(self._split(edited, repeats), self._structure)
        assert self._inputs is not None
        return run_replaced(self._model, self._site, repeat(self._inputs, repeats, self._batch), edited)

    def _repeats(self, edited: Tensor) -> int:
        shape, axis = tuple(self.output.shape), self._axis
        if edited.ndim == self.output.ndim and edited.shape[axis]:
            repeats, remainder = divmod(edited.shape[axis], shape[axis])
            if not remainder and edited.shape == (*shape[:axis], edited.shape[axis], *shape[axis + 1 :]):
                return repeats
        lengths = [str(length) for length in shape]
        lengths[axis] += "·k"
        raise LayoutError(
            f"edits of layer {self._site.name!r} have shape {tuple(edited.shape)}, and its output has {shape}. "
            f"Give one or more edits of all {self._batch} pictures, ({', '.join(lengths)}): "
            "all k edits of picture 0 first, then of picture 1, and so on."
        )


def _chosen(model: nn.Module, visit: Visit, inputs: Tensor, way: str) -> tuple[Split | None, TailKind, str]:
    """The first way that works, and why those before it do not."""
    reasons: list[str] = []
    for graph_way in GRAPH_WAYS:
        if way in ("auto", graph_way):
            split = checked_split(model, graph_way, visit, inputs)
            if isinstance(split, Split):
                return split, graph_way, "; ".join(reasons)
            reasons.append(f"{graph_way}: {split}")
    if way in ("auto", "replace"):
        return None, "replace", "; ".join(reasons)
    if way not in GRAPH_WAYS:
        raise OptionError(f"way={way!r} is not a way to run a tail. Choose 'auto', 'fx', 'export' or 'replace'.")
    raise ModelError(
        f"the tail of {type(model).__name__} from layer {visit.site.name!r} on cannot be run by way={way!r}. "
        f"{reasons[0]}. Use way='auto', which takes the first way that works, or way='replace', which always does."
    )
