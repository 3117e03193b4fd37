"""A copy of a model with edits in place: the original is not touched."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from featuremaps.editing.edits import Edit, NewWeights, Removal
from featuremaps.errors import ModelError
from featuremaps.layers.addresses import find
from featuremaps.layers.model_ends import main_tensor
from featuremaps.runtime.capture import with_main_tensor
from featuremaps.session import in_turn


@dataclass(frozen=True, eq=False)
class RemovalHook:
    """The forward hook that takes a removal's directions out of what its layer gives."""

    removal: Removal
    axis: int

    def __call__(self, module: nn.Module, arguments: Any, output: Any) -> Any:
        """The layer's output, its main tensor changed."""
        tensor = main_tensor(output)
        return output if tensor is None else with_main_tensor(output, self.removal(tensor, self.axis))


def edited(model: nn.Module, edits: Sequence[Edit], axes: Mapping[str, int]) -> nn.Module:
    """A copy of the model with these edits made in order; `axes` says along which axis each layer has its channels.

    Raises `ModelError` for a model that cannot be copied, or weights that do not fit.
    """
    copied = copy_of(model)
    for edit in edits:
        if isinstance(edit, Removal):
            find(copied, edit.layer).register_forward_hook(RemovalHook(edit, axes[edit.layer]))
        else:
            with_weights(copied, edit)
    return copied


def removals_in(model: nn.Module) -> list[Removal]:
    """What was taken out of a model, layer by layer."""
    hooks = [hook for module in model.modules() for hook in module._forward_hooks.values()]
    return [hook.removal for hook in hooks if isinstance(hook, RemovalHook)]


def copy_of(model: nn.Module) -> nn.Module:
    """A copy that shares nothing with the model, nor has the hooks of a call in another thread."""
    try:
        with in_turn(model):
            made = [each for module in model.modules() for each in vars(module).values() if isinstance(each, Tensor)]
            # Weights made of others in the last pass (weight norm) are made anew in the next
            return deepcopy(model, {id(each): each.detach().clone() for each in made if not each.is_leaf})
    except Exception as error:
        raise ModelError(
            f"{type(model).__name__} cannot be copied ({type(error).__name__}: {error}), and edits are made in a copy. "
            "Make the model so that copy.deepcopy works on it."
        ) from error


@torch.no_grad()
def with_weights(model: nn.Module, edit: NewWeights) -> None:
    """Put other weights into a model."""
    known = dict(model.state_dict(keep_vars=True))
    for name, values in edit.weights.items():
        if name not in known or known[name].shape != values.shape:
            there: Tensor | None = known.get(name)
            what = "has no such weight" if there is None else f"has shape {tuple(there.shape)} there"
            raise ModelError(f"{edit.name}: {name} of shape {tuple(values.shape)}; {type(model).__name__} {what}.")
        known[name].copy_(values)
