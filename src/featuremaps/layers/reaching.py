"""Which layer's patch tokens still reach the output: after the last of them only the class token counts."""

import math
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from featuremaps.layers.info import LayerInfo
from featuremaps.layers.model_ends import main_tensor
from featuremaps.running import run as run_model
from featuremaps.session import preserved


def last_reaching(
    model: nn.Module, arguments: tuple[Any, ...], infos: Sequence[LayerInfo], names: Sequence[str]
) -> str | None:
    """The last of the token layers `names` whose patch tokens, not only its class token, reach the output.

    A gradient of NaN is sent back from the output: it arrives wherever there is a connection, even through
    weights that are zero, and stays an exact zero elsewhere.
    """
    wanted = {(info.module_name, info.call): info for info in infos if info.name in names}
    kept: dict[str, Tensor] = {}
    calls: Counter[str] = Counter()

    def keep(name: str, module: nn.Module, args: object, output: object) -> None:
        info = wanted.get((name, calls[name]))
        calls[name] += 1
        tensor = main_tensor(output) if info else None
        if info and tensor is not None and tensor.requires_grad:
            kept[info.name] = tensor

    with preserved(model) as session, torch.autograd.set_detect_anomaly(False):
        for name in {info.module_name for info in wanted.values()}:
            session.on_forward(model.get_submodule(name), partial(keep, name))
        layouts = {info.name: info.layout for info in wanted.values()}
        try:
            result = main_tensor(run_model(model, *(_first_picture(item) for item in arguments)))
            if result is None or not result.requires_grad:
                return None
            poison = torch.full_like(result, math.nan)
            for name in (name for name in reversed(names) if name in kept):
                gradient = torch.autograd.grad(result, kept[name], poison, retain_graph=True, allow_unused=True)[0]
                layout = layouts[name]
                if gradient is not None and layout and layout.to_maps(gradient).isnan().any():
                    return name
        except RuntimeError:
            # A model that runs, but not under autograd, or that writes over what it needs, still has its layers.
            return None
    return None


def _first_picture(item: object) -> object:
    """The first of a batch, differentiable; a copy of it, so that the model may write to it."""
    if not isinstance(item, Tensor) or not item.is_floating_point() or not item.ndim:
        return item
    return item.detach()[:1].clone().requires_grad_().clone()
