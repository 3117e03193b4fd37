"""Whether a model can be looked into at all: an ordinary module with layers and gradients, or what to give instead."""

from collections.abc import Mapping
from os import PathLike

import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.nn.parameter import is_lazy

from featuremaps.errors import ModelError
from featuremaps.models.keras_model import KerasModel, is_keras
from featuremaps.session import unwrapped


def studiable(model: object) -> nn.Module:
    """The user's own module, out of its wrappers; `ModelError` for one whose layers cannot be heard."""
    if isinstance(model, torch.export.ExportedProgram):
        raise ModelError(f"an exported program has no layers. {_UNFLATTEN}")
    if is_keras(model) and not isinstance(model, nn.Module):
        raise ModelError(
            f"the Keras model {model.name!r} does not run on torch, so its layers cannot be listened to. Save it "  # type: ignore[attr-defined]
            "(model.save('model.keras')), set KERAS_BACKEND=torch, start again, and load 'keras:model.keras'."
        )
    if not isinstance(model, nn.Module):
        raise ModelError(f"Scope takes a torch.nn.Module, got {_instead(model)}")
    module = KerasModel(model) if is_keras(model) else unwrapped(model)
    for name, part in module.named_modules():
        reason = _reason(part)
        if reason is not None:
            raise ModelError(f"{f'layer {name!r} of ' if name else ''}{type(module).__name__} {reason}")
    return module


def _instead(model: object) -> str:
    """What was given in place of a module, and what to do with it."""
    if isinstance(model, type):
        return f"the class {model.__name__}. Make one, {model.__name__}(), and give it its weights."
    if isinstance(model, str | PathLike):
        return f"the text {str(model)[:80]!r}. Models are loaded by name, or out of a file, with featuremaps.load(…)."
    if isinstance(model, Mapping):
        weights = bool(model) and all(isinstance(value, Tensor) for value in model.values())
        what = "a state dict, the weights alone" if weights else f"a {type(model).__name__}, such as a checkpoint"
        return f"{what}. Build the model, and give it them: model.load_state_dict(…)."
    return f"a {type(model).__name__}. To load a model by name use featuremaps.load('torchvision:resnet50')."


_UNFLATTEN = (
    "Give torch.export.unflatten(program), which has them, or better the module that was exported. For methods that "
    "run copies of a picture it must have been exported with a dynamic batch size."
)


def _reason(part: nn.Module) -> str | None:
    kind = type(part).__module__
    held = [*part._parameters.values(), *part._buffers.values()]
    if any(tensor is not None and is_lazy(tensor) for tensor in held):
        return "has parameters without a size yet (a lazy module). Run the model once on a picture first."
    if isinstance(part, torch.jit.ScriptModule):
        return (
            "is TorchScript (scripted or traced), whose layers cannot be listened to. Build the module in Python and "
            "give it the weights: model.load_state_dict(scripted.state_dict())."
        )
    if any(tensor is not None and tensor.is_meta for tensor in held):
        return (
            "has weights without values (on the meta device, or offloaded). Give it them: "
            "model.to_empty(device='cpu'), then model.load_state_dict(…)."
        )
    if kind.startswith("torch.") and ".quantized" in kind:
        return (
            "is quantised, and has no gradients. Give the model in floating point that it was made of: what it sees is "
            "nearly the same."
        )
    if isinstance(part, GraphModule) and any(
        isinstance(node.target, torch._ops.OpOverload) for node in part.graph.nodes
    ):
        return f"is an exported program, one flat graph without layers. {_UNFLATTEN}"
    return None
