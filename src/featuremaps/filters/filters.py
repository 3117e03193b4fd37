"""The filters of a convolution: its weights, and what can be told from them alone, without running the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from featuremaps.errors import LayerNotFoundError, LayoutError, ModelError, OptionError, did_you_mean
from featuremaps.filters.figures import FilterScaling, Kernels, filters_figure
from featuremaps.layers import find
from featuremaps.plotting.files import file_name, png_of
from featuremaps.plotting.panels import number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEAD = 1e-3
ALIKE = 0.99


@dataclass(frozen=True, eq=False)
class Filters:
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
    scaling: FilterScaling = "filter"

    @cached_property
    def norms(self) -> Float[Tensor, " filter"]:
        """The Euclidean norm of each filter."""
        norms: Tensor = torch.linalg.vector_norm(self.tensor.flatten(1), dim=1)
        return norms

    @cached_property
    def dead(self) -> tuple[int, ...]:
        """Filters whose norm is below a thousandth of the median norm (of those that are not 0)."""
        alive = self.norms[self.norms > 0]
        least = DEAD * alive.median() if len(alive) else torch.inf
        return tuple((self.norms < least).nonzero().flatten().tolist())

    @cached_property
    def duplicates(self) -> tuple[tuple[int, int, float], ...]:
        """Pairs of filters of one group, neither of them dead, whose cosine is above 0.99, and the cosine."""
        count = len(self) // self.groups
        flat = self.tensor.flatten(1)
        unit = flat / torch.where(self.norms > 0, self.norms, 1.0)[:, None]
        found = []
        for group in range(self.groups):
            part = unit[group * count : (group + 1) * count]
            cosines = (part @ part.mT).triu(1)
            for first, second in (cosines > ALIKE).nonzero().tolist():
                found.append((group * count + first, group * count + second, min(1.0, float(cosines[first, second]))))
        return tuple(pair for pair in found if not {pair[0], pair[1]} & set(self.dead))

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
        middle: Tensor = torch.fft.fftshift(magnitudes, dim=(1, 2))
        return middle

    def figure(
        self, which: Sequence[int] | None = None, *, most: int = 0, scaling: FilterScaling | None = None
    ) -> "Figure":
        """The filters as pictures, `which` of them or the first `most` (0: as many as are readable).

        Three channels are shown as colours, one as a tile; of more, each filter is a row of tiles, the channels with
        the largest norms first. 1×1 kernels are a matrix. For a first layer the frequency response stands beside.
        """
        twins: dict[int, int] = {}
        for first, second, _ in self.duplicates:
            twins.setdefault(first, second)
            twins.setdefault(second, first)
        kernels = Kernels(
            layer=self.layer,
            weights=self.tensor,
            spread=self.spread(),
            norms=self.norms,
            inputs=self.inputs,
            groups=self.groups,
            dilated=bool(set(self.dilation) - {1}),
            colours=self.colours,
            scaling=checked_scaling(scaling or self.scaling),
            dead=self.dead,
            twins=twins,
            responses=self.frequency_response() if self.first and len(self.kernel) == 2 else None,
            summary=self.summary(),
        )
        return filters_figure(kernels, which, most)

    def save(self, folder: str | Path = ".", **look: Any) -> list[Path]:
        """Write the figure (PNG) and the weights (`.npy`, float32); returns the files written."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        stem = file_name("filters", self.layer)
        (folder / f"{stem}.png").write_bytes(png_of(self.figure(**look)))
        np.save(folder / f"{stem}.npy", self.tensor.float().cpu().numpy())
        return [folder / f"{stem}.png", folder / f"{stem}.npy"]

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
            f"{len(self)} filters {shape} over {channels}",
            *filter(None, kinds),
            f"norms {number(float(low))} to {number(float(high))}",
            f"{len(self.dead)} dead",
            f"{len(self.duplicates)} near-duplicate pair{'s' if len(self.duplicates) != 1 else ''}",
        ]
        return ", ".join(facts)

    def __repr__(self) -> str:
        return f"<Filters of {self.layer}: {self.summary()}>"

    def _repr_png_(self) -> bytes:
        return png_of(self.figure())


def filters_of(
    model: nn.Module, layer: str, *, scaling: FilterScaling = "filter", colours: tuple[int, ...] = (0, 1, 2)
) -> Filters:
    """The filters of the convolution that `layer` is, or of the only one inside it.

    Raises `LayerNotFoundError` for a layer that does not exist, `LayoutError` for one without a convolution or with
    several, `ModelError` for weights that are not finite.
    """
    name, module = _convolution(model, layer)
    weight, transposed = module.weight.detach(), bool(getattr(module, "transposed", False))
    assert isinstance(weight, Tensor)
    groups = int(getattr(module, "groups", 1))
    if transposed:
        weight = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    axes = weight.ndim - 2
    dilation = getattr(module, "dilation", 1)
    bad = (~weight.isfinite()).flatten(1).any(1).nonzero().flatten().tolist()
    if bad:
        raise ModelError(
            f"{len(bad)} of {len(weight)} filters of {name!r} hold NaN or infinite weights (the first is filter "
            f"{bad[0]}). Load the model again from a good checkpoint."
        )
    return Filters(
        layer=name,
        tensor=weight.float(),
        inputs=weight.shape[1] * groups,
        groups=groups,
        dilation=(dilation,) * axes if isinstance(dilation, int) else tuple(dilation),
        transposed=transposed,
        colours=colours if len(colours) == 3 else (0, 1, 2),
        scaling=checked_scaling(scaling),
    )


def checked_scaling(scaling: FilterScaling) -> FilterScaling:
    """The scaling, or an `OptionError`."""
    if scaling not in get_args(FilterScaling):
        raise OptionError(
            f"scaling={scaling!r} is not known; choose 'filter' (each its own) or 'layer' (one for all)."
            f"{did_you_mean(str(scaling), get_args(FilterScaling))}"
        )
    return scaling


def _is_convolution(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and 3 <= weight.ndim <= 5 and weight.is_floating_point()


def _convolution(model: nn.Module, layer: str) -> tuple[str, Any]:
    """The convolution that a layer is or wraps, with its name."""
    every = [name for name, module in model.named_modules() if name and _is_convolution(module)]
    try:
        module = find(model, layer)
    except LayerNotFoundError as error:
        near = did_you_mean(layer, every)
        raise LayerNotFoundError(f"the model has no layer {layer!r}.{near} {_near(layer, every)}") from error
    if _is_convolution(module):
        return layer, module
    inside = [name for name in every if name.startswith(layer + ".")]
    if len(inside) == 1:
        return inside[0], model.get_submodule(inside[0])
    kind = type(module).__name__
    if inside:
        shown = ", ".join(inside[:6]) + (", …" if len(inside) > 6 else "")
        raise LayoutError(f"layer {layer!r} ({kind}) holds {len(inside)} convolutions; choose one: {shown}.")
    raise LayoutError(
        f"layer {layer!r} ({kind}) has no filters: it is no convolution and holds none. {_near(layer, every)}"
    )


def _near(layer: str, convolutions: Sequence[str]) -> str:
    """Convolutions whose names begin like this one."""
    if not convolutions:
        return "The model has no convolution at all (no module with a 3-, 4- or 5-D weight)."
    parts = layer.split(".")

    def shared(name: str) -> int:
        pairs = zip(parts, name.split("."), strict=False)
        return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(parts), name.count(".") + 1))

    nearest = sorted(convolutions, key=shared, reverse=True)[:4]
    return f"Convolutions near it: {', '.join(name for name in convolutions if name in nearest)}."
