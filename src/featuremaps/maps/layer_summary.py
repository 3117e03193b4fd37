"""A walk through every layer of a model: how large, how sparse, how strong, and what its strongest channels show.

Each layer is measured as it runs and let go again, so that any number of layers fits into memory.
"""

import csv
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool1d, adaptive_avg_pool2d

from featuremaps.errors import ModelError
from featuremaps.layers import LayerInfo, Layers
from featuremaps.layers.info import aligned
from featuremaps.layers.known import reading_of
from featuremaps.layers.layout import folded
from featuremaps.layers.model_ends import main_tensor
from featuremaps.maps.layer_summary_figure import LayerRow, walk_figure
from featuremaps.maps.top_channels import RankedMap
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.file_names import file_name, unique_names
from featuremaps.plotting.files import png_of, write_files
from featuremaps.plotting.panels import counted, number
from featuremaps.plotting.rendering import places
from featuremaps.results.shown import Shown
from featuremaps.running import run as run_model
from featuremaps.runtime.batches import batches
from featuremaps.runtime.capture import to_model
from featuremaps.runtime.warnings import why_not_finite
from featuremaps.session import Session

KEPT = 5
THUMBNAIL = 96
HEADINGS = ("layer", "type", "channels", "size", "zeros", "silent", "mean", "max", "strongest channels")
NUMBERS = ("order", "layer", "type", "channels", "height", "width", "zeros", "silent", "mean", "min", "max")


@dataclass(frozen=True, eq=False)
class WalkRow:
    """One layer over the pictures.

    `zeros` is the share of activations that are exactly 0, `silent` the share of channels that are 0 everywhere in a
    picture, `mean` the mean activation (these three averaged over the pictures), `min` and `max` the lowest and largest
    of all. `size` is that of the first picture's maps. `tops[i]` are the channels with the highest mean over picture i;
    their maps are pictures at most 96 wide or high, of a volume the slice in which the channel is strongest.
    """

    layer: str
    type: str
    channels: int
    size: tuple[int, ...]
    zeros: float
    silent: float
    mean: float
    min: float
    max: float
    tops: tuple[tuple[RankedMap, ...], ...] = field(repr=False)

    @property
    def numbers(self) -> tuple[object, ...]:
        """What tells a layer from one that gives the same."""
        return (self.size, self.zeros, self.silent, self.mean, self.max)


@dataclass(frozen=True, eq=False, repr=False)
class LayerWalk(Shown):
    """Every layer whose output is a map, in the order in which they run.

    Attributes:
        rows: For each layer its size, sparsity and strongest maps.
        pictures: The pictures as the model saw them.
        model: The model's name.
    """

    rows: tuple[WalkRow, ...]
    pictures: tuple[Seen, ...]
    model: str

    @property
    def zeros(self) -> tuple[float, ...]:
        """The sparsity curve: each layer's share of zeros."""
        return tuple(row.zeros for row in self.rows)

    @property
    def silent(self) -> tuple[float, ...]:
        """Each layer's share of channels that are 0 everywhere."""
        return tuple(row.silent for row in self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, layer: str) -> WalkRow:
        for row in self.rows:
            if row.layer == layer:
                return row
        raise KeyError(f"the walk has no layer {layer!r}; .rows lists them.")

    def figure(self, picture: int = 0, *, most: int = 24) -> Figure:
        """Rows of the strongest channels over one picture, and the sparsity curve beside them.

        Args:
            picture: The number of the picture.
            most: How many layers are shown. Of more, those shown are spread evenly over the depth, those after an
                activation function first; the curve has them all.

        Returns:
            A figure of matplotlib.
        """
        seen = self.pictures[picture]
        rows = [
            LayerRow(
                layer=row.layer,
                channels=row.channels,
                size=row.size,
                zeros=row.zeros,
                silent=row.silent,
                signed=row.min < 0,
                repeats=before is not None and row.numbers == before.numbers,
                strongest=[(channel.unit.rpartition(":")[2], channel.map) for channel in row.tops[picture]],
            )
            for before, row in zip((None, *self.rows), self.rows, strict=False)
        ]
        return walk_figure(rows, seen.image, picture=seen.picture.name, model=self.model, most=most)

    def save(self, folder: str | Path = ".") -> list[Path]:
        """Write the figure of each picture (PNG) and the table (`walk.csv`).

        Args:
            folder: Where they are written.

        Returns:
            The files written.
        """
        names = enumerate(unique_names([seen.picture.name for seen in self.pictures]))
        written = write_files(folder, ((file_name(name, "walk"), png_of(self.figure(i))) for i, name in names))
        table = Path(folder) / "walk.csv"
        with table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(NUMBERS)
            for order, row in enumerate(self.rows):
                numbers = (row.zeros, row.silent, row.mean, row.min, row.max)
                writer.writerow((order, row.layer, row.type, row.channels, *folded(row.size), *numbers))
        return [*written, table]

    def __str__(self) -> str:
        lines = aligned([HEADINGS, *map(_cells, self.rows)])
        pictures = counted(len(self.pictures), "picture")
        return "\n".join([*lines, "", f"{self.model}: {len(self)} layers over {pictures}"])

    def __repr__(self) -> str:
        return f"<LayerWalk: {self.model}, {len(self)} layers, {len(self.pictures)} pictures>"


def walk_through(studied: StudiedModel, known: Layers, pictures: Sequence[Seen], batch_size: int = 32) -> LayerWalk:
    """Measure every layer that gives maps, in one pass per chunk of pictures; the model is afterwards as it was.

    `ModelError` names the first layer whose values are not finite.
    """
    infos = [known[name] for name in known.resolve("all")]
    by_picture: dict[int, dict[str, WalkRow]] = {}
    with studied.session() as session:
        for batch in batches(pictures, batch_size, "walking through layers"):
            with batch:
                for row, measured in zip(batch.rows, _measure(session, infos, batch.inputs), strict=True):
                    _check_finite(studied.model, infos, measured, pictures[row].picture.name)
                    by_picture[row] = measured
    every = [by_picture[row] for row in range(len(pictures))]
    by_layer = [[measured[info.name] for measured in every if info.name in measured] for info in infos]
    rows = tuple(_row(measured) for measured in by_layer if measured)
    return LayerWalk(rows, tuple(pictures), known.model)


def _measure(session: Session, infos: Sequence[LayerInfo], inputs: Tensor) -> list[dict[str, WalkRow]]:
    """One pass over a batch; for each picture what was measured of each layer."""
    rows: list[dict[str, WalkRow]] = [{} for _ in inputs]
    known = {(info.module_name, info.call): info for info in infos}
    calls: Counter[str] = Counter()
    inputs = to_model(session.model, inputs).clone()
    reading = reading_of(session.model, [info.name for info in infos], inputs, session.layout)

    def on_forward(module_name: str, module: nn.Module, args: object, output: object) -> None:
        info = known.get((module_name, calls[module_name]))
        calls[module_name] += 1
        tensor = main_tensor(output)
        here = None if info is None else reading.infos.get(info.name)
        if info is not None and here is not None and here.layout is not None and tensor is not None:
            layout = reading.layout(info.name, module, tensor)
            maps = layout.to_maps(tensor.detach()).unflatten(2, layout.grid[:-1] or (1,))
            maps = maps if len(layout.grid) > 1 else maps.squeeze(2)
            for row, measured in zip(rows, _measured(info, maps), strict=True):
                row[info.name] = measured

    with session.one_pass() as hooks, torch.no_grad():
        for module_name in dict.fromkeys(info.module_name for info in infos):
            hooks.on_forward(session.model.get_submodule(module_name), partial(on_forward, module_name))
        run_model(session.model, inputs)
    return rows


def _measured(info: LayerInfo, maps: Float[Tensor, "batch channel *space"]) -> list[WalkRow]:
    """A layer's numbers and its strongest channels, for each picture; no copy of all its maps is made."""
    size, axes = tuple(maps.shape[2:]), tuple(range(2, maps.ndim))
    counts = maps.count_nonzero(axes).float() / math.prod(size)
    means = maps.mean(axes, dtype=torch.float32)
    ends = [maps.amin((1, *axes)).float(), maps.amax((1, *axes)).float()]
    order = means.argsort(dim=1, descending=True, stable=True)[:, :KEPT]
    numbers = torch.stack([1 - counts.mean(1), (counts == 0).float().mean(1), means.mean(1), *ends], 1).tolist()
    values, channels = means.gather(1, order).tolist(), order.tolist()
    rows = []
    for picture, strongest in enumerate(channels):
        shown = zip(strongest, values[picture], _thumbnails(maps[picture, order[picture]]), strict=True)
        top = tuple(
            RankedMap(f"{info.name}:{channel}", value, rank, False, map)
            for rank, (channel, value, map) in enumerate(shown, 1)
        )
        zeros, silent, mean, low, high = numbers[picture]
        rows.append(WalkRow(info.name, info.type, info.channels or 0, size, zeros, silent, mean, low, high, (top,)))
    return rows


def _thumbnails(maps: Float[Tensor, "count *space"]) -> Float[Tensor, "count new_height new_width"]:
    """Maps averaged down to at most 96 × 96, on the CPU: a signal's as a band, of a volume's the strongest slice."""
    if maps.ndim == 2:
        short = adaptive_avg_pool1d(maps.float(), min(THUMBNAIL, maps.shape[1])).cpu()[:, None]
        return short.expand(-1, max(1, short.shape[2] // 4), -1)
    if maps.ndim == 4:
        maps = maps[torch.arange(len(maps)), maps.abs().flatten(2).amax(2).argmax(1)]
    height, width = maps.shape[1:]
    shrink = min(1.0, THUMBNAIL / max(height, width))
    size = (max(1, round(height * shrink)), max(1, round(width * shrink)))
    return adaptive_avg_pool2d(maps.float(), size).cpu()


def _check_finite(model: nn.Module, infos: Sequence[LayerInfo], row: Mapping[str, WalkRow], picture: str) -> None:
    for info in infos:
        measured = row.get(info.name)
        if measured is not None and not all(map(math.isfinite, (measured.mean, measured.min, measured.max))):
            raise ModelError(
                f"layer {info.name!r} is the first whose values are not finite, for {picture}. {why_not_finite(model)}"
            )


def _row(measured: Sequence[WalkRow]) -> WalkRow:
    """One layer's measurements on several pictures as one."""
    return replace(
        measured[0],
        zeros=sum(row.zeros for row in measured) / len(measured),
        silent=sum(row.silent for row in measured) / len(measured),
        mean=sum(row.mean for row in measured) / len(measured),
        min=min(row.min for row in measured),
        max=max(row.max for row in measured),
        tops=tuple(top for row in measured for top in row.tops),
    )


def _cells(row: WalkRow) -> tuple[str, ...]:
    best = ", ".join(channel.unit.rpartition(":")[2] for channel in row.tops[0])
    size = places(row.size)
    shares = (f"{row.zeros:.0%}", f"{row.silent:.0%}", number(row.mean), number(row.max))
    return (row.layer, row.type, str(row.channels), size, *shares, best)
