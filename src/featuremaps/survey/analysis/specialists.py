"""Which channels each class uses: those most often among the strongest of its pictures, and of no other class.

The procedure counts how often a channel is among a picture's strongest, and needs two cut-offs; `separation.py` ranks
channels without any.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from featuremaps.errors import SurveyError, check_choice, check_least, first_of
from featuremaps.plotting.figure_types import Figure
from featuremaps.results.shown import Shown
from featuremaps.survey.analysis.class_labels import counted, labelling, number_of
from featuremaps.survey.analysis.question import question
from featuremaps.survey.figures.specialists import ClassRow, specialists_figure
from featuremaps.survey.storage.pooled import Pooling
from featuremaps.survey.storage.reader import StoredSurvey
from featuremaps.survey.storage.stored_rows import LabelSets

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 4096
Vectors = Float[np.ndarray, "picture channel"]


@dataclass(frozen=True)
class ClassSpecialists:
    """The channels of one class, most frequent first.

    `counts[i]` of its `pictures` have `channels[i]` among their strongest; `means[i]` is the channel's mean over them.
    `shared` names, for each channel that other classes' lists have too, those classes; with `unique` these channels
    are not in `channels`.
    """

    label: str
    pictures: int
    channels: tuple[int, ...]
    counts: tuple[int, ...]
    means: tuple[float, ...]
    shared: Mapping[int, tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class Specialists(Shown):
    """The channels of every class. `tally[c, k]`: how many pictures of class c have channel k among their strongest.

    `notes` say what a reader should know: classes without pictures, cut-offs beyond what there is. `rows` says what is
    counted as pictures here: these, or regions of them.
    """

    classes: tuple[ClassSpecialists, ...]
    layer: str
    by: Pooling
    per_image: int
    per_class: int
    unique: bool
    tally: Int[np.ndarray, "class channel"]
    notes: tuple[str, ...] = ()
    rows: str = "pictures"

    @property
    def channels(self) -> dict[str, tuple[int, ...]]:
        """For each class its channels, as `sums` and a detector take them."""
        return {listed.label: listed.channels for listed in self.classes}

    def figure(self, *, most: int = 20) -> Figure:
        """Classes × their channels: the share of a class's pictures in which a channel is among the strongest."""
        rows = [
            ClassRow(listed.label, listed.pictures, listed.channels, tally)
            for listed, tally in zip(self.classes, self.tally, strict=True)
        ]
        return specialists_figure(
            rows, layer=self.layer, per_image=self.per_image, unique=self.unique, most=most, counted=self.rows
        )

    def table(self) -> "pa.Table":
        """A row for every channel on a class's list, those removed as shared too (`kept` is false)."""
        import pyarrow as pa

        rows = [row for number in range(len(self)) for row in self._rows(number)]
        kinds = {"class": pa.string(), "unit": pa.string(), "channel": pa.int32(), "count": pa.int32()}
        kinds |= {"pictures": pa.int32(), "kept": pa.bool_(), "shared_with": pa.list_(pa.string())}
        return pa.Table.from_pylist(rows, schema=pa.schema(list(kinds.items())))

    def __getitem__(self, label: str | int) -> ClassSpecialists:
        """One class, by name or number."""
        return self.classes[number_of(label, [listed.label for listed in self.classes])]

    def __iter__(self) -> Iterator[ClassSpecialists]:
        return iter(self.classes)

    def __len__(self) -> int:
        return len(self.classes)

    def __repr__(self) -> str:
        kind = "not shared with another" if self.unique else "shared ones too"
        lines = [
            f"<Specialists of {self.layer}: for each class up to {self.per_class} channels that are most often among "
            f"the {self.per_image} with the highest {self.by} of a {self.rows[:-1]}, {kind}"
        ]
        for each in self.classes[:20]:
            shown = ", ".join(f"{c} ({n})" for c, n in zip(each.channels[:6], each.counts, strict=False))
            more = f", … {len(each.channels)} in all" if len(each.channels) > 6 else ""
            lines.append(
                f"  {each.label}, {each.pictures} {self.rows}: {shown or 'none'}{more}; {len(each.shared)} shared"
            )
        lines += [f"  … {len(self)} classes in all"] if len(self) > 20 else []
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)]) + ">"

    def _rows(self, number: int) -> list[dict[str, object]]:
        """A class's list before shared channels were removed, most frequent first."""
        listed, tally = self.classes[number], self.tally[number]
        every = dict.fromkeys([*listed.channels, *listed.shared])
        return [
            {
                "class": listed.label,
                "unit": f"{self.layer}:{channel}",
                "channel": channel,
                "count": int(tally[channel]),
                "pictures": listed.pictures,
                "kept": channel in listed.channels,
                "shared_with": list(listed.shared.get(channel, ())),
            }
            for channel in sorted(every, key=lambda channel: -int(tally[channel]))
        ]


@question
def specialists(
    survey: StoredSurvey,
    layer: str | None = None,
    *,
    per_image: int = 25,
    per_class: int = 25,
    unique: bool = True,
    by: Pooling = "mean",
) -> Specialists:
    """For each class the `per_class` channels most often among the `per_image` strongest of its pictures.

    With `unique`, less those on another class's list. How strong a channel is in a picture is its mean or its largest
    activation (`by`). A channel that is exactly 0 in a picture is silent there and never among its strongest, however
    few others there are. Equally strong channels of a picture count by number, lower first; equally frequent ones of a
    class by their mean over its pictures, higher first, then by number. Pictures without a label are left out. Raises
    `SurveyError` where none has one.
    """
    check_choice("by", by, get_args(Pooling))
    for name, value in (("per_image", per_image), ("per_class", per_class)):
        check_least(name, value, "how many channels are kept")
    layer, channels = survey.layer_of(layer).name, survey.layer_of(layer).channels
    labels, names = labelling(survey)
    tally, means = tallied(survey.blocks(layer, by), labels, len(names), channels, per_image)
    pictures = counted(labels, len(names))
    lists = [most_frequent(tally[c], means[c], per_class) for c in range(len(names))]
    holders: dict[int, list[str]] = {}
    for name, listed in zip(names, lists, strict=True):
        for channel in listed:
            holders.setdefault(channel, []).append(name)
    by_class = []
    for number, name in enumerate(names):
        others = {channel: tuple(other for other in holders[channel] if other != name) for channel in lists[number]}
        shared = {channel: holding for channel, holding in others.items() if holding}
        kept = [channel for channel in lists[number] if not (unique and channel in shared)]
        counts, strengths = tuple(tally[number, kept].tolist()), tuple(means[number, kept].tolist())
        by_class.append(ClassSpecialists(name, int(pictures[number]), tuple(kept), counts, strengths, shared))
    return Specialists(
        tuple(by_class),
        layer,
        by,
        per_image,
        per_class,
        unique,
        tally,
        (*_notes(names, pictures, channels, per_image, tally), *_emptied(lists, unique, per_class, channels)),
        survey.rows,
    )


def tallied(
    blocks: Iterable[tuple[slice, Vectors]],
    labels: Int[np.ndarray, " picture"] | LabelSets,
    classes: int,
    channels: int,
    per_image: int,
) -> tuple[Int[np.ndarray, "class channel"], Float[np.ndarray, "class channel"]]:
    """How many pictures of each class have each channel among their strongest, and its mean over the class.

    Nothing but the two tables is kept. The mean of a class without pictures is 0.
    """
    tally = torch.zeros(classes, channels, dtype=torch.int32, device="cpu")
    sums = torch.zeros(classes, channels, dtype=torch.float64, device="cpu")
    for rows, vectors in blocks:
        of_block = labels.members[rows] if isinstance(labels, LabelSets) else labels[rows]
        for start in range(0, len(vectors), ROWS):
            places, numbers = _labels_in(of_block[start : start + ROWS])
            values, index = np.ascontiguousarray(vectors[start : start + ROWS][places]), torch.from_numpy(numbers)
            if np.isnan(values).any():
                raise SurveyError("the survey has activations that are not numbers (NaN); they have no order.")
            tally.index_add_(0, index, torch.from_numpy(strongest(values, per_image)).int())
            sums.index_add_(0, index, torch.from_numpy(values).double())
    pictures = np.maximum(counted(labels, classes), 1)
    return tally.numpy(), sums.numpy() / pictures[:, None]


def _labels_in(given: np.ndarray) -> tuple[Int[np.ndarray, " label"], Int[np.ndarray, " label"]]:
    """The place and the class of every label, of numbers (picture,) or members (picture, class)."""
    if given.ndim == 2:
        places, numbers = given.nonzero()
        return places, numbers
    places = np.flatnonzero(given >= 0)
    return places, given[places]


def strongest(values: Vectors, per_image: int) -> Bool[np.ndarray, "picture channel"]:
    """Which channels are among the strongest of each picture; silent ones (exactly 0) never, ties by number."""
    most = min(per_image, values.shape[1])
    least = torch.from_numpy(values).topk(most, sorted=False).values.amin(1, keepdim=True).numpy()
    chosen: np.ndarray = (values >= least) & (values != 0)
    for row in np.flatnonzero(chosen.sum(1) > most):
        tied = np.flatnonzero(values[row] == least[row])
        chosen[row, tied[most - int(chosen[row].sum()) :]] = False
    return chosen


def most_frequent(
    counts: Int[np.ndarray, " channel"], means: Float[np.ndarray, " channel"], most: int
) -> tuple[int, ...]:
    """The channels that count most often, at least once; of equals the higher mean, then the lower number."""
    order = np.lexsort((-means, -counts))[:most]
    return tuple(order[counts[order] > 0].tolist())


def _emptied(lists: list[tuple[int, ...]], unique: bool, per_class: int, channels: int) -> tuple[str, ...]:
    """That lists are too long for the layer, where most classes share every channel on theirs."""
    counts = np.bincount(np.array([channel for of_class in lists for channel in of_class], int), minlength=channels)
    listed = [of_class for of_class in lists if of_class]
    emptied = sum(bool((counts[list(of_class)] > 1).all()) for of_class in listed)
    if not unique or len(listed) < 2 or emptied * 2 < len(listed):
        return ()
    return (
        f"{emptied} of {len(listed)} classes share every channel they list: {per_class} of {channels} channels a class "
        "is much. Shorter lists (per_image, per_class) leave more of their own, and separation needs no cut-offs",
    )


def _notes(
    names: tuple[str, ...], pictures: np.ndarray, channels: int, per_image: int, tally: np.ndarray
) -> tuple[str, ...]:
    """What a reader should know of the numbers."""
    notes = []
    empty = [name for name, count in zip(names, pictures, strict=True) if not count]
    if empty:
        notes.append(f"no pictures, so no channels: {first_of(empty, 5)}")
    if (pictures > 0).sum() == 1:
        notes.append("only one class has pictures, so nothing can be shared: these are frequent channels, not its own")
    if per_image >= channels:
        notes.append(
            f"per_image={per_image} takes all {channels} channels of a picture that are not silent; the order then "
            "follows how often a channel fires at all, and its mean"
        )
    silent = int((tally.sum(0) == 0).sum())
    if silent == channels:
        notes.append("no channel fires in any labelled picture")
    return tuple(notes)
