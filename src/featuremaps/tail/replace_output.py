"""Running the whole model while watching or replacing one layer's output: slow, simple, and right for any model."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from featuremaps.errors import LayerNotFoundError, LayoutError, ModelError
from featuremaps.layers.addresses import find
from featuremaps.layers.model_ends import main_tensor
from featuremaps.outputs.outputs import mapped
from featuremaps.running import run as run_model
from featuremaps.runtime.capture import with_main_tensor
from featuremaps.session import OfThisThread, undone, unhook


@dataclass(frozen=True, eq=False)
class Site:
    """One call of one layer: its module, the first of its names in the model, and the call's number from 0."""

    module: nn.Module
    name: str
    call: int


@dataclass(frozen=True, eq=False)
class Visit:
    """One run of a model, seen from one layer.

    `raw` is everything the layer gave, `output` the main tensor in it, `outputs` what the model gave; `batch_axis` is
    the axis of the pictures in `output`.
    """

    site: Site
    raw: Any
    output: Tensor
    outputs: Any
    batch_axis: int = 0


def visited(model: nn.Module, layer: str, call: int | None, inputs: Tensor, batch_axis: int = 0) -> Visit:
    """Run the model on `inputs` and keep what `layer` gave in its call number `call`, or in its last."""
    module = find(model, layer)
    kept: list[Any] = []

    def keep(_module: nn.Module, _args: Any, output: Any) -> None:
        wanted = call in (None, len(kept))
        if call is None and kept:
            kept[-1] = None
        kept.append(mapped(output, Tensor, torch.clone) if wanted else None)

    with _hooked(module, keep), torch.no_grad():
        outputs = run_model(model, inputs.clone())
    _check_call(layer, call, len(kept))
    number = len(kept) - 1 if call is None else call
    output = main_tensor(kept[number])
    if output is None:
        raise ModelError(
            f"layer {layer!r} gives a {type(kept[number]).__name__} without a tensor, so there is nothing to edit. "
            "Choose a layer whose output is a tensor, or holds one."
        )
    if output.ndim <= batch_axis or output.shape[batch_axis] % len(inputs):
        place = "second" if batch_axis else "first"
        raise LayoutError(
            f"layer {layer!r} gives shape {tuple(output.shape)} for {len(inputs)} pictures: its {place} axis does not "
            "count pictures, so its output cannot be edited picture by picture. Choose the layer before or after it."
        )
    name = next(name for name, other in model.named_modules() if other is module)
    return Visit(Site(module, name, number), kept[number], output, outputs, batch_axis)


def run_replaced(model: nn.Module, site: Site, inputs: Tensor, edited: Tensor) -> Any:
    """The model's outputs for `inputs`, with `edited` in the place of the layer's output.

    Where gradients are on, they are recorded from the layer on only; all the way where the model switched them off
    around the layer, and on again after it.
    """
    grad, calls = torch.is_grad_enabled(), 0

    def replace(_module: nn.Module, _args: Any, output: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls - 1 != site.call:
            return None
        torch.set_grad_enabled(grad)
        return with_main_tensor(output, edited.clone())

    def run(everywhere: bool) -> Any:
        nonlocal calls
        calls = 0
        with _hooked(site.module, replace), torch.set_grad_enabled(everywhere):
            return run_model(model, inputs.clone())

    outputs = run(False)
    lost = (
        grad
        and edited.requires_grad
        and not any(isinstance(value, Tensor) and value.requires_grad for value in pytree.tree_leaves(outputs))
    )
    return run(True) if lost else outputs


@contextmanager
def _hooked(module: nn.Module, hook: Callable[..., Any]) -> Iterator[None]:
    heard = OfThisThread(hook)
    with undone(partial(unhook, module, heard)):
        module.register_forward_hook(heard)
        yield


def _check_call(layer: str, call: int | None, calls: int) -> None:
    if not calls:
        raise LayerNotFoundError(
            f"layer {layer!r} did not run for this input. It exists in the model, but its forward pass takes another "
            "way (an auxiliary head, say). Choose a layer that runs: scope.layers() lists them."
        )
    if call is not None and not 0 <= call < calls:
        raise LayerNotFoundError(
            f"layer {layer!r} has no call {call}: it runs {calls} time{'s' if calls > 1 else ''} in one pass, "
            f"and calls are counted from 0. Leave the number out for the last one."
        )
