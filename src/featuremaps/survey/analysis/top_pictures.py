"""The real pictures that a unit responds to most (or least, or in between), and where in them it looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path
from typing import Literal, get_args, overload

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from featuremaps.errors import OptionError, SurveyError, check_choice, check_least
from featuremaps.layers.layout import folded
from featuremaps.maps.top_channels import bar_of, over_picture
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.class_colours import short
from featuremaps.plotting.colour_scales import Scale, scale_for
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.file_names import file_name, unique_names
from featuremaps.projection.project import receptive_box
from featuremaps.projection.projections import PixelBox, original_box
from featuremaps.results.shown import Shown
from featuremaps.survey.analysis.class_labels import label_words, labelling, number_of
from featuremaps.survey.analysis.question import question
from featuremaps.survey.analysis.seen_pictures import maps_of_units, seen_pictures
from featuremaps.survey.figures.top_pictures import ShownPicture, framed, top_pictures_figure
from featuremaps.survey.storage.manifest import SurveyedLayer
from featuremaps.survey.storage.pooled import End
from featuremaps.survey.storage.reader import StoredSurvey
from featuremaps.survey.storage.stored_rows import LabelSets

Which = Literal["strongest", "weakest", "spread"]
NOT_KEPT = "its place was not kept; maps=True finds it"


@dataclass(frozen=True, eq=False)
class TopPicture:
    """One picture of a unit.

    `value` is the unit's largest activation there, at its `place` (row, column of the map). `box` is what the unit sees
    from there, in pixels of `image`, the original or, of a tensor, what the model saw; None where that is not known.
    Of a survey that counts boxes or regions it is that box, or holds that region, and `value` is of what lies in it.
    `seen` and `map` are what the model saw and the unit's map over it, where a model was given.
    """

    row: int
    name: str
    label: str
    value: float
    image: Image.Image
    place: tuple[int, int] | None = None
    box: PixelBox | None = None
    seen: Seen | None = None
    map: Float[Tensor, "*_space"] | None = None

    @property
    def frame(self) -> PixelBox | None:
        """The part of the original that the unit sees; None where that is all of it, or not known."""
        return None if self.box == (0, 0, *self.image.size) else self.box

    @property
    def whole(self) -> bool:
        """Whether the unit sees the whole picture from its place, or nothing is known about that."""
        return self.frame is None

    @property
    def crop(self) -> Image.Image:
        """The part of the original that the unit sees; all of it where that is not known."""
        return self.image if self.box is None else self.image.crop(self.box)

    @property
    def doubt(self) -> str | None:
        """Why the whole picture stands where the crop should, if so."""
        if self.box is not None:
            return None
        return NOT_KEPT if self.place is None else "where it looks in it is not known"


@dataclass(frozen=True, eq=False)
class TopPictures(Sequence[TopPicture], Shown):
    """Pictures of one unit: its strongest or weakest first, or spread from the strongest to the weakest.

    `of` is how many pictures they were chosen from, of class `label` where one was named. `rows` says what is counted
    as pictures here: these, or the boxes or regions in them, which are framed then (`in_regions`).
    """

    pictures: tuple[TopPicture, ...]
    unit: str
    which: Which
    of: int
    label: str | None = None
    rows: str = "pictures"
    in_regions: bool = False

    def figure(self) -> Figure:
        """What the unit sees of each picture, the whole picture with that place framed, and the unit's map over it."""
        maps = [picture.map for picture in self if picture.map is not None]
        peak = max((float(map.abs().max()) for map in maps), default=0.0)
        scale = scale_for("layer", min((float(map.min()) for map in maps), default=0.0))
        of = f"{self.of:,} {self.rows}{f' of {short(self.label)}' if self.label else ''}"
        count = len(self)
        chosen = {
            "strongest": f"the {count} strongest of {of}",
            "weakest": f"the {count} weakest of {of}",
            "spread": f"{count} of {of}, evenly spread by rank from strongest to weakest",
        }
        return top_pictures_figure(
            [_shown(picture, peak, scale) for picture in self],
            f"{self.unit}: {chosen[self.which]}",
            bar_of(scale, peak, None),
            "the region" if self.in_regions else "what it sees",
        )

    def save(self, folder: str | Path = ".") -> list[Path]:
        """Write each crop, each whole picture with its place framed (PNG), and the raw maps (`.npy`) if there are.

        Where the unit's place was not kept there is no crop.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        names = unique_names([picture.name for picture in self])
        for rank, (picture, name) in enumerate(zip(self, names, strict=True), 1):
            stem = file_name(self.unit, self.which, f"{rank:02d}", name)
            if picture.doubt != NOT_KEPT:
                written.append(folder / f"{stem}.png")
                picture.crop.convert("RGB").save(written[-1])
            written.append(folder / f"{stem}__picture.png")
            framed(picture.image, picture.frame).save(written[-1])
            if picture.map is not None:
                written.append(folder / f"{stem}.npy")
                np.save(written[-1], picture.map.numpy())
        return written

    @overload
    def __getitem__(self, index: int) -> TopPicture: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[TopPicture, ...]: ...
    def __getitem__(self, index: int | slice) -> TopPicture | tuple[TopPicture, ...]:
        """One picture, or several."""
        return self.pictures[index]

    def __len__(self) -> int:
        return len(self.pictures)

    def __repr__(self) -> str:
        of = f"{self.of:,} {self.rows}{f' of {self.label}' if self.label else ''}"
        lines = [f"<TopPictures of {self.unit}: {len(self)} {WORDS[self.which]} of {of}"]
        for picture in self[:9]:
            lines.append(f"  {picture.value:.3g}  {picture.name}{f' ({picture.label})' if picture.label else ''}")
        lost = sum(picture.doubt == NOT_KEPT for picture in self)
        lines += [f"  {lost} shown whole: where the unit looks was not kept; maps=True finds it"] if lost else []
        return "\n".join(lines) + ">"


def _shown(picture: TopPicture, peak: float, scale: Scale) -> ShownPicture:
    """What a figure shows of a picture; `peak` is the largest magnitude of all maps."""
    overlay = None
    if picture.map is not None and picture.seen is not None:
        (overlay,) = over_picture(picture.seen, [picture.map], [peak], scale, 0.8, None, "seen")
    return ShownPicture(
        picture.image, picture.label or picture.name, picture.value, picture.frame, picture.doubt or "", overlay
    )


WORDS = {"strongest": "strongest", "weakest": "weakest", "spread": "spread from the strongest to the weakest,"}


@question
def top_pictures(
    survey: StoredSurvey,
    unit: str,
    n: int = 9,
    which: Which = "strongest",
    *,
    label: str | int | None = None,
    maps: bool = False,
) -> TopPictures:
    """The `n` pictures in which a unit's largest activation is highest, lowest, or evenly spread between by rank.

    With `label` only pictures of that class. Where the survey's model is known, places are framed and cut to what the
    unit sees; with `maps` it is run on the pictures shown: their maps, and places that the survey did not keep. Equally
    strong pictures come in order. Raises `LayerNotFoundError` for a unit that does not exist, `SurveyError` for a class
    that does not exist or has no pictures, `OptionError` for `maps` of a survey that was opened without its model.
    """
    if maps and survey.studied is None:
        raise OptionError(
            "maps=True runs the model on the pictures, and this survey was opened without it. Open it with its "
            f"model: scope.open_survey({str(survey.path)!r})."
        )
    check_choice("which", which, get_args(Which))
    check_least("n", n, "how many pictures are shown")
    info, channel = survey.unit_of(unit)
    name, candidates = _candidates(survey, label)
    of_class = None if label is None else candidates
    rows, values, places = _chosen(survey, info.name, channel, n, which, of_class)
    seen: Sequence[Seen | None] = [None] * len(rows)
    shown_maps: dict[int, Tensor] = {}
    if maps and survey.studied is not None:
        seen, shown_maps = _run_on(survey, survey.studied, info.name, channel, rows)
        if survey.regions is None:
            places = {row: _peak(map) for row, map in shown_maps.items()}
    pictures = [
        _top_picture(survey, info, row, value, places.get(row), seen_there, shown_maps.get(row))
        for row, value, seen_there in zip(rows.tolist(), values.tolist(), seen, strict=True)
    ]
    return TopPictures(
        tuple(pictures),
        f"{info.name}:{channel}",
        which,
        len(candidates),
        name,
        survey.rows if name is None else survey.rows_of(name),
        survey.regions is not None,
    )


def _run_on(
    survey: StoredSurvey, studied: StudiedModel, layer: str, channel: int, rows: Int[np.ndarray, " picture"]
) -> tuple[Sequence[Seen], dict[int, Tensor]]:
    """What the model sees of the pictures in these rows, and the channel's map of each, by row."""
    seen = seen_pictures(survey, studied.preprocessing, rows.tolist())
    maps = maps_of_units(studied, layer, seen, [[channel]] * len(seen))
    return seen, {row: maps[rank, channel] for rank, row in enumerate(rows.tolist())}


def _top_picture(
    survey: StoredSurvey,
    layer: SurveyedLayer,
    row: int,
    value: float,
    place: tuple[int, int] | None,
    seen: Seen | None,
    map: Tensor | None,
) -> TopPicture:
    image = survey.picture(row)
    box = _box_of(survey, row, layer, place, image)
    name, label = survey.pictures.names[row], label_words(survey, row)
    return TopPicture(row, name, label, value, image, place, box, seen, map)


def _candidates(survey: StoredSurvey, label: str | int | None) -> tuple[str | None, Int[np.ndarray, " picture"]]:
    """The class's name, None for all classes, and the rows to choose from."""
    if label is None:
        return None, np.arange(len(survey.pictures.names))
    labels, classes = labelling(survey)
    number = number_of(label, classes)
    rows = np.flatnonzero(labels.members[:, number] if isinstance(labels, LabelSets) else labels == number)
    if not len(rows):
        raise SurveyError(f"class {classes[number]!r} has no pictures, so a unit has none to show there.")
    return classes[number], rows


def _chosen(
    survey: StoredSurvey, layer: str, channel: int, n: int, which: Which, candidates: Int[np.ndarray, " picture"] | None
) -> tuple[np.ndarray, np.ndarray, dict[int, tuple[int, int]]]:
    """Rows, values, and all places the survey kept; only its short list is read where that is enough."""
    unit, total = f"{layer}:{channel}", len(survey.pictures.names)
    end: End = "weakest" if which == "weakest" else "strongest"
    listed = min(survey.manifest.keep, total)
    kept = survey.top(unit, listed, end=end)
    if candidates is None and which != "spread" and listed >= min(n, total):
        kept = kept[:n]
        places = {best.row: (best.y, best.x) for best in kept}
        return np.array([best.row for best in kept]), np.array([best.value for best in kept]), places
    other: End = "strongest" if end == "weakest" else "weakest"
    known = [*kept, *survey.top(unit, listed, end=other)]
    places = {best.row: (best.y, best.x) for best in known}
    rows = np.arange(total) if candidates is None else candidates
    values = survey.vectors(layer, "max", [channel])[rows, 0]
    order = np.argsort(values if which == "weakest" else -values, kind="stable")
    if which == "spread":
        order = order[np.unique(np.linspace(0, len(order) - 1, min(n, len(order))).round().astype(int))]
    return rows[order[:n]], values[order[:n]], places


def _peak(map: Float[Tensor, "*_space"]) -> tuple[int, int]:
    """Row and column, a volume's slices below each other."""
    row, column = divmod(int(torch.argmax(map)), map.shape[-1])
    return row, column


def _box_of(
    survey: StoredSurvey, row: int, layer: SurveyedLayer, place: tuple[int, int] | None, image: Image.Image
) -> PixelBox | None:
    """What is framed in the picture of a row: what the unit sees from its place, or the region that the row is of."""
    preprocessing = survey.studied.preprocessing if survey.studied else None
    if survey.regions is None:
        return _box(layer, place, image, preprocessing)
    left, top, right, bottom = survey.regions.boxes[row].tolist()
    box = PixelBox(floor(left), floor(top), ceil(right), ceil(bottom))
    return None if preprocessing is None else original_box(box, image.size, preprocessing)


def _box(
    layer: SurveyedLayer, place: tuple[int, int] | None, image: Image.Image, preprocessing: Preprocessing | None
) -> PixelBox | None:
    """What the unit sees from its place, in pixels of the original; None where that cannot be told."""
    if layer.whole:  # from every place alike
        place = place or (0, 0)
    if place is None or preprocessing is None:
        return None
    box = receptive_box(layer, place, layer.input_size)
    if len(layer.input_size) == 2:
        return original_box(box, image.size, preprocessing)
    sides = [pixels / length for pixels, length in zip(image.size, reversed(folded(layer.input_size)), strict=True)]
    return PixelBox(*(round(edge * side) for edge, side in zip(box, sides * 2, strict=True)))
