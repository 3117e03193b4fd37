"""Listening to layers during one forward pass: their outputs as maps, with or without a graph, and stopping early."""

from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from featuremaps.errors import ModelError
from featuremaps.layers.addresses import Address, find
from featuremaps.layers.known import Reading, reading_of
from featuremaps.layers.layout import Layout
from featuremaps.layers.model_ends import main_tensor
from featuremaps.outputs.outputs import mapped
from featuremaps.rules import Rule
from featuremaps.running import run as run_model
from featuremaps.runtime.gradient import Gate
from featuremaps.runtime.max_pooling import lay_out_max_pools
from featuremaps.runtime.run_errors import run_on
from featuremaps.session import Session, listening


class Stop(BaseException):
    """Ends a forward pass after the last layer needed; no `except Exception` in a model may catch it."""


@dataclass
class Capture:
    """What the hooks collect during one forward pass: each layer's output by name, and how it lies.

    Layers named in `apart` lie behind the `gate`: closed, it lets no gradient of one come through another.
    """

    wanted: tuple[Address, ...]
    reading: Reading
    gradients: bool
    stop_early: bool
    taken: dict[str, Tensor] = field(default_factory=dict)
    layouts: dict[str, Layout] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    apart: Collection[str] = ()
    gate: Gate = field(default_factory=Gate)

    def maps(self, name: str) -> Tensor:
        """What a layer gave, as maps (batch, channel, height, width)."""
        return self.layouts[name].to_maps(self.taken[name])

    def first_hook(self, layer: str) -> Any:
        """For before the layer's own hooks: the graph begins at its output, so that they see it in the graph."""

        def on_forward(module: nn.Module, _: Any, output: Any) -> Any:
            tensor = main_tensor(output)
            if not self._meant(layer) or tensor is None or tensor.requires_grad or not tensor.is_floating_point():
                return output
            return with_main_tensor(output, tensor.detach().requires_grad_())

        return on_forward

    def last_hook(self, layer: str) -> Any:
        """For after the layer's own hooks: it takes the calls that are wanted."""

        def on_forward(module: nn.Module, _: Any, output: Any) -> Any:
            for address in self._meant(layer):
                output = self._take(address.name, module, output)
            self.calls[layer] += 1
            if self._done:
                raise Stop
            return output

        return on_forward

    def _meant(self, layer: str) -> list[Address]:
        """The addresses that mean the call of a layer which runs now."""
        of_layer = (address for address in self.wanted if address.layer == layer)
        return [address for address in of_layer if self.reading.is_meant(address, self.calls[layer])]

    def _take(self, name: str, module: nn.Module, output: Any) -> Any:
        """Keep the output, and hand on a copy if anything follows, because the next operation may work in place."""
        tensor = main_tensor(output)
        self.layouts[name] = self.reading.layout(name, module, output if tensor is None else tensor)
        assert tensor is not None
        if not self.gradients:
            self.taken[name] = tensor.detach().clone()
            return output
        torch.set_grad_enabled(True)
        kept = tensor if tensor.requires_grad else tensor.detach().requires_grad_()
        if name in self.apart and tensor.requires_grad:
            kept = self.gate.at(tensor)
        self.taken[name] = kept
        return output if self._done else with_main_tensor(output, kept.clone())

    @property
    def _done(self) -> bool:
        """Whether nothing more is wanted, nor are the model's outputs."""
        return self.stop_early and len(self.taken) == len(self.wanted)


def run_capturing(
    session: Session,
    inputs: Tensor,
    wanted: Sequence[Address],
    *,
    gradients: bool,
    stop_early: bool,
    with_graph: bool = True,
    rules: Sequence[Rule] = (),
    apart: Collection[str] = (),
) -> tuple[Capture, Any]:
    """Run the model on `inputs` and take what the layers `wanted` give; with it, the model's outputs, None if stopped.

    With `gradients` what is taken is in the graph, or where none leads there, a leaf; `apart` as in `Capture`.
    Raises `ModelError` for a layer that did not run.
    """
    with run_on(session.model, inputs):
        reading = reading_of(session.model, [address.name for address in wanted], inputs, session.layout)
    capture = Capture(tuple(wanted), reading, gradients, stop_early, apart=apart)
    outputs = None
    with session.one_pass() as hooks, torch.set_grad_enabled(with_graph), ExitStack() as heard:
        lay_out_max_pools(session)
        for rule in rules:
            heard.enter_context(listening(rule))
        for layer in dict.fromkeys(address.layer for address in wanted):
            if gradients:
                hooks.on_forward(find(session.model, layer), capture.first_hook(layer), first=True)
            hooks.on_forward(find(session.model, layer), capture.last_hook(layer))
        with suppress(Stop), run_on(session.model, inputs):
            outputs = run_model(session.model, inputs)
    _check_all_ran(capture)
    return capture, outputs


def _check_all_ran(capture: Capture) -> None:
    for address in capture.wanted:
        if address.name not in capture.taken:
            ran = capture.calls[address.layer]
            done = f"ran {ran} time{'s' if ran > 1 else ''} (calls are counted from 0)" if ran else "did not run"
            raise ModelError(
                f"layer {address.name!r} {done} for this input. It exists in the model, but its forward pass "
                "takes another way (an auxiliary head, say), or runs it compiled or by its .forward(), which nobody "
                "hears. Choose a layer that runs: scope.layers() lists them."
            )


def to_model(model: nn.Module, inputs: Tensor) -> Tensor:
    """Inputs on the model's device, in its floating-point type."""
    like = next((p for p in model.parameters() if p.is_floating_point()), None)
    return inputs if like is None else inputs.to(like.device, like.dtype)


def device_of(model: nn.Module) -> torch.device:
    """Where the model's weights are; the CPU where it has none."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def with_main_tensor(output: Any, tensor: Tensor) -> Any:
    """The same output with its main tensor replaced, see `main_tensor`."""
    main = main_tensor(output)
    return mapped(output, Tensor, lambda part: tensor if part is main else part)
