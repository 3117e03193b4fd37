"""A picture as a function of place: a small network for each picture, which can be looked at in any resolution."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.draw.canvas import Rows, Shape, canvas, check_numbers
from featuremaps.draw.colour import correlate
from featuremaps.errors import OptionError

# Mean and deviation of arctan(x) squared, where x is normal with variance 1; arctan(x) itself has mean 0.
_MEAN, _DEVIATION = 0.4497, 0.3961


@canvas("cppn")
@dataclass(frozen=True)
class CppnCanvas:
    """Compositional pattern-producing networks (Mordvintsev et al. 2018, "Differentiable image parameterizations").

    From the coordinates, `depth` layers of `width` units lead to the colours, decorrelated. A unit passes on both the
    arctangent of what it gets and the square of that. `contrast` is the deviation with which a picture begins, before
    the sigmoid.
    """

    width: int = 24
    depth: int = 6
    contrast: float = 0.3
    rate: float = 0.01

    def __post_init__(self) -> None:
        check_numbers(self, "contrast", "rate")
        for name in ("width", "depth"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise OptionError(f"CppnCanvas: {name} is a whole number, 1 or more; got {value!r}.")

    def start(self, count: int, shape: Shape, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Weights and biases, layer by layer."""
        sizes = [2, *[self.width] * self.depth]
        layers = [(inner if inner == 2 else 2 * inner, outer) for inner, outer in pairwise(sizes)]
        parameters: list[Tensor] = []
        for fan_in, fan_out in [*layers, (2 * self.width, shape[0])]:
            noise = torch.randn(
                (count, fan_out, fan_in), generator=generator, device=generator.device, dtype=torch.float32
            )
            parameters += [noise * fan_in**-0.5, noise.new_zeros(count, fan_out, 1)]
        parameters[-2] *= self.contrast
        return tuple(parameters)

    def picture(self, parameters: tuple[Tensor, ...], shape: Shape) -> Rows:
        """The networks' answers at every pixel, coloured, and brought between 0 and 1."""
        passed = _places(shape, parameters[0]).expand(len(parameters[0]), -1, -1)
        for layer in range(0, len(parameters) - 2, 2):
            passed = _composite(torch.baddbmm(parameters[layer + 1], parameters[layer], passed))
        values = torch.baddbmm(parameters[-1], parameters[-2], passed)
        return correlate(values.unflatten(2, shape[1:])).sigmoid()


def _places(shape: Shape, like: Tensor) -> Float[Tensor, "1 2 place"]:
    """The middle of every pixel; the longer side reaches from -√3 to √3, which is a variance of 1."""
    reach = 3**0.5 / max(shape[1:])
    axes = [
        torch.arange(1 - size, size, 2, dtype=like.dtype, device=like.device) * reach for size in (shape[1], shape[2])
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1)[None]


def _composite(values: Tensor) -> Tensor:
    """An odd and an even function of every value, each of variance 1 where the values are normal."""
    arc = values.atan()
    return torch.cat((arc / _MEAN**0.5, (arc.square() - _MEAN) / _DEVIATION), 1)
