"""One pass through a model on tensors laid out channels last, without work that a single pass need not do.

What `folding` does for many passes takes longer than it saves for one.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from featuremaps.phases import Phases, by_phases
from featuremaps.state import Session


@contextmanager
def lightened(session: Session) -> Iterator[None]:
    """While the session's model runs once: the same results, to rounding.

    Convolutions with more weights than input read it contiguous: torch would lay the weights out anew, which takes
    longer than the convolution. Batch norms scale and shift: torch's keeps its input for a gradient nobody asks for.
    The gradient of a strided convolution of few colours is computed phase by phase, on the CPU.
    """
    norms = [module for module in session.modules if _usual(module)]
    with session.one_pass() as one:
        for module in session.modules:
            if isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1):
                one.before_forward(module, _contiguous_where_light)
            if _first(module):
                one.instead(module, _with_phases(module))
        for norm, scale, shift in _scales(norms):
            one.instead(norm, _scaling(norm, scale, shift))
        yield


def _contiguous_where_light(module: nn.Conv2d, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
    if args and isinstance(args[0], Tensor) and args[0].numel() < module.weight.numel():
        return (args[0].contiguous(), *args[1:])
    return None


def _first(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether it is torch's own convolution, as a model's first one is: strided, and of few colours."""
    return (
        type(module) is nn.Conv2d
        and module.padding_mode == "zeros"
        and by_phases(module.weight, module.stride, module.dilation, module.groups)
        and not isinstance(module.padding, str)
    )


def _with_phases(conv: nn.Conv2d) -> Callable[[Tensor], Tensor]:
    """What the convolution does, with its gradient for its input computed phase by phase."""

    def convolved(input: Tensor) -> Tensor:
        usual = input.ndim == 4 and input.device.type == "cpu" and input.dtype == conv.weight.dtype
        if not (usual and input.requires_grad) or torch.is_autocast_enabled("cpu"):
            return nn.Conv2d.forward(conv, input)
        found: Tensor = _Phased.apply(input, conv)
        return found

    return convolved


class _Phased(torch.autograd.Function):
    """A convolution module; its gradient for its weights is not asked for."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, conv: nn.Conv2d) -> Tensor:
        ctx.conv, ctx.size = conv, (x.shape[2], x.shape[3])
        return nn.Conv2d.forward(conv, x)

    @staticmethod
    def backward(ctx: Any, y: Tensor) -> tuple[Tensor, None]:
        (stride, _), padding = ctx.conv.stride, ctx.conv.padding
        phases = Phases.of(ctx.conv.weight.detach(), stride, padding, ctx.size, (y.shape[2], y.shape[3]))
        return phases(y, lambda maps: torch.conv2d(maps, phases.weight, padding=phases.margin)), None


def _usual(module: nn.Module) -> TypeGuard[nn.BatchNorm2d]:
    """Whether it is torch's own batch norm with weights and statistics, all in single precision."""
    weights = (module._parameters.get(name) for name in ("weight", "bias"))
    held = (*weights, *(module._buffers.get(name) for name in ("running_mean", "running_var")))
    return type(module) is nn.BatchNorm2d and all(one is not None and one.dtype == torch.float32 for one in held)


@torch.no_grad()
def _scales(norms: Sequence[nn.BatchNorm2d]) -> Iterator[tuple[nn.BatchNorm2d, Tensor, Tensor]]:
    """By what batch norms scale and shift their channels, (channel, 1, 1): at once those that are like the first."""
    like = [norm for norm in norms if (norm.eps, norm.weight.device) == (norms[0].eps, norms[0].weight.device)]
    if not like:
        return
    names = ("weight", "bias", "running_mean", "running_var")
    weight, bias, mean, variance = (torch.cat([getattr(norm, name) for norm in like]) for name in names)
    scale = weight * torch.rsqrt(variance + like[0].eps)
    shift = torch.addcmul(bias, mean, scale, value=-1)
    sizes = [norm.num_features for norm in like]
    yield from zip(like, *(each[:, None, None].split(sizes) for each in (scale, shift)), strict=True)


def _scaling(norm: nn.BatchNorm2d, scale: Tensor, shift: Tensor) -> Callable[[Tensor], Tensor]:
    """What the batch norm does in evaluation mode, as one operation."""

    def scaled(input: Tensor) -> Tensor:
        if input.ndim != 4 or input.dtype != torch.float32:
            return nn.BatchNorm2d.forward(norm, input)
        return torch.addcmul(shift, input, scale)

    return scaled
