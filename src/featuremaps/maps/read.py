"""Reading the maps of layers and units off a model: which are meant, and what the model gives there."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from featuremaps.errors import FeatureMapsWarning, ModelError, OptionError
from featuremaps.layers import Address, Layers
from featuremaps.layers.directions import Directed, check_directions
from featuremaps.layers.info import LayerInfo
from featuremaps.maps.feature_maps import FeatureMaps
from featuremaps.maps.layer_maps import LayerMaps
from featuremaps.maps.layer_summary import LayerWalk, walk_through
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.colour_scales import MapScaling, Range, scale_for
from featuremaps.plotting.rendering import enlarged
from featuremaps.runtime.batches import batches, probe
from featuremaps.runtime.recording import take
from featuremaps.runtime.warnings import beyond_its_fields, misplaced, why_not_finite


@dataclass(frozen=True, eq=False)
class _Reading:
    """One layer over all pictures: the channels wanted of it, and the lowest and highest value of all of them."""

    maps: list[Tensor]
    range: Range


def read_maps(
    studied: StudiedModel,
    pictures: Sequence[Seen],
    layers: str | Directed | Sequence[str | Directed] = "last",
    *,
    highlight: str | Sequence[str] = (),
    scaling: MapScaling = "map",
    batch_size: int = 32,
) -> FeatureMaps | LayerMaps | LayerWalk:
    """Maps of one layer or of units (`FeatureMaps`), of several layers (`LayerMaps`), or a walk through `"all"`.

    A direction stands where a unit does: its map is each place's projection on it, less its origin. The model stops
    after the deepest layer asked for and is afterwards as it was. A `FeatureMapsWarning` says of a layer whose places
    do not lie over the picture as they are drawn. Raises `LayerNotFoundError` for a layer or unit that does not exist,
    `OptionError` for a direction of another model, `LayoutError` for a layer whose output is not a map,
    `ModelError` for values that are not finite.
    """
    scale_for(scaling, 0.0)
    given = [layers] if isinstance(layers, str | Directed) else list(layers)
    known = studied.walk(probe(pictures, batch_size))
    if given == ["all"]:
        if highlight:
            raise OptionError("highlight marks units in the maps of a layer; a walk through 'all' layers shows none.")
        return walk_through(studied, known, pictures, batch_size)
    check_directions(given, known, studied.model)
    names, units = _meant(known, given)
    marked = known.units([highlight] if isinstance(highlight, str) else list(highlight))
    wanted = dict.fromkeys(names) or _channels(units)
    along = {_title(unit): unit for unit in units if isinstance(unit, Directed)}
    for unit in marked:
        if unit not in units and unit.name not in names:
            raise OptionError(
                f"highlight names {unit}, but {unit.name} is not among the layers or units asked for. Add it to "
                "layers, or leave it out of highlight."
            )
    readings = _read(studied, pictures, wanted, along, batch_size)
    _warn_of_places([known[name] for name in (*wanted, *(each.layer for each in along.values()))], pictures[0].space)
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


def _meant(known: Layers, given: Sequence[str | Directed]) -> tuple[list[str], list[Address | Directed]]:
    """The layers, or the units and directions, that these stand for; one kind only."""
    units: dict[str, Address | Directed] = {}
    names = []
    for each in given:
        if isinstance(each, Directed):
            if units.setdefault(_title(each), each) is not each:
                raise OptionError(f"two directions are both called {_title(each)!r}; give each a name of its own.")
        elif ":" in each and each not in known.names:
            units |= {str(unit): unit for unit in known.units([each])}
        else:
            names.append(each)
    if names and units:
        raise OptionError(
            f"whole layers ({', '.join(names)}) and single units ({', '.join(units)}) were asked for together; their "
            "maps do not fit into one result. Ask for them one after the other."
        )
    return (known.resolve(names) if names or not units else []), list(units.values())


def _title(unit: Address | Directed) -> str:
    """What a unit or a direction is called among others."""
    return str(unit) if isinstance(unit, Address) else f"{unit.name} in {unit.layer}"


def _channels(units: Sequence[Address | Directed]) -> dict[str, list[int] | None]:
    """For each layer the channels wanted of it."""
    wanted: dict[str, list[int] | None] = {}
    for unit in units:
        if isinstance(unit, Address):
            channels = wanted.setdefault(unit.name, [])
            if channels is not None and unit.channel is not None:
                channels.append(unit.channel)
    return wanted


def _read(
    studied: StudiedModel,
    pictures: Sequence[Seen],
    wanted: Mapping[str, list[int] | None],
    along: Mapping[str, Directed],
    batch_size: int,
) -> dict[str, _Reading]:
    """The channels wanted of each layer (None: all of them), and directions, from one pass per chunk of pictures."""
    maps: dict[str, dict[int, Tensor]] = {name: {} for name in (*wanted, *along)}
    ends: dict[str, list[Range]] = {name: [] for name in maps}
    layers = list(dict.fromkeys([*wanted, *(each.layer for each in along.values())]))
    with studied.session() as session:
        for batch in batches(pictures, batch_size, "reading feature maps"):
            with batch:
                record = take(session, batch.inputs, layers, gradients=False, stop_early=True)
                shown = [pictures[row].picture.name for row in batch.rows]
                every = {layer: record.spatial(layer) for layer in layers}
                for layer, activations in every.items():
                    _check_finite(studied.model, layer, activations, shown)
                parts = [
                    *((name, every[name], channels) for name, channels in wanted.items()),
                    *((name, _projected(every[each.layer], each), None) for name, each in along.items()),
                ]
                for name, activations, channels in parts:
                    low, high = activations.aminmax()
                    kept = activations if channels is None else activations[:, channels]
                    maps[name] |= zip(batch.rows, kept, strict=True)
                    ends[name].append((float(low), float(high)))
    hulls = {name: (min(low for low, _ in pairs), max(high for _, high in pairs)) for name, pairs in ends.items()}
    return {name: _Reading([maps[name][i] for i in range(len(pictures))], hulls[name]) for name in maps}


def _warn_of_places(shown: Sequence[LayerInfo], space: Sequence[int]) -> None:
    """Warn where layers do not lie over the picture; not that convolutions without padding keep off its edges."""
    doubtful = (info for info in shown if info.places_guessed or beyond_its_fields(info, space))
    for doubt in dict.fromkeys(doubt for info in doubtful for doubt in misplaced(info.layout)):
        warnings.warn(doubt, FeatureMapsWarning, stacklevel=4)


def _projected(activations: Float[Tensor, "batch channel *space"], along: Directed) -> Float[Tensor, "batch 1 *space"]:
    """Each place's projection on a direction, less its origin."""
    return torch.einsum("bc...,c->b...", activations, along.vector.to(activations))[:, None] - along.origin


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
    units: Sequence[Address | Directed],
    highlight: tuple[str, ...],
    pictures: Sequence[Seen],
    scaling: MapScaling,
) -> FeatureMaps:
    """Units side by side; those of layers of different sizes enlarged to the largest."""
    maps, enlarging = [], False
    for i in range(len(pictures)):
        rows = [_map_of(unit, readings, wanted, i) for unit in units]
        size = tuple(map(max, zip(*(row.shape for row in rows), strict=True)))
        enlarging |= any(tuple(row.shape) != size for row in rows)
        maps.append(torch.stack([row if tuple(row.shape) == size else enlarged(row[None], size)[0] for row in rows]))
    names = tuple(map(_title, units))
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


def _map_of(
    unit: Address | Directed, readings: Mapping[str, _Reading], wanted: Mapping[str, list[int] | None], picture: int
) -> Float[Tensor, "*space"]:
    if isinstance(unit, Directed):
        return readings[_title(unit)].maps[picture][0]
    return readings[unit.name].maps[picture][(wanted[unit.name] or []).index(unit.channel or 0)]
