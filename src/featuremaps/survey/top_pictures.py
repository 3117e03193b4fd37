"""The real pictures that a unit responds to most (or least, or in between), and where in them it looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args, overload

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from featuremaps.anatomy import Anatomy
from featuremaps.chunks import in_chunks
from featuremaps.errors import OptionError, SurveyError, did_you_mean
from featuremaps.heatmaps import file_name, png_of, unique_names
from featuremaps.images import Picture
from featuremaps.projecting import receptive_box
from featuremaps.projections import Box, original_box
from featuremaps.record import take
from featuremaps.sight import Seen
from featuremaps.state import preserved
from featuremaps.survey.surveyed import End, Ranked, Surveyed, labels_of, number_of, unit_of
from featuremaps.view import Preprocessing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Which = Literal["strongest", "weakest", "spread"]
NOT_KEPT = "its place was not kept; maps=True finds it"


@dataclass(frozen=True, eq=False)
class TopPicture:
    """One picture of a unit.

    `value` is the unit's largest activation there, at its `place` (row, column of the map). `box` is what the unit sees
    from there, in pixels of `image`, the original; None where that is not known. `seen` and `map` are what the model
    saw and the unit's map over it, where a model was given.
    """

    row: int
    name: str
    label: str
    value: float
    image: Image.Image
    place: tuple[int, int] | None = None
    box: Box | None = None
    seen: Seen | None = None
    map: Float[Tensor, "height width"] | None = None

    @property
    def whole(self) -> bool:
        """Whether the unit sees the whole picture from its place, or nothing is known about that."""
        return self.box is None or self.box == (0, 0, *self.image.size)

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
class TopPictures(Sequence[TopPicture]):
    """Pictures of one unit: its strongest or weakest first, or spread from the strongest to the weakest.

    `of` is how many pictures they were chosen from, of class `label` where one was named.
    """

    pictures: tuple[TopPicture, ...]
    unit: str
    which: Which
    of: int
    label: str | None = None

    def figure(self) -> "Figure":
        """What the unit sees of each picture, the whole picture with that place framed, and the unit's map over it."""
        from featuremaps.survey.top_pictures_figure import top_pictures_figure

        return top_pictures_figure(self)

    def save(self, folder: str | Path = ".") -> list[Path]:
        """Write each crop, each whole picture with its place framed (PNG), and the raw maps (`.npy`) if there are.

        Where the unit's place was not kept there is no crop.
        """
        from featuremaps.survey.top_pictures_figure import framed

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for rank, (one, name) in enumerate(zip(self, unique_names([one.name for one in self]), strict=True), 1):
            stem = file_name(self.unit, self.which, f"{rank:02d}", name)
            if one.doubt != NOT_KEPT:
                one.crop.convert("RGB").save(folder / f"{stem}.png")
                written.append(folder / f"{stem}.png")
            framed(one).save(folder / f"{stem}__picture.png")
            written.append(folder / f"{stem}__picture.png")
            if one.map is not None:
                np.save(folder / f"{stem}.npy", one.map.detach().float().cpu().numpy())
                written.append(folder / f"{stem}.npy")
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
        of = f"{self.of:,} pictures{f' of {self.label}' if self.label else ''}"
        lines = [f"<TopPictures of {self.unit}: {len(self)} {WORDS[self.which]} of {of}"]
        lines += [f"  {one.value:.3g}  {one.name}{f' ({one.label})' if one.label else ''}" for one in self[:9]]
        lost = sum(one.doubt == NOT_KEPT for one in self)
        lines += [f"  {lost} shown whole: where the unit looks was not kept; maps=True finds it"] if lost else []
        return "\n".join(lines) + ">"

    def _repr_png_(self) -> bytes:
        return png_of(self.figure())


WORDS = {"strongest": "strongest", "weakest": "weakest", "spread": "spread from the strongest to the weakest,"}


def top_pictures(
    survey: Surveyed,
    unit: str,
    n: int = 9,
    which: Which = "strongest",
    *,
    label: str | int | None = None,
    anatomy: Anatomy | None = None,
    preprocessing: Preprocessing | None = None,
) -> TopPictures:
    """The `n` pictures in which a unit's largest activation is highest, lowest, or evenly spread between by rank.

    With `label` only pictures of that class. `preprocessing` tells where the model's input lies in the original, so
    that places can be framed and cut. With an `anatomy` the model is run on the pictures shown: their maps, and places
    that the survey did not keep. Equally strong pictures come in order. Raises `LayerNotFoundError` for a unit that
    does not exist, `SurveyError` for a class that does not exist or has no pictures.
    """
    if which not in get_args(Which):
        near = did_you_mean(str(which), get_args(Which))
        raise OptionError(f"which={which!r} is not known; choose 'strongest', 'weakest' or 'spread'.{near}")
    if n < 1:
        raise OptionError(f"n is how many pictures are shown, 1 or more; got {n}.")
    layer, channel = unit_of(survey, unit)
    name, candidates = _candidates(survey, label)
    rows, values, places = _chosen(survey, layer, channel, n, which, candidates if label is not None else None)
    if preprocessing is None and anatomy is not None:
        preprocessing = anatomy.preprocessing
    images = [survey.picture(row) for row in rows.tolist()]
    seen, maps = _maps(survey, anatomy, layer, channel, rows.tolist(), images)
    if maps:
        places = {row: _peak(map) for row, map in zip(rows.tolist(), maps, strict=True)}
    labels = survey.pictures.labels
    shown = []
    for rank, (row, image) in enumerate(zip(rows.tolist(), images, strict=True)):
        place = places.get(row)
        shown.append(
            TopPicture(
                row,
                survey.pictures.names[row],
                _label(survey, int(labels[row])),
                float(values[rank]),
                image,
                place,
                _box(survey, layer, place, image, preprocessing),
                seen[rank] if seen else None,
                maps[rank] if maps else None,
            )
        )
    return TopPictures(tuple(shown), f"{layer}:{channel}", which, len(candidates), name)


def _candidates(survey: Surveyed, label: str | int | None) -> tuple[str | None, Int[np.ndarray, " picture"]]:
    """The class's name and the rows to choose from."""
    if label is None:
        return None, np.arange(len(survey.pictures.names))
    labels, classes = labels_of(survey)
    number = number_of(label, classes)
    rows = np.flatnonzero(labels == number)
    if not len(rows):
        raise SurveyError(f"class {classes[number]!r} has no pictures, so a unit has none to show there.")
    return classes[number], rows


def _chosen(
    survey: Surveyed, layer: str, channel: int, n: int, which: Which, candidates: Int[np.ndarray, " picture"] | None
) -> tuple[np.ndarray, np.ndarray, dict[int, tuple[int, int]]]:
    """Rows, values, and all places the survey kept; only its short list is read where that is enough."""
    total = len(survey.pictures.names)
    end: End = "weakest" if which == "weakest" else "strongest"
    kept = _kept(survey, f"{layer}:{channel}", min(n, total), end)
    if candidates is None and which != "spread" and len(kept) >= min(n, total):
        kept = kept[:n]
        places = {one.row: (one.y, one.x) for one in kept}
        return np.array([one.row for one in kept]), np.array([one.value for one in kept]), places
    other: End = "strongest" if end == "weakest" else "weakest"
    known = [*kept, *_kept(survey, f"{layer}:{channel}", min(n, total), other)]
    places = {one.row: (one.y, one.x) for one in known}
    rows = np.arange(total) if candidates is None else candidates
    values = survey.vectors(layer, "max", [channel])[rows, 0]
    order = np.argsort(values if which == "weakest" else -values, kind="stable")
    if which == "spread":
        order = order[np.unique(np.linspace(0, len(order) - 1, min(n, len(order))).round().astype(int))]
    return rows[order[:n]], values[order[:n]], places


def _kept(survey: Surveyed, unit: str, n: int, end: End) -> Sequence[Ranked]:
    """All of the survey's short list, even where it is shorter than `n`; the first `n` where its length is not said."""
    manifest = getattr(survey, "manifest", None)
    try:
        return survey.top(unit, n if manifest is None else min(manifest.keep, len(survey.pictures.names)), end=end)
    except OptionError:
        return ()


def _maps(
    survey: Surveyed, anatomy: Anatomy | None, layer: str, channel: int, rows: list[int], images: list[Image.Image]
) -> tuple[list[Seen], list[Tensor]]:
    """What the model sees of each picture and the unit's map over it; nothing without a model."""
    if anatomy is None:
        return [], []
    prepare = anatomy.preprocessing
    pictures = [Picture(survey.pictures.names[row], image) for row, image in zip(rows, images, strict=True)]
    seen = [Seen(picture, prepare(picture), prepare) for picture in pictures]
    found: dict[int, Tensor] = {}
    with preserved(anatomy.model) as session:

        def run(batch: Tensor, indices: list[int]) -> None:
            record = take(session, batch, [layer], gradients=False, stop_early=True)
            found.update(zip(indices, record.activations[layer][:, channel], strict=True))

        for _ in in_chunks([one.input for one in seen], 16, run, "reading the unit's maps"):
            pass
    return seen, [found[index] for index in range(len(seen))]


def _peak(map: Float[Tensor, "height width"]) -> tuple[int, int]:
    row, column = divmod(int(torch.argmax(map)), map.shape[1])
    return row, column


def _label(survey: Surveyed, label: int) -> str:
    if label < 0:
        return ""
    return survey.classes[label] if survey.classes else str(label)


def _box(
    survey: Surveyed,
    layer: str,
    place: tuple[int, int] | None,
    image: Image.Image,
    preprocessing: Preprocessing | None,
) -> Box | None:
    """What the unit sees from its place, in pixels of the original; None where that cannot be told."""
    info = survey.layers[layer]
    if info.whole:  # from every place alike
        place = place or (0, 0)
    if place is None or preprocessing is None or info.input_size is None:
        return None
    return original_box(receptive_box(info, place, info.input_size), image.size, preprocessing)
