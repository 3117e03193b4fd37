"""A repair: which ways were tried, what each did for the groups, and whether any helps."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from featuremaps.editing.edits import Edit
from featuremaps.errors import OptionError
from featuremaps.plotting.cards import grid
from featuremaps.repair.decodable import REPAIRABLE, Decodable
from featuremaps.repair.groups import Groups
from featuremaps.repair.options import TRAINED
from featuremaps.shortcuts.estimates import Difference
from featuremaps.survey.measures.proportions import Rate

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Tried:
    """One way at its best setting: the groups' accuracies in pictures that it was not trained on.

    Each half of them is answered by the setting that is best on the other half, the way taken by the best way too.
    """

    way: str
    title: str
    settings: str
    groups: Groups
    accuracy: Rate

    @property
    def worst(self) -> Rate:
        """The group that fares worst."""
        return min(self.groups.values(), key=lambda rate: rate.value)


@dataclass(frozen=True, eq=False)
class Repair:
    """What was tried against a shortcut, and how it went; `scope.repaired` makes it.

    A group is a class with or without the shortcut, and its accuracy the share of its pictures that are called right, 0
    to 1, in pictures that no way was trained on.

    Attributes:
        label: The class that the shortcut leads to.
        shortcut: What tells the shortcut, in words.
        before: The groups' accuracies in the model as it is.
        accuracy: That of all pictures in the model as it is.
        tried: The ways, each at its best setting; the first one was taken.
        gain: What the way taken gives the group that fared worst, with its interval; `None` where that is not known.
        decodable: For each layer, how well a linear probe tells the class in pictures without the shortcut.
        edit: What was changed in the model.
        attempt: The scope of the model with the edit, whether or not that helped.
        notes: What was left out, in sentences.
    """

    label: str
    shortcut: str
    before: Groups
    accuracy: Rate
    tried: tuple[Tried, ...]
    gain: Difference | None
    decodable: tuple[Decodable, ...]
    edit: Edit = field(repr=False)
    attempt: Any = field(default=None, repr=False)
    notes: tuple[str, ...] = ()

    @property
    def worst_before(self) -> Rate:
        """The group that fares worst in the model as it is."""
        return min(self.before.values(), key=lambda rate: rate.value)

    @property
    def told(self) -> Decodable | None:
        """The layer that tells the class best in pictures without the shortcut; None where there are too few."""
        return max(self.decodable, key=lambda each: each.area.value, default=None)

    @property
    def doubt(self) -> str:
        """Why it does not count as repaired, in words; "" where it does."""
        after = self.tried[0]
        means = [sum(rate.value for rate in groups.values()) / len(groups) for groups in (self.before, after.groups)]
        chance = 1 / len({label for label, _ in self.before})
        if self.told is not None and self.told.area.value < REPAIRABLE:
            return f"the model has hardly learned {self.label} itself"
        if self.gain is None or self.gain.interval.low <= 0:
            return f"of so few pictures ({self.worst_before.of}) that is within chance; survey more of them"
        if after.worst.value <= max(chance, self.worst_before.value):
            return f"that is right no more often than by guessing ({chance:.0%}), or than it was before"
        return "" if means[1] > means[0] else "the other groups lose more than that one gains"

    @property
    def repaired(self) -> bool:
        """Whether the class was learned, its worst group gains beyond chance, and no group is left to guessing."""
        return not self.doubt

    @property
    def trained(self) -> bool:
        """Whether more than a last layer was trained."""
        return any(each.way in TRAINED for each in self.tried)

    @property
    def more_is_likely(self) -> bool:
        """Whether training further was not tried, and has something to work with: the class is told by a probe."""
        return not self.trained and self.told is not None and self.told.area.value >= REPAIRABLE

    @property
    def advice(self) -> str:
        """What training further is likely to do, and how it is asked for; "" where that was done."""
        if self.trained:
            return ""
        if self.more_is_likely:
            return (
                f"{self.label} is told without the shortcut, so training a copy of all layers is likely to "
                f"{'bring more' if self.repaired else 'repair it'}, which takes minutes at least: "
                "scope.repaired(…, how='fine_tune'), on the command line --how fine_tune."
            )
        if self.told is None:
            return f"Too few pictures of {self.label} lack the shortcut to say whether training further would."
        return "Training further is not likely to do it either: the model needs other pictures, not an edit."

    @property
    def scope(self) -> Any:
        """The repaired model's scope; `OptionError` where it cannot be repaired with these pictures."""
        if not self.repaired:
            raise OptionError(f"{self.sentence} The best try is repair.attempt.")
        return self.attempt

    @property
    def sentence(self) -> str:
        """What came of it, and why, and what is likely to do more."""
        return " ".join(part for part in (self.outcome, self.advice) if part)

    @property
    def outcome(self) -> str:
        """What came of it, and why."""
        best = self.tried[0]
        worst = min(self.before, key=lambda group: self.before[group].value)
        group = f"{worst[0]} {'with' if worst[1] else 'without'} it"
        was, now = self.before[worst], best.groups[worst]
        can = ""
        if self.told is not None:
            area = self.told.area
            can = f" Without the shortcut {self.label} is told in {self.told.layer} at best with an area under the ROC "
            can += f"curve (AUROC) of {area.value:.2f} ({area.interval.words(2)}), where 0.5 is chance."
        if self.repaired:
            return (
                f"Repaired by {best.title}: {group} are called right in {now.value:.0%} of pictures, {was.value:.0%} "
                f"before; the worst group in {best.worst.value:.0%}, all in {best.accuracy.value:.0%} "
                f"({self.accuracy.value:.0%} before).{can}"
            )
        return (
            f"Cannot be repaired here: of {group} {was.value:.0%} are called right, and after the best try "
            f"({best.title}) {now.value:.0%}, the worst group {best.worst.value:.0%}; {self.doubt}.{can}"
        )

    def table(self) -> "pa.Table":
        """A row for the model as it is and one for every way."""
        import pyarrow as pa

        rows = [{"way": "as it is", "settings": "", **_cells(self.before, self.accuracy)}]
        rows += [
            {"way": each.title, "settings": each.settings, **_cells(each.groups, each.accuracy)} for each in self.tried
        ]
        return pa.Table.from_pylist(rows)

    def _repr_html_(self) -> str:
        head = ("way", "worst group", "all")
        rows = [("as it is", self.worst_before.brief(), f"{self.accuracy.value:.0%}")]
        for each in self.tried:
            way = f"{each.title}{f', {each.settings}' if each.settings else ''}"
            rows.append((way, each.worst.brief(), f"{each.accuracy.value:.0%}"))
        return grid(self.sentence, head, rows)

    def __repr__(self) -> str:
        lines = [f"<Repair of {self.label}: {self.sentence}"]
        lines += [f"  as it is: worst group {self.worst_before.brief()}, all {self.accuracy.value:.0%}"]
        lines += [
            f"  {each.title}{f', {each.settings}' if each.settings else ''}: worst group {each.worst.brief()}, all "
            f"{each.accuracy.value:.0%}"
            for each in self.tried
        ]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)]) + ">"


def _cells(groups: Groups, accuracy: Rate) -> dict[str, float]:
    cells = {f"{label} {'with' if has else 'without'}": rate.value for (label, has), rate in groups.items()}
    return cells | {"worst group": min(rate.value for rate in groups.values()), "all": accuracy.value}
