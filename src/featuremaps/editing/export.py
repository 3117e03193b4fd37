"""An edited model as a module of torch alone: edits folded into weights where that is the same, else a layer more."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from featuremaps.editing.edited_model import RemovalHook, copy_of
from featuremaps.errors import ModelError
from featuremaps.layers.model_ends import main_tensor
from featuremaps.running import run as run_model
from featuremaps.runtime.capture import with_main_tensor
from featuremaps.session import preserved

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
CLOSE, STEPS = 1e-4, 8
"""Outputs of a folded model may differ by this share of the largest, or by so many steps of their precision."""
LOUD = 10.0
"""So many times as strong as a layer itself is the noise in its place, by which silent channels speak."""

Way = Callable[[nn.Module, str, Tensor, Tensor, int], bool]
"""Makes an edit, matrix and offset, part of the named module, whose outputs have so many axes; False if it cannot."""
LAST = -1
"""In the place of the number of axes: the channels come last."""


@dataclass(frozen=True, eq=False)
class Exported:
    """A model with its edits, of torch's modules alone.

    `diff` has what differs from the original's state dict. `ways` says of each edited layer where its edit went.
    """

    model: nn.Module
    diff: Mapping[str, Tensor] = field(repr=False)
    ways: Mapping[str, str] = field(default_factory=dict)


def exported(model: nn.Module, original: nn.Module, probe: Tensor) -> Exported:
    """The edited `model` without hooks of this library. `probe` are inputs on which both must agree.

    Each edit is tried in the layer's own weights, in those of the layer that reads it, and else as a layer of its own
    behind it. Raises `ModelError` where nothing gives the same outputs.
    """
    ways = {}
    result = copy_of(model)
    with torch.no_grad():
        for name, module in list(result.named_modules()):
            hooks = _edits_at(module)
            if hooks:
                result, ways[name] = _settled(result, name, hooks, probe)
    before = original.state_dict()
    diff = {
        name: values.clone().contiguous()
        for name, values in result.state_dict().items()
        if name not in before or not torch.equal(before[name], values)
    }
    return Exported(result, diff, ways)


def _edits_at(module: nn.Module) -> list[RemovalHook]:
    return [hook for hook in module._forward_hooks.values() if isinstance(hook, RemovalHook)]


def _settled(model: nn.Module, name: str, hooks: Sequence[RemovalHook], probe: Tensor) -> tuple[nn.Module, str]:
    """The model with one layer's edits made part of it, and where they are now.

    What is tried must agree for noise in the place of the layer's output too, where every channel speaks.
    """
    reader, form = _after(model, name, probe)
    places = [(name, _into_own, "its own weights")]
    places += [(reader, _into_reader, f"the weights of {reader}")] if reader is not None else []
    form = LAST if hooks[0].axis == -1 else form
    for where, way, words in (*places, (name, _behind, "a layer behind it")):
        settled = _folded(model, name, hooks, (where, way, form))
        if settled is not None and _agrees(model, settled, name, way, probe):
            return settled, words
    raise ModelError(
        f"the edit of layer {name!r} cannot be made part of {type(model).__name__}: neither its own weights, nor those "
        "of the layer after it, nor a layer behind it gave the same outputs. Use the edited scope as it is."
    )


def _agrees(hooked: nn.Module, settled: nn.Module, name: str, way: Way, probe: Tensor) -> bool:
    """Whether a model with one layer's edits made part of it gives what it gives with hooks.

    Nothing can be put between a layer and edits that its own weights hold; there they are the same by arithmetic.
    """
    if not _close(_outputs_if_any(settled, probe), _outputs(hooked, probe)):
        return False
    if way is _into_own:
        return True
    loud, quiet = copy_of(settled), _bare(hooked, name)
    loud.get_submodule(f"{name}.0" if way is _behind else name).register_forward_hook(_noise)
    layer = quiet.get_submodule(name)
    layer.register_forward_hook(_noise)
    for hook in _edits_at(hooked.get_submodule(name)):
        layer.register_forward_hook(hook)
    return _close(_outputs(loud, probe), _outputs(quiet, probe))


def _noise(module: nn.Module, arguments: Any, output: Any) -> Any:
    """Seeded noise in the place of a layer's output, with no negative values where it has none."""
    tensor = main_tensor(output)
    assert tensor is not None
    noise = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(0)).to(tensor)
    noise *= LOUD * tensor.abs().max().clamp_min(1)
    return with_main_tensor(output, noise.abs() if bool((tensor >= 0).all()) else noise)


def _folded(model: nn.Module, name: str, hooks: Sequence[RemovalHook], where: tuple[str, Way, int]) -> nn.Module | None:
    """A copy with the edits in the weights there; None where they cannot be."""
    bare, (module, way, form) = _bare(model, name), where
    return bare if way(bare, module, *_together(hooks), form) else None


def _bare(model: nn.Module, name: str) -> nn.Module:
    """A copy without the edits of one layer."""
    copied = copy_of(model)
    held = copied.get_submodule(name)._forward_hooks
    for key in [key for key, hook in held.items() if isinstance(hook, RemovalHook)]:
        del held[key]
    return copied


def _together(hooks: Sequence[RemovalHook]) -> tuple[Tensor, Tensor]:
    """Several edits, one after the other, as one matrix and offset."""
    matrix, offset = hooks[0].removal.affine()
    for hook in hooks[1:]:
        then, more = hook.removal.affine()
        matrix, offset = then @ matrix, then @ offset + more
    return matrix, offset


def _into_own(model: nn.Module, name: str, matrix: Tensor, offset: Tensor, form: int) -> bool:
    """Fold into the layer itself, where its last step is linear in its weights."""
    module = model.get_submodule(name)
    if not _has_weight(model, module):
        return False
    device = module.get_parameter("weight").device
    matrix, offset = matrix.to(device), offset.to(device)
    if isinstance(module, NORMS) and torch.equal(matrix, matrix.diag().diag()):
        bias = matrix.diag() * module.bias.double() + offset
        _put(module, matrix.diag() * module.weight.double(), bias)
        return True
    if isinstance(module, (*CONVOLUTIONS, nn.Linear)) and len(module.weight) == len(matrix):
        bias = offset if module.bias is None else matrix @ module.bias.double() + offset
        _put(module, matrix @ module.weight.double().flatten(1), bias)
        return True
    return False


def _into_reader(model: nn.Module, name: str, matrix: Tensor, offset: Tensor, form: int) -> bool:
    """Fold into the layer that reads it, through whatever is between as long as that mixes no channels."""
    module = model.get_submodule(name)
    channels = len(matrix)
    if not isinstance(module, (*CONVOLUTIONS, nn.Linear)) or getattr(module, "groups", 1) != 1:
        return False
    if not _has_weight(model, module) or module.weight.shape[1] % channels:
        return False
    weight: Float[Tensor, ...] = module.weight.double()
    matrix, offset = matrix.to(weight.device), offset.to(weight.device)
    split = weight.reshape(len(weight), channels, -1)
    bias = torch.einsum("ocp,c->o", split, offset)
    bias = bias if module.bias is None else bias + module.bias.double()
    _put(module, torch.einsum("ocp,cd->odp", split, matrix), bias)
    return True


def _has_weight(model: nn.Module, module: nn.Module) -> bool:
    """Whether it has a weight of its own: none made of others (weight norm), none that another layer shares."""
    weight = module._parameters.get("weight")
    return weight is not None and sum(weight is each for m in model.modules() for each in m._parameters.values()) == 1


def _put(module: nn.Module, weight: Tensor, bias: Tensor) -> None:
    """Give a layer other weights; a bias where it had none."""
    old = module.get_parameter("weight")
    for name, values in (("weight", weight.reshape(old.shape)), ("bias", bias)):
        setattr(module, name, nn.Parameter(values.to(old), requires_grad=old.requires_grad))


def _behind(model: nn.Module, name: str, matrix: Tensor, offset: Tensor, form: int) -> bool:
    """Put a linear layer behind it, a convolution of one place where the channels come first."""
    module = model.get_submodule(name)
    like = next((each for each in model.parameters() if each.is_floating_point()), torch.zeros(()))
    kinds = dict(zip((3, 4, 5), CONVOLUTIONS, strict=True))
    size = len(matrix)
    layer = nn.Linear(size, size) if form == LAST else kinds[form](size, size, 1) if form in kinds else None
    if layer is None:
        return False
    layer.load_state_dict({"weight": matrix.reshape(layer.weight.shape), "bias": offset})
    parent, _, leaf = name.rpartition(".")
    layer.to(like).requires_grad_(like.requires_grad)
    setattr(model.get_submodule(parent), leaf, nn.Sequential(module, layer))
    return True


def _after(model: nn.Module, name: str, probe: Tensor) -> tuple[str | None, int]:
    """The next linear layer that runs after this one, if any, and how many axes its own output has."""
    order: list[tuple[str, int]] = []

    def ran(called: str, output: Any) -> None:
        tensor = main_tensor(output)
        order.append((called, 0 if tensor is None else tensor.ndim))

    handles = [
        module.register_forward_hook(lambda _, __, output, called=called: ran(called, output))
        for called, module in model.named_modules()
        if called == name or isinstance(module, (*CONVOLUTIONS, nn.Linear))
    ]
    try:
        _outputs(model, probe)
    finally:
        for handle in handles:
            handle.remove()
    names = [called for called, _ in order]
    place = names.index(name)
    return next(iter(names[place + 1 :]), None), order[place][1]


def _outputs(model: nn.Module, probe: Tensor) -> list[Tensor]:
    with preserved(model) as session:
        leaves = [leaf for leaf in pytree.tree_leaves(run_model(session.model, probe)) if isinstance(leaf, Tensor)]
        return [leaf for leaf in leaves if leaf.is_floating_point()]


def _outputs_if_any(model: nn.Module, probe: Tensor) -> list[Tensor] | None:
    """The outputs; None where the model's own code cannot run with another layer in the place of one that it asks."""
    try:
        return _outputs(model, probe)
    except Exception:
        return None


def _close(given: Sequence[Tensor] | None, expected: Sequence[Tensor]) -> bool:
    if given is None:
        return False
    pairs: Iterator[tuple[Tensor, Tensor]] = zip(given, expected, strict=True)
    return all(_same(*pair) for pair in pairs)


def _same(given: Tensor, expected: Tensor) -> bool:
    share = max(CLOSE, STEPS * torch.finfo(expected.dtype).eps)
    room = share * float(expected.double().abs().nan_to_num().max().clamp_min(1e-12))
    return torch.allclose(given.double(), expected.double(), rtol=0, atol=room, equal_nan=True)
