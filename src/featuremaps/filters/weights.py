"""The weights of a convolution, a filter per output channel, and what can be told from them alone."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import OptionError
from featuremaps.plotting.panels import three_digits

DEAD = 1e-3
ALIKE = 0.99


@dataclass(frozen=True, eq=False)
class FilterWeights:
    """The weights of one convolution, a filter per output channel.

    `tensor` is (filter, channel, *kernel) with the channels of the filter's own group; the filters of a transposed
    convolution are put into this order. `inputs` counts the channels of the layer's input, `colours` says which of
    three are red, green and blue. `scaling` is how they are looked at: each filter its own, or one for the layer.
    """

    layer: str
    tensor: Float[Tensor, "filter channel *kernel"]
    inputs: int
    groups: int = 1
    dilation: tuple[int, ...] = ()
    transposed: bool = False
    colours: tuple[int, ...] = (0, 1, 2)
    scaling: Literal["filter", "layer"] = "filter"

    @cached_property
    def norms(self) -> Float[Tensor, " filter"]:
        """The Euclidean norm of each filter."""
        return torch.linalg.vector_norm(self.tensor.flatten(1), dim=1)

    @cached_property
    def dead(self) -> tuple[int, ...]:
        """Filters whose norm is below a thousandth of the median norm (of those that are not 0)."""
        alive = self.norms[self.norms > 0]
        least = DEAD * alive.median() if len(alive) else torch.inf
        return tuple((self.norms < least).nonzero().flatten().tolist())

    @cached_property
    def duplicates(self) -> tuple[tuple[int, int, float], ...]:
        """Pairs of filters of one group, neither of them dead, whose cosine is above 0.99, and the cosine.

        There are none among filters of a single weight, of which all of one sign have a cosine of 1.
        """
        if self.tensor[0].numel() == 1:
            return ()
        count = len(self) // self.groups
        flat = self.tensor.flatten(1)
        unit = flat / torch.where(self.norms > 0, self.norms, 1.0)[:, None]
        pairs = []
        for group in range(self.groups):
            part = unit[group * count : (group + 1) * count]
            cosines = (part @ part.mT).triu(1)
            for first, second in (cosines > ALIKE).nonzero().tolist():
                pairs.append((group * count + first, group * count + second, min(1.0, float(cosines[first, second]))))
        return tuple(pair for pair in pairs if not {pair[0], pair[1]} & set(self.dead))

    @property
    def first(self) -> bool:
        """Whether the filters look at the picture itself: its three colours, or its grey."""
        return self.inputs in (1, 3) and not self.transposed

    @property
    def kernel(self) -> tuple[int, ...]:
        """The kernel's size along each axis, without the gaps of a dilation."""
        return tuple(self.tensor.shape[2:])

    def spread(self) -> Float[Tensor, "filter channel *kernel"]:
        """The weights where they act: a dilation's gaps are filled with NaN."""
        steps = self.dilation or (1,) * len(self.kernel)
        reach = [(length - 1) * step + 1 for length, step in zip(self.kernel, steps, strict=True)]
        result = self.tensor.new_full((*self.tensor.shape[:2], *reach), torch.nan)
        places: tuple[Any, ...] = (..., *(slice(None, None, step) for step in steps))
        result[places] = self.tensor
        return result

    def frequency_response(self, size: int = 64) -> Float[Tensor, "filter size size"]:
        """The magnitude of each filter's 2-D Fourier transform, zero-padded, with frequency 0 in the middle.

        The magnitudes of the channels are combined as the root of their squares. `OptionError` for other kernels
        than 2-D ones, or larger than `size`.
        """
        spread = self.spread().nan_to_num(0.0).float()
        if spread.ndim != 4 or max(spread.shape[2:]) > size:
            raise OptionError(
                f"frequency_response is of 2-D kernels up to size={size}; those of {self.layer} reach over "
                f"{'×'.join(map(str, spread.shape[2:]))}."
            )
        magnitudes: Tensor = torch.fft.fft2(spread, s=(size, size)).abs().square().sum(1).sqrt()
        return torch.fft.fftshift(magnitudes, dim=(1, 2))

    @cached_property
    def twins(self) -> dict[int, int]:
        """Of each near-duplicate the number of its first like."""
        twins: dict[int, int] = {}
        for first, second, _ in self.duplicates:
            twins.setdefault(first, second)
            twins.setdefault(second, first)
        return twins

    def __len__(self) -> int:
        return self.tensor.shape[0]

    def summary(self) -> str:
        """How many filters of what kind, their norms, and how many are dead or near-duplicates."""
        shape = "×".join(map(str, self.kernel)) if len(self.kernel) > 1 else f"{self.kernel[0]} long"
        kinds = [
            "transposed" if self.transposed else "",
            "depthwise" if self.groups > 1 and self.tensor.shape[1] == 1 else "",
            f"{self.groups} groups" if self.groups > 1 and self.tensor.shape[1] > 1 else "",
            f"dilated by {'×'.join(map(str, dict.fromkeys(self.dilation)))}" if set(self.dilation) - {1} else "",
        ]
        channels = f"{self.tensor.shape[1]} channel{'s' if self.tensor.shape[1] != 1 else ''}"
        low, high = self.norms.aminmax()
        facts = [
            f"{len(self)} filter{'s' if len(self) != 1 else ''} {shape} over {channels}",
            *filter(None, kinds),
            f"norms {three_digits(float(low))} to {three_digits(float(high))}",
            f"{len(self.dead)} dead",
            f"{len(self.duplicates)} near-duplicate pair{'s' if len(self.duplicates) != 1 else ''}",
        ]
        return ", ".join(facts)
