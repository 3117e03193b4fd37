"""What an edit changed, over a survey's pictures: by class and group, what was gained and what it cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Int

from featuremaps.plotting.class_colours import bare, plain_figure, short
from featuremaps.repair.features import worked
from featuremaps.repair.ways import classes_of
from featuremaps.runtime.studied_model import StudiedModel
from featuremaps.shortcuts.estimates import Difference, paired
from featuremaps.shortcuts.options import ShortcutOptions
from featuremaps.shortcuts.responses import chosen
from featuremaps.shortcuts.shortcut import Shortcut
from featuremaps.survey.figures.illustrated import Illustrated
from featuremaps.survey.measures.proportions import Rate, confusion_matrix
from featuremaps.survey.storage.reader import StoredSurvey

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.figure import Figure

BEFORE, AFTER = "#9aa0a6", "#0072b2"


@dataclass(frozen=True, eq=False)
class Changed:
    """How many pictures of a group are called right before and after, and the mean change, picture by picture."""

    before: Rate
    after: Rate
    change: Difference | None


@dataclass(frozen=True, eq=False)
class BeforeAfter(Illustrated):
    """Two models on the same pictures: `groups` by name, every class, and with a shortcut every class with and without.

    `confusions` are counts (true, predicted) before and after, of `classes` and, in the last column, any other answer.
    """

    groups: Mapping[str, Changed]
    every: Changed
    classes: tuple[str, ...]
    confusions: tuple[Int[np.ndarray, "true predicted"], Int[np.ndarray, "true predicted"]]

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

    def figure(self) -> "Figure":
        """For each group a bar before and after, with their intervals."""
        rows = [*self.groups.items(), ("all", self.every)]
        figure = plain_figure(6.6, 0.9 + 0.42 * len(rows))
        axes = figure.subplots()
        for place, (_, each) in enumerate(rows):
            for offset, rate, colour in ((-0.18, each.before, BEFORE), (0.18, each.after, AFTER)):
                low, high = rate.interval()
                reach = [[rate.value - low], [high - rate.value]]
                axes.barh(place + offset, rate.value, 0.34, color=colour)
                axes.errorbar(rate.value, place + offset, xerr=reach, color="#333333", linewidth=0.8, capsize=2)
        axes.set_yticks(range(len(rows)), [f"{short(name, 34)} ({each.before.of})" for name, each in rows])
        axes.set(xlim=(0, 1.02), ylim=(len(rows) - 0.4, -0.6))
        axes.set_xlabel("called right, with 95 % intervals; grey: before, blue: after (pictures)", fontsize=8)
        bare(axes, "left", "bottom")
        return figure

    def __repr__(self) -> str:
        lines = [f"<Before and after, {self.every.before.of:,} pictures: {_words(self.every)}"]
        return "\n".join([*lines, *(f"  {name}: {_words(each)}" for name, each in self.groups.items())]) + ">"


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
    before, after = (_confusion(each, labels, len(classes)) for each in called)
    return BeforeAfter(
        {name: _changed(*(each[of_group] for each in right)) for name, of_group in groups.items() if of_group.any()},
        _changed(*right),
        classes,
        (before, after),
    )


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
