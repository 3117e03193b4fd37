"""What an edit changed, over a survey's pictures: by class and group, what was gained and what it cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Int

from featuremaps.editing.edits import Edit, NewWeights
from featuremaps.layers.directions import check_directions
from featuremaps.models.studied_model import StudiedModel
from featuremaps.plotting.class_colours import RIGHT, WRONG, on_square, short
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.panels import Panel
from featuremaps.repair.explained_change import ExplainedChange, maps_of, some_of, worst_group
from featuremaps.repair.features import worked
from featuremaps.repair.figure import ShownGroup, ShownPictures, change_figure
from featuremaps.repair.ways import classes_of
from featuremaps.results.shown import Shown
from featuremaps.shortcuts.estimates import Difference, paired
from featuremaps.shortcuts.options import ShortcutOptions
from featuremaps.shortcuts.responses import chosen
from featuremaps.shortcuts.shortcut import Shortcut
from featuremaps.survey.analysis.seen_pictures import layers_of, seen_pictures
from featuremaps.survey.measures.proportions import Rate, confusion_matrix
from featuremaps.survey.storage.reader import StoredSurvey

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Changed:
    """How many pictures of a group are called right before and after, and the mean change, picture by picture."""

    before: Rate
    after: Rate
    change: Difference | None


@dataclass(frozen=True, eq=False)
class BeforeAfter(Shown):
    """Two models on the same pictures: `groups` by name, every class, and with a shortcut every class with and without.

    `confusions` are counts (true, predicted) before and after, of `classes` and, in the last column, any other answer.
    `explained` shows pictures of the group that fared worst before, None where no maps can be laid over them. `notes`
    are what should be known beside it, in sentences.
    """

    groups: Mapping[str, Changed]
    every: Changed
    classes: tuple[str, ...]
    confusions: tuple[Int[np.ndarray, "true predicted"], Int[np.ndarray, "true predicted"]]
    explained: ExplainedChange | None = None
    notes: tuple[str, ...] = ()

    def table(self) -> "pa.Table":
        """A row for each group and one for all pictures."""
        import pyarrow as pa

        rows = []
        for name, each in (*self.groups.items(), ("all", self.every)):
            row: dict[str, object] = {"group": name, "pictures": each.before.of}
            row |= each.before.row("before") | each.after.row("after")
            low, high = (None, None) if each.change is None else each.change.interval
            rows.append(row | {"change_low": low, "change_high": high})
        return pa.Table.from_pylist(rows)

    def figure(self) -> Figure:
        """For each group a bar before and after, and beside them what the worst group's pictures are answered by."""
        groups = [ShownGroup(name, each.before, each.after) for name, each in self.groups.items()]
        shown = None if self.explained is None else _shown(self.explained)
        return change_figure([*groups, ShownGroup("all", self.every.before, self.every.after)], shown)

    def __repr__(self) -> str:
        lines = [f"<Before and after, {self.every.before.of:,} pictures: {_words(self.every)}"]
        lines += [f"  {name}: {_words(each)}" for name, each in self.groups.items()]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)]) + ">"


def before_after(
    first: StudiedModel,
    second: StudiedModel,
    survey: StoredSurvey,
    layer: str,
    options: ShortcutOptions,
    shortcut: Shortcut | None = None,
    names: Mapping[str, str] | None = None,
) -> BeforeAfter:
    """Run both models over a survey's labelled pictures; a `shortcut` tells those with it from those without."""
    if shortcut is not None:
        check_directions(shortcut, layers_of(first, survey), first.model)
    rows, labels, classes, outputs, _ = chosen(survey, options, names)
    done = [worked(each, survey, rows, layer, [], None, options.batch_size) for each in (first, second)]
    called = [classes_of(each.probabilities[0], np.array(outputs)) for each in done]
    right = [each == labels for each in called]
    groups = {name: labels == number for number, name in enumerate(classes)}
    if shortcut is not None:
        present = shortcut.present_in(survey, rows, done[0].means)
        for number, name in enumerate(classes):
            for has, words in ((present, "with it"), (~present, "without it")):
                groups[f"{name} {words}"] = (labels == number) & has
    rates = {name: _changed(*(each[of_group] for each in right)) for name, of_group in groups.items() if of_group.any()}
    worst = worst_group({name: each.before for name, each in rates.items() if shortcut is None or name not in classes})
    places = some_of(groups[worst], options.seed)
    number = int(labels[places[0]])
    seen = seen_pictures(survey, first.preprocessing, rows[places].tolist())
    maps = [maps_of(studied, seen, layer, outputs[number]) for studied in (first, second)]
    explained = None
    if maps[0] is not None and maps[1] is not None:
        said = tuple((_name(classes, called[0][i]), _name(classes, called[1][i])) for i in places.tolist())
        explained = ExplainedChange(worst, classes[number], tuple(rows[places].tolist()), maps[0], maps[1], said)
    before, after = (_confusion(each, labels, len(classes)) for each in called)
    return BeforeAfter(rates, _changed(*right), classes, (before, after), explained)


def notes_on(edits: Sequence[Edit], survey: StoredSurvey) -> tuple[str, ...]:
    """What is said of pictures that edited weights were learned from."""
    if not any(isinstance(each, NewWeights) and each.survey == survey.identity for each in edits):
        return ()
    return (
        "the edited model learned from this survey's pictures, so that it is right in them more often than in others; "
        "what its repair says was held out, and another survey tells best",
    )


def _name(classes: tuple[str, ...], number: int | np.integer) -> str:
    """What a picture is called."""
    return classes[int(number)] if number >= 0 else "something else"


def _shown(explained: ExplainedChange) -> ShownPictures:
    """The pictures, and below each the map before and after, framed by whether the answer is right."""
    rows = [[Panel(on_square(seen.image)) for seen in explained.before.pictures]]
    for place, heatmaps in enumerate((explained.before, explained.after)):
        called = [both[place] for both in explained.called]
        rows.append(
            [
                Panel(on_square(image), f"called {short(name, 16)}", frame=RIGHT if name == explained.label else WRONG)
                for image, name in zip(heatmaps.overlay(), called, strict=True)
            ]
        )
    for row, side in zip(rows, (explained.label, "before", "after"), strict=True):
        row[0] = replace(row[0], side=side)
    layer = explained.before.layer
    return ShownPictures(f"{explained.group}: what speaks for {explained.label} in {layer} (Grad-CAM)", rows)


def _changed(before: Bool[np.ndarray, " picture"], after: Bool[np.ndarray, " picture"]) -> Changed:
    first, second = (Rate(int(each.sum()), len(each)) for each in (before, after))
    return Changed(first, second, paired(after.astype(np.float64), before.astype(np.float64)))


def _confusion(
    called: Int[np.ndarray, " picture"], labels: Int[np.ndarray, " picture"], classes: int
) -> Int[np.ndarray, "true predicted"]:
    return confusion_matrix(labels, np.where(called < 0, classes, called), classes + 1)[:classes]


def _words(changed: Changed) -> str:
    change = "" if changed.change is None else f", {changed.change.words()}"
    return f"{changed.before.value:.1%} before, {changed.after.value:.1%} after{change}"
