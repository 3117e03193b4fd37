"""One pass through a model on tensors laid out channels last, without work that a single pass need not do.

What `folding` does for many passes takes longer than it saves for one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from featuremaps.state import Session


@contextmanager
def lightened(session: Session) -> Iterator[None]:
    """While the session's model runs once: the same results, to rounding.

    Convolutions with more weights than input read it contiguous: torch would lay the weights out anew, which takes
    longer than the convolution. Batch norms scale and shift: torch's keeps its input for a gradient nobody asks for.
    """
    with session.one_pass() as one:
        for module in session.modules:
            if isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1):
                one.before_forward(module, _contiguous_where_light)
            elif type(module) is nn.BatchNorm2d and _float(module.running_mean) and _float(module.running_var):
                one.instead(module, _scaling(module))
        yield


def _contiguous_where_light(module: nn.Conv2d, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
    if args and isinstance(args[0], Tensor) and args[0].numel() < module.weight.numel():
        return (args[0].contiguous(), *args[1:])
    return None


def _scaling(norm: nn.BatchNorm2d) -> Callable[[Tensor], Tensor]:
    """What the batch norm does in evaluation mode, as one operation."""

    def scaled(input: Tensor) -> Tensor:
        mean, variance = norm.running_mean, norm.running_var
        if input.ndim != 4 or input.dtype != torch.float32 or mean is None or variance is None:
            return nn.BatchNorm2d.forward(norm, input)
        with torch.no_grad():
            scale = torch.rsqrt(variance + norm.eps)
            if norm.weight is not None:
                scale *= norm.weight
            shift = -mean * scale if norm.bias is None else torch.addcmul(norm.bias, mean, scale, value=-1)
        return torch.addcmul(shift[:, None, None], input, scale[:, None, None])

    return scaled


def _float(tensor: Tensor | None) -> bool:
    return tensor is not None and tensor.dtype == torch.float32
