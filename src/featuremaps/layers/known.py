"""What is known about a model's layers: found by running it once for each size of picture, and remembered."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from weakref import ref

import torch
from torch import Tensor, nn

from featuremaps.errors import LayoutError
from featuremaps.layers.discover import walk
from featuremaps.layers.info import LayerInfo
from featuremaps.layers.layout import Layout, layout_of, needs_layout
from featuremaps.layers.listing import Layers
from featuremaps.session import Beside, in_turn, unwrapped

MOST = 16
"""Sizes that are remembered for a model."""


class Walks(dict[tuple[int, ...], Layers]):
    """The walks through a model as it is: by the inputs' size, while its modules stay the very same."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._modules = [ref(module) for module in model.modules()]

    def are_of(self, model: nn.Module) -> bool:
        """Whether the model still consists of these modules."""
        modules = list(model.modules())
        return len(modules) == len(self._modules) and all(
            known() is module for known, module in zip(self._modules, modules, strict=True)
        )


_WALKS: Beside[Walks] = Beside()


def known_layers(model: nn.Module, inputs: Tensor) -> Layers:
    """The layers that run for pictures of this size, `inputs` on the model's device; the model is run if need be."""
    model, size = unwrapped(model), tuple(inputs.shape[1:])
    with in_turn(model):
        walks = _walks(model)
        if size not in walks:
            if len(walks) >= MOST:
                walks.clear()
            walks[size] = walk(model, inputs[:1])
        return walks[size]


@dataclass(frozen=True, eq=False)
class Reading:
    """How a run's layers are to be read: as they were seen when the model was looked at.

    `infos` leaves out layers that did not run then, and is empty while exporting.
    """

    model: nn.Module
    inputs: Tensor
    infos: Mapping[str, LayerInfo]

    def layout(self, name: str, module: nn.Module, output: object) -> Layout:
        """How a layer's output lies; `LayoutError` where it has no maps, or another form than it had."""
        info = self.infos.get(name)
        guess = info.layout if info is not None else layout_of(output, module, self.inputs.shape)
        layout = needs_layout(guess, name, output, info.note if info is not None else "")
        assert isinstance(output, Tensor)
        if output.shape[0] != self.inputs.shape[0]:
            raise LayoutError(
                f"layer {name!r} gives {output.shape[0]} maps for {self.inputs.shape[0]} pictures: the model takes its "
                "pictures one by one, or cuts them up. Give them one at a time: batch_size=1."
            )
        fitted = layout.of(output)
        if fitted is None:
            _WALKS.set(unwrapped(self.model), Walks(unwrapped(self.model)))
            raise LayoutError(
                f"layer {name!r} gives shape {tuple(output.shape)}, and gave another form when the model was looked "
                "at: it was changed since, or does something else for every picture. If it was changed, ask once more."
            )
        return fitted


def reading_of(model: nn.Module, names: Iterable[str], inputs: Tensor) -> Reading:
    """How these layers are read in a run on `inputs`.

    For pictures of another size the model is run again only where a layer gives tokens, whose grid depends on it.
    """
    if torch.compiler.is_exporting() or not (wanted := list(names)):
        return Reading(model, inputs, {})
    with in_turn(model):
        layers = _of_any_size(_walks(unwrapped(model)), wanted, tuple(inputs.shape[1:])) or known_layers(model, inputs)
    return Reading(model, inputs, {name: info for name in wanted if (info := layers.get(name)) is not None})


def _walks(model: nn.Module) -> Walks:
    walks = _WALKS.get(model, lambda: Walks(model))
    if not walks.are_of(model):
        walks = Walks(model)
        _WALKS.set(model, walks)
    return walks


def _of_any_size(walks: Walks, names: Sequence[str], size: tuple[int, ...]) -> Layers | None:
    """A walk for pictures of another size that says all that is asked about these layers, if there is one."""
    for known, layers in {} if size in walks else walks.items():
        if len(known) == len(size) and known[0] == size[0] and all(_of_all_sizes(layers.get(name)) for name in names):
            return layers
    return None


def _of_all_sizes(info: LayerInfo | None) -> bool:
    """Whether a layer lies alike whatever the size: no tokens, and more than one place, of which a trace tells more."""
    layout = None if info is None else info.layout
    return layout is not None and layout.kind != "tokens" and math.prod(layout.grid) > 1
