"""What a survey left on disk, read piece by piece: nothing before it is asked for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from featuremaps.errors import ImageError, LayerNotFoundError, OptionError, SurveyError, check_choice, did_you_mean
from featuremaps.layers import parse
from featuremaps.models.studied_model import StudiedModel
from featuremaps.outputs.found_regions import ELSEWHERE
from featuremaps.pictures.load import Picture
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.cards import card
from featuremaps.survey.datasets.examples import digest
from featuremaps.survey.storage.integrity import AGAIN, check_files, flaw
from featuremaps.survey.storage.manifest import PLURALS, Manifest, SurveyedLayer
from featuremaps.survey.storage.originals import Originals
from featuremaps.survey.storage.parquet_tables import reading, values_of
from featuremaps.survey.storage.pooled import RANKINGS, End, Pooling
from featuremaps.survey.storage.region_tables import (
    NAME_OF_REST,
    RegionTable,
    region_classes,
    regions_as_rows,
    regions_in,
    shown_names,
)
from featuremaps.survey.storage.stored_rows import (
    BadPicture,
    PictureTable,
    Predictions,
    Ranked,
    label_sets_in,
    labels_in,
)
from featuremaps.survey.storage.vector_files import read_vectors, vectors_file


@dataclass(frozen=True, eq=False, repr=False)
class StoredSurvey:
    """The tables of a survey, and the model they were made of where it is known.

    `about_class` is the one class that it looks at, where pictures may have several.
    """

    path: Path
    manifest: Manifest
    dataset: Any = field(default=None, repr=False)
    studied: StudiedModel | None = field(default=None, repr=False)
    about_class: int | None = None
    _checked_files: set[str] = field(default_factory=set, init=False, repr=False)

    def verify(self) -> int:
        """How many files the survey has, after all were read and found as they were written.

        `SurveyError` names those that are not. A file is also checked when a question reads it for the first time.
        """
        check_files(self.path, self.manifest.files)
        return len(self.manifest.files)

    @property
    def identity(self) -> str:
        """A sha256 of all that it holds: the same of a copy, another of every other survey, also in the same folder."""
        return digest([f"{name} {written.sha256}" for name, written in sorted(self.manifest.files.items())])

    @property
    def layers(self) -> Mapping[str, SurveyedLayer]:
        """The layers by name, in the order in which they run."""
        return {layer.name: layer for layer in self.manifest.layers}

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The labels' names, in label order; None where no picture has a label.

        Where regions are counted, the model's classes that were found, and last "elsewhere".
        """
        if self.manifest.each != "picture":
            return region_classes(self.manifest)
        known = self.manifest.classes
        if self.about_class is None or known is None:
            return known
        return f"not {known[self.about_class]}", known[self.about_class]

    @property
    def model_classes(self) -> tuple[str, ...] | None:
        """The names of the model's own outputs, where they were given."""
        return self.manifest.model_classes

    @cached_property
    def pictures(self) -> PictureTable:
        """The pictures that count, or their regions, and beside them those that do not."""
        table = self._read("pictures.parquet")
        good = table.filter(pc.is_null(table["reason"]))
        bad = table.filter(pc.is_valid(table["reason"])).select(["picture", "name", "reason"])
        sets = label_sets_in(good, len(self.manifest.classes or ()))
        about = self.about_class
        names, numbers = tuple(good["name"].to_pylist()), values_of(good["picture"])
        pictures = PictureTable(
            names,
            tuple(good["path"].to_pylist()),
            labels_in(good) if sets is None or about is None else sets.of(about),
            numbers,
            tuple(good["sha256"].to_pylist()),
            tuple(BadPicture(*row.values()) for row in bad.to_pylist()),
            names,
            numbers,
            sets if about is None else None,
        )
        regions = self.regions
        if regions is None:
            return pictures
        files = dict(zip(numbers.tolist(), names, strict=True))
        shown = tuple(shown_names(regions, files, self.classes or (), self.manifest.each))
        return regions_as_rows(pictures, regions, shown)

    @cached_property
    def regions(self) -> RegionTable | None:
        """The boxes or regions that are counted; None where whole pictures are."""
        return None if self.manifest.each == "picture" else regions_in(self._read("regions.parquet"))

    def check_of_pictures(self, what: str) -> None:
        """`SurveyError` where this survey counts no whole pictures, which `what` is about."""
        each = self.manifest.each
        if each != "picture":
            raise SurveyError(
                f"{what} is about whole pictures, and survey {self.path.name!r} counts {PLURALS[each]}: it knows what "
                "channels do in their places alone. Survey whole pictures, each='picture' (--each picture), with "
                "labels of your own."
            )

    def vectors(self, layer: str, pool: str = "mean", channels: Sequence[int] | None = None) -> NDArray[np.float32]:
        """Mean or highest activation (picture, channel) over all pictures; of all channels, or those asked for only."""
        surveyed = self._checked(layer, pool)
        wanted = range(surveyed.channels) if channels is None else [_channel(surveyed, number) for number in channels]
        vectors = np.empty((len(self.pictures), len(wanted)), np.float32)
        for rows, shard in self._shards() if wanted else ():
            vectors[rows] = self._vectors(surveyed, pool, shard, wanted)
        return vectors

    def blocks(self, layer: str, pool: str = "mean") -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """The vectors shard by shard, with the rows of `pictures` that they stand for: for what would not fit."""
        surveyed = self._checked(layer, pool)
        for rows, shard in self._shards():
            yield rows, self._vectors(surveyed, pool, shard)

    def predictions(self) -> Predictions | None:
        """The model's own answers; None where they were not kept."""
        if not self.manifest.predictions:
            return None
        tables = [self._read(f"predictions/{shard:05d}.parquet") for _, shard in self._shards()]
        table = pa.concat_tables(tables)
        top = [np.array(table[name].to_pylist()) for name in ("top_classes", "top_probabilities")]
        return Predictions(
            values_of(table["predicted"]).astype(np.int64),
            values_of(table["probability"]),
            top[0].astype(np.int64),
            top[1].astype(np.float32),
        )

    def top(self, unit: str, n: int = 9, *, by: Pooling = "max", end: End = "strongest") -> list[Ranked]:
        """The `n` pictures where a unit such as "layer4:452" is strongest (or weakest), best first.

        `by` ranks pictures by their highest or their mean activation; `OptionError` for more than the survey kept.
        """
        layer, channel = self.unit_of(unit)
        kept = min(self.manifest.keep, len(self.pictures))
        if not 1 <= n <= kept:
            raise OptionError(
                f"this survey keeps the {kept} strongest and weakest pictures of a unit; {n} were asked for."
            )
        if by not in ("max", "mean") or end not in ("strongest", "weakest"):
            raise OptionError(f"by is 'max' or 'mean', end is 'strongest' or 'weakest'; got {by!r} and {end!r}.")
        ranked = self._ranked(layer, range(channel, channel + 1), by, end)
        rows = zip(*(ranked[name][0, :n].tolist() for name in ("value", "row", "y", "x")), strict=True)
        return [Ranked(rank, *row) for rank, row in enumerate(rows)]

    def tops(self, layer: str, n: int, *, by: Pooling = "max", end: End = "strongest") -> dict[str, NDArray[Any]]:
        """The same of every channel of a layer at once: `value`, `row`, `y` and `x`, (channel, n) each, best first.

        Fewer than `n` where the survey kept fewer.
        """
        surveyed = self.layer_of(layer)
        ranked = self._ranked(surveyed, range(surveyed.channels), by, end)
        return {name: values[:, :n] for name, values in ranked.items()}

    def _ranked(self, layer: SurveyedLayer, channels: range, by: Pooling, end: End) -> dict[str, NDArray[Any]]:
        """`value`, `row`, `y` and `x` of all that was kept of these channels, (channel, rank) each."""
        kept, start = min(self.manifest.keep, len(self.pictures)), 0
        for before in self.manifest.layers[: list(self.layers).index(layer.name)]:
            start += before.channels * kept * len(RANKINGS)
        start += (RANKINGS.index((by, end)) * layer.channels + channels.start) * kept
        with reading(self._whole("top.parquet")) as file:
            table = _rows(file, start, len(channels) * kept)
        columns = {name: values_of(table[name]) for name in ("value", "y", "x")}
        columns["row"] = np.searchsorted(self.pictures.keys, values_of(table[self.manifest.key]))
        return {name: values.reshape(len(channels), kept) for name, values in columns.items()}

    def layer_of(self, name: str | None = None) -> SurveyedLayer:
        """The layer of this name, or the only one there is; `LayerNotFoundError` where that is none."""
        names = ", ".join(self.layers)
        if name is None and len(self.layers) != 1:
            raise LayerNotFoundError(
                f"survey {self.path.name!r} has {len(self.layers)} layers ({names}); say which: layer=…."
            )
        name = names if name is None else name
        if name not in self.layers:
            near = did_you_mean(name, self.layers)
            raise LayerNotFoundError(f"survey {self.path.name!r} has no layer {name!r}.{near} It has {names}.")
        return self.layers[name]

    def unit_of(self, unit: str) -> tuple[SurveyedLayer, int]:
        """The layer and the channel of a unit; `LayerNotFoundError` where the survey has none of this name."""
        if not isinstance(unit, str):
            raise OptionError(
                f"a unit is a layer and a channel of it, {next(iter(self.layers)) + ':0'!r}; got {unit!r}."
            )
        address = parse(unit)
        if address.channel is None:
            raise LayerNotFoundError(f"{unit!r} is a layer, and a unit is one channel of it: {unit + ':0'!r}.")
        layer = self.layer_of(address.name)
        return layer, _channel(layer, address.channel)

    def statistics(self, layer: str) -> dict[str, NDArray[Any]]:
        """For every channel of a layer: how often it is active, its sparsity, means and quantiles, as in the schema."""
        self.layer_of(layer)
        table = self._read("channels.parquet")
        rows = table.filter(pc.equal(table["layer"], layer)).drop(["layer"])
        return {name: values_of(rows[name]) for name in rows.column_names}

    def picture(self, row: int) -> Image.Image:
        """A picture itself, from its file or the dataset; `ImageError` where it is gone, or another is in its place.

        Of a tensor what the model saw; `ImageError` without the model.
        """
        example = self.example(row)
        if (image := example.image) is not None:
            return image
        if self.studied is None:
            raise ImageError(
                f"{self.pictures.names[row]} was given already preprocessed, so there is no picture to show without "
                "the model, which knows what it saw: scope.open_survey(path, dataset)."
            )
        preprocessing = self.studied.preprocessing
        return Seen.of(example, preprocessing(example), preprocessing).image

    def example(self, row: int) -> Picture:
        """A picture or tensor as it was surveyed; `ImageError` where it is gone, or another is in its place."""
        return self._originals.read(row)

    @cached_property
    def _originals(self) -> Originals:
        return Originals(self.pictures, self.manifest, self.dataset)

    def _read(self, name: str) -> pa.Table:
        with reading(self._whole(name)) as file:
            return file.read()

    def _vectors(
        self, layer: SurveyedLayer, pool: str, shard: int, channels: Sequence[int] | None = None
    ) -> NDArray[np.float32]:
        self._whole(vectors_file(layer, pool, shard))
        return read_vectors(self.path, layer, pool, shard, channels).T

    def _whole(self, name: str) -> Path:
        """Where a file is; `SurveyError` where its content, which is checked once, is not what was written."""
        path = self.path / name
        if name not in self._checked_files:
            reason = flaw(path, self.manifest.files[name])
            if reason is not None:
                raise SurveyError(f"{path}: {reason}, so the survey is damaged. {AGAIN}")
            self._checked_files.add(name)
        return path

    def _shards(self) -> Iterator[tuple[slice, int]]:
        """Each shard's number, and its rows among the pictures that count."""
        start = 0
        for shard in self.manifest.shards:
            yield slice(start, start + shard.rows), shard.number
            start += shard.rows

    def _checked(self, layer: str, pool: str) -> SurveyedLayer:
        check_choice("pool", pool, self.manifest.pools)
        return self.layer_of(layer)

    def __repr__(self) -> str:
        layers = ", ".join(f"{layer.name} ({layer.channels} channels)" for layer in self.manifest.layers)
        known = (self.classes or ()) if self.manifest.each == "picture" else self.found_counts
        classes = f", {len(known)} class{'' if len(known) == 1 else 'es'}" if known else ""
        bad = sum(shard.bad for shard in self.manifest.shards)
        counted = f"{self.counted}{f' and {bad} bad' if bad else ''}"
        return f"<Survey of {self.manifest.model}: {counted}{classes}; {layers}>"

    @property
    def counted(self) -> str:
        """How many pictures count, or how many boxes or regions were found in how many pictures, in words."""
        manifest = self.manifest
        good = sum(len(manifest.numbers(shard.number)) - shard.bad for shard in manifest.shards)
        pictures = f"{good:,} picture{'' if good == 1 else 's'}"
        if manifest.each == "picture":
            return pictures
        found = sum(self.found_counts.values())
        return f"{found:,} {manifest.each if found == 1 else PLURALS[manifest.each]} in {pictures}"

    @property
    def rows(self) -> str:
        """What the rows of its tables are, in the plural."""
        return "pictures" if self.manifest.each == "picture" else "regions"

    def rows_of(self, label: str) -> str:
        """What the rows of a class are, in the plural: of what lies elsewhere there is one in a picture."""
        return "pictures" if label == NAME_OF_REST else PLURALS[self.manifest.each]

    @property
    def found_counts(self) -> dict[str, int]:
        """How many boxes or regions there are of each class that was found; what lies elsewhere is none."""
        known = zip(
            region_classes(self.manifest), self.manifest.region_labels, self.manifest.region_counts, strict=True
        )
        return {name: count for name, label, count in known if label != ELSEWHERE}

    def _repr_html_(self) -> str:
        known = (self.classes or ()) if self.manifest.each == "picture" else tuple(self.found_counts)
        bad = sum(shard.bad for shard in self.manifest.shards)
        told: dict[str, object] = {
            "holds": self.counted + (f", and {bad} that could not be read" if bad else ""),
            "classes": f"{len(known):,}" if known else "no labels",
            "layers": [f"{layer.name}, {layer.channels} channels" for layer in self.manifest.layers],
            "folder": self.path,
        }
        return card(f"Survey of {self.manifest.model}", told)


def _channel(layer: SurveyedLayer, channel: int) -> int:
    if not 0 <= channel < layer.channels:
        raise LayerNotFoundError(f"{layer.name} has channels 0 to {layer.channels - 1}; {channel} was asked for.")
    return int(channel)


def _rows(file: Any, start: int, count: int) -> pa.Table:
    """Rows of a Parquet file by position, reading only the row groups that hold them."""
    parts, first = [], 0
    for group in range(file.num_row_groups):
        length = file.metadata.row_group(group).num_rows
        if first < start + count and start < first + length:
            part = file.read_row_group(group)
            parts.append(part.slice(max(0, start - first), start + count - max(first, start)))
        first += length
    return pa.concat_tables(parts)
