"""What is known about a model's layers: found by running it once for each size of picture, and remembered."""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from weakref import ref

from torch import Tensor, nn

from featuremaps.errors import LayoutError
from featuremaps.layers.addresses import Address
from featuremaps.layers.discover import walk
from featuremaps.layers.given import GivenLayout
from featuremaps.layers.info import LayerInfo
from featuremaps.layers.layout import Layout, layout_of, needs_layout
from featuremaps.layers.listing import Layers
from featuremaps.layers.picture_order import out_of_order
from featuremaps.layers.settings import hooks_of, settings_of
from featuremaps.running import exporting
from featuremaps.session import Beside, in_turn, unwrapped

MOST = 16
"""Sizes that are remembered for a model."""
Walked = tuple[GivenLayout | None, tuple[int, ...]]
"""What a walk is remembered by: how the user says that layers lie, and the inputs' size."""


class Walks(dict[Walked, Layers]):
    """The walks through a model as it is, while its modules, their settings and hooks stay the very same.

    That is looked at once in a turn: within one the model itself writes to what it keeps.
    """

    def __init__(self, model: nn.Module, turn: int = 0) -> None:
        super().__init__()
        modules = list(model.modules())
        self._modules = [ref(module) for module in modules]
        self._settings = settings_of(modules), hooks_of(modules)
        self._turn = turn

    def are_of(self, model: nn.Module, turn: int) -> bool:
        """Whether the model consisted of these modules, set as they were, when this turn began."""
        if turn == self._turn:
            return True
        modules = list(model.modules())
        same = len(modules) == len(self._modules) and all(
            known() is module for known, module in zip(self._modules, modules, strict=True)
        )
        same = same and self._settings == (settings_of(modules), hooks_of(modules))
        self._turn = turn if same else self._turn
        return same


_WALKS: Beside[Walks] = Beside()


def known_layers(model: nn.Module, inputs: Tensor, given: GivenLayout | None = None) -> Layers:
    """The layers that run for pictures of this size, `inputs` on the model's device; the model is run if need be."""
    model, key = unwrapped(model), (given, tuple(inputs.shape[1:]))
    with in_turn(model) as turn:
        walks = _walks(model, turn)
        if key not in walks:
            if len(walks) >= MOST:
                walks.clear()
            walks[key] = _walked(model, inputs, given)
        return walks[key]


def size_known(model: nn.Module, given: GivenLayout | None = None) -> tuple[int, ...] | None:
    """The inputs' size (channel, *space) that the model as it is was looked at last; None where it was not yet."""
    model = unwrapped(model)
    with in_turn(model) as turn:
        sizes = [size for known, size in _walks(model, turn) if known == given]
    return sizes[-1] if sizes else None


def _walked(model: nn.Module, inputs: Tensor, given: GivenLayout | None) -> Layers:
    """The layers as they run on the first picture; on all of them in a model that takes only as many as these.

    Where neither works, the reason is that of a single picture.
    """
    try:
        return walk(model, inputs[:1], given)
    except Exception as alone:
        if len(inputs) > 1:
            with suppress(Exception):
                return walk(model, inputs, given)
        raise alone


@dataclass(frozen=True, eq=False)
class Reading:
    """How a run's layers are to be read: as they were seen when the model was looked at.

    `infos` leaves out layers that did not run then.
    """

    model: nn.Module
    inputs: Tensor
    infos: Mapping[str, LayerInfo]

    def is_meant(self, address: Address, call: int) -> bool:
        """Whether an address may mean this call of its module: without a number the last one, as it ran then."""
        if address.call is not None:
            return address.call == call
        info = self.infos.get(address.name)
        return info is None or call >= info.call

    def layout(self, name: str, module: nn.Module, output: object) -> Layout:
        """How a layer's output lies; `LayoutError` where it has no maps, or another form than it had."""
        info = self.infos.get(name)
        guess = info.layout if info is not None else layout_of(output, module, self.inputs.shape)
        layout = needs_layout(guess, name, output, info.note if info is not None else "")
        assert isinstance(output, Tensor)
        count = output.shape[layout.batch_axis] if output.ndim > layout.batch_axis else 0
        if count != self.inputs.shape[0]:
            raise LayoutError(
                f"layer {name!r} gives {count} maps for {self.inputs.shape[0]} pictures: the model takes its "
                "pictures one by one, or cuts them up. Give them one at a time: batch_size=1."
            )
        if layout.reordered and count > 1:
            raise out_of_order(name)
        fitted = layout.of(output)
        if fitted is None:
            _WALKS.set(unwrapped(self.model), Walks(unwrapped(self.model)))
            raise LayoutError(
                f"layer {name!r} gives shape {tuple(output.shape)}, and gave another form when the model was looked "
                "at: it was changed since, or does something else for every picture. If it was changed, ask once more."
            )
        return fitted


def batch_axis_for_edits(model: nn.Module, name: str) -> int:
    """The axis of the pictures in a layer's output, as far as the model was looked at.

    `LayoutError` for a layer that was seen to put pictures in another order, so that edits would change places.
    """
    walks = _WALKS.get(model, lambda: Walks(model))
    infos = [info for layers in walks.values() if (info := layers.get(name)) is not None]
    layouts = [info.layout for info in infos if info.layout is not None]
    if any(layout.reordered for layout in layouts):
        raise out_of_order(name, edited=True)
    return max((layout.batch_axis for layout in layouts), default=0)


def reading_of(model: nn.Module, names: Iterable[str], inputs: Tensor, given: GivenLayout | None = None) -> Reading:
    """How these layers are read in a run on `inputs`.

    For pictures of another size the model is run again only where a layer gives tokens, whose grid depends on it; while
    exporting it is not run at all.
    """
    wanted, key = list(names), (given, tuple(inputs.shape[1:]))
    with in_turn(model) as turn:
        walks = _walks(unwrapped(model), turn)  # also for no layer: it is looked at before the model is run
        if not wanted:
            return Reading(model, inputs, {})
        layers = _of_any_size(walks, wanted, key)
        if exporting():
            layers = walks.get(key, layers)
        else:
            layers = layers or known_layers(model, inputs, given)
    infos = {} if layers is None else {name: info for name in wanted if (info := layers.get(name)) is not None}
    return Reading(model, inputs, infos)


def _walks(model: nn.Module, turn: int) -> Walks:
    walks = _WALKS.get(model, lambda: Walks(model, turn))
    if not walks.are_of(model, turn):
        walks = Walks(model, turn)
        _WALKS.set(model, walks)
    return walks


def _of_any_size(walks: Walks, names: Sequence[str], key: Walked) -> Layers | None:
    """A walk for pictures of another size that says all that is asked about these layers, if there is one."""
    given, size = key
    for (known, other), layers in {} if key in walks else walks.items():
        fits = known == given and len(other) == len(size) and other[0] == size[0]
        if fits and all(_of_all_sizes(layers.get(name)) for name in names):
            return layers
    return None


def _of_all_sizes(info: LayerInfo | None) -> bool:
    """Whether a layer lies alike whatever the size: no tokens, and more than one place, of which a trace tells more."""
    layout = None if info is None else info.layout
    return layout is not None and layout.kind != "tokens" and math.prod(layout.grid) > 1
