"""The tensors that a model's modules hold: which they are and what stands in them, put back where that differs."""

from collections.abc import Iterable, Mapping, MutableMapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from featuremaps.errors import ModelError

MOST_COUNTERS = 16


class HeldTensors:
    """What a model's modules hold: parameters by version, buffers by copy."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._homes = [(module, dict(module._parameters), dict(module._buffers)) for module in model.modules()]
        parameters = _distinct(own for _, own, _ in self._homes)
        self._parameters = [
            (parameter, _version(parameter), parameter.requires_grad, parameter.grad)
            for parameter in parameters
            if not _is_counter(parameter)
        ]
        buffers = [*_distinct(own for _, _, own in self._homes), *filter(_is_counter, parameters)]
        self._buffers = [(buffer, _version(buffer), buffer.detach().clone()) for buffer in buffers]

    def distrust_versions(self) -> None:
        """Have all buffers written back: under a dispatch mode an operation that is interrupted has not counted yet."""
        self._buffers = [(buffer, None, copy) for buffer, _, copy in self._buffers]

    def restore(self) -> None:
        """Put back what differs; values written to parameters stay."""
        for module, parameters, buffers in self._homes:
            put_back(module._parameters, parameters)
            put_back(module._buffers, buffers)
        for buffer, version, copy in self._buffers:
            if version is None or _version(buffer) != version:
                with torch.inference_mode() if buffer.is_inference() else nullcontext():
                    buffer.detach().copy_(copy)
        for parameter, _, requires_grad, grad in self._parameters:
            if parameter.requires_grad != requires_grad:
                parameter.requires_grad_(requires_grad)
            if parameter.grad is not grad:
                parameter.grad = grad

    def check_unwritten(self) -> None:
        """`ModelError` where the model wrote to its own parameters."""
        written = {id(parameter) for parameter, version, _, _ in self._parameters if _version(parameter) != version}
        if written:
            names = [name for name, parameter in self._model.named_parameters() if id(parameter) in written]
            raise ModelError(
                f"the model's forward pass wrote to its own parameter{'s' if len(names) > 1 else ''} "
                f"{', '.join(names[:3])} although it ran in evaluation mode. featuremaps does not copy "
                "parameters, so these keep the new values; reload the model, and move the write into training code."
            )


def _distinct(held: Iterable[Mapping[str, Tensor | None]]) -> Iterable[Tensor]:
    """Every tensor that modules hold, once."""
    return {id(tensor): tensor for own in held for tensor in own.values() if tensor is not None}.values()


def put_back(held: MutableMapping[Any, Any], own: Mapping[Any, Any]) -> None:
    """Make `held` what `own` was, in its order, touching only what differs."""
    for name in [name for name in held if name not in own]:
        held.pop(name, None)
    for name, value in own.items():
        if name not in held or held[name] is not value:
            held[name] = value
    if list(held) != list(own):
        for name, value in own.items():
            held.pop(name, None)
            held[name] = value


def _is_counter(parameter: Tensor) -> bool:
    """Whether a parameter is a few whole numbers, such as a Keras layer's random seed, and no weights."""
    return not parameter.is_floating_point() and parameter.numel() <= MOST_COUNTERS


def _version(tensor: Tensor) -> int | None:
    """How often a tensor was written to in place; inference tensors do not count."""
    return None if tensor.is_inference() else tensor._version


def replace_inference_tensors(modules: Iterable[nn.Module]) -> None:
    """Put stand-ins where autograd would refuse tensors made under `inference_mode`; `HeldTensors` puts them back."""
    for module in modules:
        for held in (module._parameters, module._buffers):
            for name, tensor in held.items():
                if tensor is not None and tensor.is_inference():
                    copy = tensor.clone()
                    held[name] = nn.Parameter(copy, False) if isinstance(tensor, nn.Parameter) else copy  # type: ignore[assignment]
