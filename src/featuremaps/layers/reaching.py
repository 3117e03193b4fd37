"""Which layer's patch tokens the output is made of: after the last of them only the class token counts.

Class tokens may look at the same patches several times, each time through a norm of their own, as in CaiT, XCiT and
VOLO. What all of them look at is the layer before, and that is the one.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from featuremaps.layers.info import LayerInfo
from featuremaps.layers.layout import Layout
from featuremaps.layers.model_ends import main_tensor
from featuremaps.running import run as run_model
from featuremaps.session import preserved


class Output(NamedTuple):
    """What a layer gave for one picture, and how it lies."""

    tensor: Tensor
    layout: Layout


def last_reaching(
    model: nn.Module,
    arguments: tuple[Any, ...],
    infos: Sequence[LayerInfo],
    names: Sequence[str],
    every: Sequence[str] = (),
) -> str | None:
    """The last of the token layers `names` whose patch tokens, not only its class token, reach the output.

    Where the same patches also reach it around that layer, the layer before that they come from, place by place: the
    last of `every` (the names of all maps, in order of completion) that nothing goes around. "" where no more than one
    place of any of them reaches it, as of a recurrent layer whose last step is read; None where that cannot be told.

    A gradient of NaN is sent back from the output: it arrives wherever there is a connection, even through
    weights that are zero, and stays an exact zero elsewhere.
    """
    wanted = {(info.module_name, info.call): info for info in infos if info.name in {*names, *every}}
    kept: dict[str, Output] = {}
    calls: Counter[str] = Counter()

    def keep(name: str, module: nn.Module, args: object, output: object) -> None:
        info = wanted.get((name, calls[name]))
        calls[name] += 1
        tensor = main_tensor(output) if info else None
        if info and info.layout and tensor is not None and tensor.requires_grad:
            kept[info.name] = Output(tensor, info.layout)

    with preserved(model) as session, torch.autograd.set_detect_anomaly(False):
        for name in {info.module_name for info in wanted.values()}:
            session.on_forward(model.get_submodule(name), partial(keep, name))
        try:
            result = main_tensor(run_model(model, *(_first_picture(item) for item in arguments)))
            if result is None or not result.requires_grad:
                return None
            last = next((name for name in reversed(names) if name in kept and _reaches(result, kept[name])), "")
            return last and _with_nothing_around(result, last, {name: kept[name] for name in every if name in kept})
        except RuntimeError:
            # A model that runs, but not under autograd, or that writes over what it needs, still has its layers.
            return None


def _reaches(result: Tensor, output: Output) -> bool:
    """Whether patches of a layer's output reach the model's, and not one of many alone."""
    gradient = _sent_back(result, torch.full_like(result, math.nan), [output])[0]
    if gradient is None:
        return False
    arrived = output.layout.to_maps(gradient).isnan().any(1)
    return int(arrived.sum()) > min(1, arrived.numel() - 1)


def _with_nothing_around(result: Tensor, last: str, kept: Mapping[str, Output]) -> str:
    """The last layer whose patches are those of `last`, place by place, and reach the result by no way around it."""
    before = list(kept)[: list(kept).index(last)] if last in kept else []
    while before and (around := _goes_around(result, kept[last], {name: kept[name] for name in before})):
        last, before = around, before[: before.index(around)]
    return last


def _goes_around(result: Tensor, output: Output, before: Mapping[str, Output]) -> str | None:
    """The last layer with the very patches of `output`, place by place, that reach the result without it."""
    if output.layout.read is not None:
        return None
    ones = torch.ones_like(output.tensor, requires_grad=True)
    maps = output.layout.to_maps(ones)
    place = (maps.shape[2] // 2, maps.shape[3] // 2)
    one = torch.autograd.grad(maps[:, :, place[0], place[1]].sum(), ones, retain_graph=True)[0].bool()
    patches = torch.autograd.grad(maps.sum(), ones)[0].bool()
    arrived = _sent_back(
        output.tensor, torch.zeros_like(output.tensor).masked_fill(one, math.nan), list(before.values())
    )
    same = [
        name for (name, given), gradient in zip(before.items(), arrived, strict=True) if _is_at(place, gradient, given)
    ]
    block = output.tensor.register_hook(lambda gradient: gradient.masked_fill(patches, 0.0))
    around = next((name for name in reversed(same) if _reaches(result, before[name])), None)
    block.remove()
    return around


def _is_at(place: tuple[int, int], gradient: Tensor | None, output: Output) -> bool:
    """Whether a gradient of one place arrived at that place and at no other."""
    if gradient is None:
        return False
    arrived = output.layout.to_maps(gradient).isnan().any(1)[0]
    return arrived.nonzero().tolist() == [list(place)]


def _sent_back(result: Tensor, gradient: Tensor, outputs: Sequence[Output]) -> Sequence[Tensor | None]:
    """What arrives at each of the outputs of a gradient that is sent back from `result`; None where nothing can."""
    tensors = [output.tensor for output in outputs]
    return torch.autograd.grad(result, tensors, gradient, retain_graph=True, allow_unused=True)


def _first_picture(item: object) -> object:
    """The first of a batch, differentiable; a copy of it, so that the model may write to it."""
    if not isinstance(item, Tensor) or not item.is_floating_point() or not item.ndim:
        return item
    return item.detach()[:1].clone().requires_grad_().clone()
