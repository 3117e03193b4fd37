"""All layers of one run, and finding among them what an address, a glob, "last", "depths" or "all" means."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

from featuremaps.errors import LayerNotFoundError, LayoutError, did_you_mean
from featuremaps.layers import info
from featuremaps.layers.addresses import Address, glob, is_glob, parse
from featuremaps.layers.attention_info import AttentionInfo
from featuremaps.layers.info import LayerInfo
from featuremaps.layers.layout import AMONG, HOW_GIVEN, PADDED
from featuremaps.layers.model_output import FollowedOutput, Key

LEVELS = "levels"
"""The address of all maps that a detector's heads read, added up."""
DEPTHS = "depths"
"""The address of a few layers from shallow to deep."""
SPREAD = 3
"""How many of those come before the last, where no map size tells them apart."""
WRAPPERS = ("module.", "_orig_mod.")
"""What `DataParallel` and `torch.compile` put before the names of the layers of the model in them."""


@dataclass(frozen=True)
class Layers(Sequence[LayerInfo]):
    """The layers of one run, in the order in which they completed.

    A sequence of `LayerInfo`, and by name: `layers["layer4"]`. It prints as a table.

    Attributes:
        infos: Each layer: address, type, channels, size of its maps, stride, receptive field.
        model: What the model is called.
        last_map: The address that "last" stands for; `None` where no layer gives maps.
        stages: The last layers of each map size, shallow to deep.
        aliases: For modules that are registered twice, the name that counts by the other name.
        idle: The modules that never ran.
        outputs: What is known about each tensor that the model returns, by its name or number.
        attentions: What may be an attention, in the order in which they run.
        levels: The layers whose maps a detector's heads read, fine to coarse, where they are several.
        without_softmax: The modules that attend without a softmax over the keys.
    """

    infos: tuple[LayerInfo, ...]
    model: str
    last_map: str | None
    stages: tuple[str, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)
    idle: frozenset[str] = frozenset()
    outputs: Mapping[Key, FollowedOutput] = field(default_factory=dict)
    attentions: tuple[AttentionInfo, ...] = ()
    levels: tuple[str, ...] = ()
    without_softmax: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All addresses, in order of completion."""
        return tuple(info.name for info in self.infos)

    @property
    def last(self) -> str:
        """The last layer whose output is still a map; raises `LayoutError` where there is none."""
        if self.last_map is None:
            raise LayoutError(self._why_no_last())
        return self.last_map

    def _why_no_last(self) -> str:
        """Why there is no last map, and what to do."""
        without = sorted((each for each in self.infos if each.lost or each.no_map), key=lambda each: each.no_map)
        lost, none = next(iter(without), None), f"there is no 'last' map of {self.model}"
        if lost is not None and lost.note == PADDED:
            return (
                f"{none}: of {lost.name!r} and others {lost.note}. Wrap the model so that it runs the pictures that it "
                "is given, however many; or choose a method of pixels, such as 'saliency'."
            )
        if lost is not None:
            way_out = "Name" if lost.note == AMONG else f"Say how they lie, {HOW_GIVEN}, or name"
            return f"{none}: of {lost.name!r} and others {lost.note}. {way_out} a layer before them."
        if not self.infos:
            return (
                f"no layer of {self.model} runs where it can be heard, so there is no 'last' map: its parts are "
                "held in a plain list or dict, or run by their .forward() or by torch.nn.functional. Hold them in "
                "nn.ModuleList or nn.ModuleDict and call them. Methods of pixels run as it is, such as 'saliency'."
            )
        if not any(each.reached for each in self.infos if each.shape is not None):
            return (
                f"{none}: no layer depends on the picture, as far as torch sees. The model makes another one of it "
                "before its first layer, through NumPy, PIL or lists, and nothing can be followed through these, "
                "gradients neither. Do that before the model, as transform= of its Scope, or with torch's operations."
            )
        return (
            f"no layer of {self.model} gives maps of more than one position on this input, so there is no "
            "'last' map. Give larger pictures, or a model with convolutions or patch tokens; "
            "scope.layers() shows what each layer gives."
        )

    @overload
    def __getitem__(self, key: int | str) -> LayerInfo: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[LayerInfo, ...]: ...
    def __getitem__(self, key: int | str | slice) -> LayerInfo | tuple[LayerInfo, ...]:
        if not isinstance(key, str):
            return self.infos[key]
        info = self.get(key)
        if info is None:
            raise self._not_found(key)
        return info

    def get(self, name: str) -> LayerInfo | None:
        """The layer of a name.

        Args:
            name: An address, another name of the same module, or one call of several, "relu#0".

        Returns:
            What is known of the layer; `None` where there is none.
        """
        exact = self._exact(name)
        return next((info for info in self.infos if info.name == exact), None)

    def __len__(self) -> int:
        return len(self.infos)

    def __iter__(self) -> Iterator[LayerInfo]:
        return iter(self.infos)

    def __contains__(self, key: object) -> bool:
        return self._exact(key) is not None if isinstance(key, str) else key in self.infos

    def resolve(self, patterns: str | Sequence[str]) -> list[str]:
        """The names that these addresses stand for, in order of completion, each once.

        Args:
            patterns: One address or several: a name, a unit (its layer counts), a glob, "last", "depths" (a few from
                shallow to deep), "all" or "levels". Of a module that ran several times the last call is meant unless
                the address says which.

        Returns:
            The names of the layers.

        Raises:
            LayerNotFoundError: A name matches nothing.
            LayoutError: "last", "depths" or "all", where no layer gives maps.
        """
        given = [patterns] if isinstance(patterns, str) else list(patterns)
        if not given:
            raise LayerNotFoundError(
                "no layer was named. Give a name, a glob such as 'layer*', 'last', 'depths' or 'all'."
            )
        wanted = {name for pattern in given for name in self._matches(pattern)}
        return [name for name in self.names if name in wanted]

    @property
    def shown(self) -> tuple[str, ...]:
        """What a report shows: the last layers of the three deepest map sizes, or what a detector's heads read."""
        return (LEVELS,) if self.levels else self.stages[-3:]

    @property
    def depths(self) -> tuple[str, ...]:
        """A few layers from shallow to deep that end with the last.

        The last of each map size; in a model whose maps are all of one size, as a vision transformer's are, four at
        equal distances among the blocks that it is made of. Raises `LayoutError` where no layer gives maps.
        """
        last = self[self.last]
        if len(self.stages) > 1:
            return self.stages
        alike = [each for each in self.infos if each.size == last.size and each.channels == last.channels]
        kinds = Counter((each.depth, each.type) for each in alike if each.order <= last.order)
        blocks = min((kind for kind, count in kinds.items() if count > SPREAD), default=None)
        names = [each.name for each in alike if (each.depth, each.type) == blocks]
        spread = [names[round(number * (len(names) - 1) / SPREAD)] for number in range(SPREAD)] if names else []
        return (*spread, last.name)

    def fused(self, address: str) -> tuple[str, tuple[str, ...]]:
        """An address as it is called, and the layers whose maps are added up for it.

        Args:
            address: "a + b" adds layers up. "levels" are those that a detector's heads read, and so is "last" where
                there are several.

        Returns:
            The address, and the names of the layers; none for an address of another kind.

        Raises:
            LayerNotFoundError: A layer of a sum is not there.
        """
        if self._exact(address) is None and address in (LEVELS, "last") and self.levels:
            return LEVELS, self.levels
        parts = [part.strip() for part in address.split("+")]
        if len(parts) > 1 and self._exact(address) is None:
            return " + ".join(parts), tuple(self.resolve(parts))
        return address, ()

    def name_of(self, name: str) -> str:
        """What a layer is called where it is shown.

        Args:
            name: An address.

        Returns:
            The address as it was given where it stands for the last or only call of its module; else the call's own
            name, "relu#0".
        """
        info = self.get(name)
        return name if info is None or info.call == info.calls - 1 else info.name

    def units(self, texts: Sequence[str]) -> list[Address]:
        """The channels that unit addresses stand for, each once.

        Args:
            texts: Addresses such as "layer4:12"; a glob before the colon takes that channel of each layer.

        Returns:
            The units, in the order in which they were given.

        Raises:
            LayerNotFoundError: A layer or a channel is not there, or no channel was named.
        """
        found = {}
        for text in texts:
            asked = parse(text)
            if asked.channel is None:
                raise LayerNotFoundError(f"{text!r} is a layer, and a unit is one channel of it: {text + ':0'!r}.")
            for name in self.resolve(asked.name):
                unit = replace(parse(name), channel=asked.channel)
                channels = self[name].channels
                if channels is not None and asked.channel >= channels:
                    raise LayerNotFoundError(
                        f"{name} has channels 0 to {channels - 1}, there is no {asked.channel} ({text!r} was asked "
                        "for)."
                    )
                found[str(unit)] = unit
        return list(found.values())

    def _exact(self, name: str) -> str | None:
        """The record key of a module's name, alias or call; None where there is no such layer.

        A wrapper that was taken off may stand in front, "module.layer4".
        """
        if any(info.name == name for info in self.infos):
            return name
        module = self.aliases.get(name, name)
        calls_of = [info for info in reversed(self.infos) if info.module_name == module]
        reached = [info for info in calls_of if info.reached] or calls_of
        if reached:
            return reached[0].name
        base, _, call = name.rpartition("#")
        module = self.aliases.get(base, base)
        calls = (info.name for info in self.infos if info.module_name == module and str(info.call) == call)
        inside = next((name.removeprefix(wrapper) for wrapper in WRAPPERS if name.startswith(wrapper)), None)
        return next(calls, None) or (None if inside is None else self._exact(inside))

    def _matches(self, pattern: str) -> list[str]:
        """The names one address stands for; an exact name wins over any other meaning it has."""
        layer, _, channel = pattern.rpartition(":")
        exact = self._exact(pattern) or (self._exact(layer) if channel.isdecimal() else None)
        if exact is not None:
            return [exact]
        body = layer if layer and channel.isdecimal() else pattern
        if body == "last":
            return [self.last]
        if body == DEPTHS:
            return list(self.depths)
        if body == LEVELS and self.levels:
            return list(self.levels)
        if body == "all":
            # `last` also says what is wrong where no layer gives maps.
            return [self.last, *(info.name for info in self.infos if info.positions > 1)]
        if is_glob(body):
            return self._glob(body)
        raise self._not_found(parse(pattern).name)

    def _glob(self, pattern: str) -> list[str]:
        matches = glob(pattern).fullmatch
        named = [
            info
            for info in self.infos
            if matches(info.name) or (info.call == info.calls - 1 and matches(info.module_name))
        ]
        maps = [info.name for info in named if info.layout is not None]
        if maps:
            return maps
        if named:
            raise LayerNotFoundError(
                f"layers matching {pattern!r} ran ({_examples([info.name for info in named])}), but none of them "
                "gives maps. scope.layers() shows what each layer gives."
            )
        raise self._not_found(pattern)

    def _not_found(self, name: str) -> LayerNotFoundError:
        module = self.aliases.get(name, name)
        if module in self.idle:
            return LayerNotFoundError(
                f"layer {name!r} is part of {self.model} but never ran on this input, so it has no output. "
                "scope.layers() lists the layers that ran."
            )
        base = name.rpartition("#")[0]
        calls = [info for info in self.infos if base and info.module_name == self.aliases.get(base, base)]
        if calls:
            return LayerNotFoundError(
                f"there is no call {name!r}: {base!r} ran {_times(len(calls))} on this input, so its last call is "
                f"{base}#{len(calls) - 1}. scope.layers() lists all calls."
            )
        if name == LEVELS:
            return LayerNotFoundError(
                f"the heads of {self.model} read maps of one size, or it is no detector, so there are no 'levels'. "
                "'last' is the last map; 'layer2 + layer3' adds maps of several layers up."
            )
        outermost = sorted(self.infos, key=lambda info: (info.depth, info.order))
        return LayerNotFoundError(
            f"layer {name!r} is not in {self.model}.{did_you_mean(name, [*self.names, *self.aliases])} "
            f"Layers that ran: {_examples([info.name for info in outermost])}. "
            "scope.layers() lists them all; globs such as 'layer*', 'last', 'depths' and 'all' also work."
        )

    def _summary(self) -> str:
        if self.last_map is None:
            return f"{self.model}: {len(self)} layers, none of which gives maps"
        levels = f"; levels that the heads read: {', '.join(self.levels)}" if self.levels else ""
        return f"{self.model}: {len(self)} layers; last: {self.last_map}; stages: {', '.join(self.stages)}{levels}"

    def __str__(self) -> str:
        return info.as_text(self.infos, self._summary())

    def _repr_html_(self) -> str:
        return info.as_html(self.infos, self._summary(), self.last_map)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _examples(names: Sequence[str], count: int = 5) -> str:
    shown = ", ".join(repr(name) for name in names[:count])
    return f"{shown}, …" if len(names) > count else shown or "none"
