"""The filters of a convolution: its weights, and what can be told from them alone, without running the model."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any, get_args

from torch import Tensor, nn
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from featuremaps.errors import LayerNotFoundError, LayoutError, ModelError, check_choice, did_you_mean, first_of
from featuremaps.filters.figures import FilterScaling, filters_figure
from featuremaps.filters.weights import FilterWeights
from featuremaps.layers import find
from featuremaps.models.keras_model import keras_kernel
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.file_names import file_name
from featuremaps.plotting.files import png_of, write_files
from featuremaps.results.shown import Shown
from featuremaps.session import preserved

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
KERNEL_SETTINGS = ("kernel_size", "stride", "padding", "dilation", "groups")
"""What a module that is no convolution of torch is told to be one by."""


class Filters(FilterWeights, Shown):
    """The filters of one convolution, with their figure.

    Attributes:
        layer: The layer's address.
        tensor: The weights, (filter, channel, height, width).
        inputs: How many channels the layer is given.
        groups: In how many groups its channels are split.
        dilation: How far apart the taps of a filter lie, along each axis.
        transposed: Whether it is a transposed convolution.
        colours: Which channels are shown as red, green and blue.
        scaling: How they are coloured: "filter" (each its own) or "layer" (one for all).
    """

    def figure(
        self, which: Sequence[int] | None = None, *, most: int = 0, scaling: FilterScaling | None = None
    ) -> Figure:
        """The filters as pictures.

        Three channels are shown as colours, one as a tile; of more, each filter is a row of tiles, the channels with
        the largest norms first. 1×1 kernels are a matrix. For a first layer the frequency response stands beside.

        Args:
            which: The numbers of the filters that are shown.
            most: How many from the first on, where `which` is not given; 0 for as many as are readable.
            scaling: As for `Scope.filters`.

        Returns:
            A figure of matplotlib.
        """
        check_choice("scaling", scaling or self.scaling, get_args(FilterScaling))
        return filters_figure(replace(self, scaling=scaling or self.scaling), which, most)

    def save(self, folder: str | Path = ".", **look: Any) -> list[Path]:
        """Write the figure (PNG) and the weights (`.npy`, float32).

        Args:
            folder: Where they are written.
            **look: See `figure`.

        Returns:
            The files written.
        """
        stem = file_name("filters", self.layer)
        return write_files(folder, [(stem, png_of(self.figure(**look))), (stem, self.tensor)])

    def __repr__(self) -> str:
        return f"<Filters of {self.layer}: {self.summary()}>"


def filters_of(
    model: nn.Module, layer: str, *, scaling: FilterScaling = "filter", colours: tuple[int, ...] = (0, 1, 2)
) -> Filters:
    """The filters of the convolution that `layer` is, or of the only one inside it.

    Raises `LayerNotFoundError` for a layer that does not exist, `LayoutError` for one without a convolution or with
    several, `ModelError` for weights that are not finite.
    """
    check_choice("scaling", scaling, get_args(FilterScaling))
    with preserved(model):  # weights that are made anew each time they are read, as by a spectral norm, count along
        name, module = _convolution(model, layer)
        kernel = _kernel(module)
    assert kernel is not None
    weight, groups, dilation = kernel["weight"], kernel["groups"], kernel["dilation"]
    if kernel["transposed"]:
        weight = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    axes = weight.ndim - 2
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
        transposed=kernel["transposed"],
        colours=colours if len(colours) == 3 else (0, 1, 2),
        scaling=scaling,
    )


def _kernel(module: nn.Module) -> dict[str, Any] | None:
    """The weights of a convolution as PyTorch orders them, its groups and dilation; None for another layer."""
    weight = weight_in_use(module) if _convolves(module) else None
    if not (isinstance(weight, Tensor) and 3 <= weight.ndim <= 5 and weight.is_floating_point()):
        return keras_kernel(module)
    return {
        "weight": weight.detach(),
        "groups": int(getattr(module, "groups", 1)),
        "transposed": bool(getattr(module, "transposed", False)),
        "dilation": getattr(module, "dilation", 1),
    }


def _convolves(module: nn.Module) -> bool:
    """Whether a weight of 3 to 5 axes is one of filters, as norms, experts and bilinear layers have such weights too.

    That is so of torch's convolutions and what is made of them; of other modules that have a kernel's settings, or are
    called so.
    """
    kind = type(module)
    if isinstance(module, CONVOLUTIONS):
        return True
    if kind.__module__.startswith("torch.nn.modules."):
        return False
    return "conv" in kind.__name__.lower() or any(hasattr(module, name) for name in KERNEL_SETTINGS)


def weight_in_use(module: nn.Module) -> Any:
    """The weight that the next run in evaluation mode takes; None for a module without one.

    Torch's older norms of weights and its pruning make it in a hook before each run: until then `module.weight` is what
    it was before a checkpoint was loaded.
    """
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, WeightNorm) and hook.name == "weight":
            return hook.compute_weight(module)
        if isinstance(hook, SpectralNorm) and hook.name == "weight":
            return hook.compute_weight(module, do_power_iteration=False)
        if isinstance(hook, BasePruningMethod) and hasattr(module, "weight_mask"):
            return hook.apply_mask(module)
    return getattr(module, "weight", None)


def _convolution(model: nn.Module, layer: str) -> tuple[str, Any]:
    """The convolution that a layer is or wraps, with its name."""
    every = [name for name, module in model.named_modules() if name and _kernel(module)]
    try:
        module = find(model, layer)
    except LayerNotFoundError as error:
        near = did_you_mean(layer, every)
        raise LayerNotFoundError(f"the model has no layer {layer!r}.{near} {_near(layer, every)}") from error
    if _kernel(module):
        return layer, module
    inside = [name for name in every if name.startswith(layer + ".")]
    if len(inside) == 1:
        return inside[0], model.get_submodule(inside[0])
    kind = type(module).__name__
    if inside:
        raise LayoutError(
            f"layer {layer!r} ({kind}) holds {len(inside)} convolutions; choose one: {first_of(inside, 6)}."
        )
    raise LayoutError(
        f"layer {layer!r} ({kind}) has no filters: it is no convolution and holds none. {_near(layer, every)}"
    )


def _near(layer: str, convolutions: Sequence[str]) -> str:
    """Convolutions whose names begin like this one."""
    if not convolutions:
        return "The model has no convolution at all."

    def shared(name: str) -> int:
        pairs = zip(layer.split("."), name.split("."), strict=False)
        return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))

    nearest = sorted(convolutions, key=shared, reverse=True)[:4]
    return f"Convolutions near it: {', '.join(name for name in convolutions if name in nearest)}."
