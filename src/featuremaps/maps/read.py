"""Reading the maps of layers and units off a model: which are meant, and what the model gives there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from featuremaps.errors import ModelError, OptionError
from featuremaps.layers import Address, Layers
from featuremaps.maps.feature_maps import FeatureMaps
from featuremaps.maps.layer_maps import LayerMaps
from featuremaps.maps.layer_summary import LayerWalk, walk_through
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.colour_scales import MapScaling, Range, scale_for
from featuremaps.plotting.rendering import enlarged
from featuremaps.runtime.batches import batches
from featuremaps.runtime.nonfinite import why_not_finite
from featuremaps.runtime.record import take
from featuremaps.runtime.studied_model import StudiedModel


@dataclass(frozen=True, eq=False)
class _Reading:
    """One layer over all pictures: the channels wanted of it, and the lowest and highest value of all of them."""

    maps: list[Tensor]
    range: Range


def read_maps(
    studied: StudiedModel,
    pictures: Sequence[Seen],
    layers: str | Sequence[str] = "last",
    *,
    highlight: str | Sequence[str] = (),
    scaling: MapScaling = "map",
    batch_size: int = 32,
) -> FeatureMaps | LayerMaps | LayerWalk:
    """Maps of one layer or of units (`FeatureMaps`), of several layers (`LayerMaps`), or a walk through `"all"`.

    The model stops after the deepest layer asked for and is afterwards as it was. Raises `LayerNotFoundError` for a
    layer or unit that does not exist, `LayoutError` for a layer whose output is not a map, `ModelError` for values
    that are not finite.
    """
    scale_for(scaling, 0.0)
    patterns = [layers] if isinstance(layers, str) else list(layers)
    known = studied.walk(pictures[0].input[None])
    if patterns == ["all"]:
        if highlight:
            raise OptionError("highlight marks units in the maps of a layer; a walk through 'all' layers shows none.")
        return walk_through(studied, known, pictures, batch_size)
    names, units = _meant(known, patterns)
    marked = known.units([highlight] if isinstance(highlight, str) else list(highlight))
    wanted = dict.fromkeys(names) or _channels(units)
    for unit in marked:
        if unit not in units and unit.name not in names:
            raise OptionError(
                f"highlight names {unit}, but {unit.name} is not among the layers or units asked for. Add it to "
                "layers, or leave it out of highlight."
            )
    readings = _read(studied, pictures, wanted, batch_size)
    if units:
        return _of_units(readings, wanted, units, tuple(map(str, marked)), pictures, scaling)
    whole = {
        name: FeatureMaps(
            maps=tuple(reading.maps),
            units=tuple(f"{name}:{channel}" for channel in range(len(reading.maps[0]))),
            layer=name,
            pictures=tuple(pictures),
            ranges={name: reading.range},
            highlight=tuple(str(unit) for unit in marked if unit.name == name),
            scaling=scaling,
        )
        for name, reading in readings.items()
    }
    return LayerMaps(whole) if len(whole) > 1 else next(iter(whole.values()))


def _meant(known: Layers, patterns: Sequence[str]) -> tuple[list[str], list[Address]]:
    """The layers, or the units, that these addresses stand for; one kind only."""
    units = [pattern for pattern in patterns if ":" in pattern and pattern not in known.names]
    names = [pattern for pattern in patterns if pattern not in units]
    if names and units:
        raise OptionError(
            f"whole layers ({', '.join(names)}) and single units ({', '.join(units)}) were asked for together; their "
            "maps do not fit into one result. Ask for them one after the other."
        )
    return (known.resolve(names) if names or not units else []), known.units(units)


def _channels(units: Sequence[Address]) -> dict[str, list[int] | None]:
    """For each layer the channels wanted of it."""
    wanted: dict[str, list[int] | None] = {}
    for unit in units:
        channels = wanted.setdefault(unit.name, [])
        if channels is not None and unit.channel is not None:
            channels.append(unit.channel)
    return wanted


def _read(
    studied: StudiedModel, pictures: Sequence[Seen], wanted: Mapping[str, list[int] | None], batch_size: int
) -> dict[str, _Reading]:
    """The channels wanted of each layer (None: all of them), from one pass per chunk of pictures."""
    maps: dict[str, dict[int, Tensor]] = {name: {} for name in wanted}
    ends: dict[str, list[Range]] = {name: [] for name in wanted}
    with studied.session() as session:
        for batch in batches(pictures, batch_size, "reading feature maps"):
            with batch:
                record = take(session, batch.inputs, list(wanted), gradients=False, stop_early=True)
                for name, channels in wanted.items():
                    activations = record.spatial(name)
                    _check_finite(studied.model, name, activations, [pictures[row].picture.name for row in batch.rows])
                    low, high = activations.aminmax()
                    kept = activations if channels is None else activations[:, channels]
                    maps[name] |= zip(batch.rows, kept, strict=True)
                    ends[name].append((float(low), float(high)))
    hulls = {name: (min(low for low, _ in pairs), max(high for _, high in pairs)) for name, pairs in ends.items()}
    return {name: _Reading([maps[name][i] for i in range(len(pictures))], hulls[name]) for name in wanted}


def _check_finite(model: nn.Module, layer: str, activations: Tensor, names: Sequence[str]) -> None:
    """`ModelError` where a layer's maps of the pictures of these names are not all finite."""
    bad = (~activations.isfinite()).flatten(1).sum(1)
    if bool(bad.any()):
        row = int(bad.nonzero()[0])
        raise ModelError(
            f"layer {layer!r} gives {int(bad[row])} of {activations[row].numel()} values that are not finite for "
            f"{names[row]}. {why_not_finite(model)}"
        )


def _of_units(
    readings: Mapping[str, _Reading],
    wanted: Mapping[str, list[int] | None],
    units: Sequence[Address],
    highlight: tuple[str, ...],
    pictures: Sequence[Seen],
    scaling: MapScaling,
) -> FeatureMaps:
    """Units side by side; those of layers of different sizes enlarged to the largest."""
    maps, enlarging = [], False
    for i in range(len(pictures)):
        rows = [readings[unit.name].maps[i][(wanted[unit.name] or []).index(unit.channel or 0)] for unit in units]
        size = tuple(map(max, zip(*(row.shape for row in rows), strict=True)))
        enlarging |= any(tuple(row.shape) != size for row in rows)
        maps.append(torch.stack([row if tuple(row.shape) == size else enlarged(row[None], size)[0] for row in rows]))
    names = tuple(map(str, units))
    return FeatureMaps(
        maps=tuple(maps),
        units=names,
        layer=" + ".join(names) if len(names) < 4 else f"{len(names)} units",
        pictures=tuple(pictures),
        ranges={name: reading.range for name, reading in readings.items()},
        whole=False,
        highlight=highlight,
        scaling=scaling,
        note="coarser layers are enlarged to the finest" if enlarging else "",
    )
