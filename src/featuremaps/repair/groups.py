"""The groups that a repair is judged by: every class with the shortcut and without, where there are enough of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Int

from featuremaps.errors import SurveyError
from featuremaps.survey.measures.proportions import Rate

FEWEST = 4
"""A group of fewer pictures is left out: two of them would be chosen on, and two reported."""
PRIOR = 4
"""By how many pictures a group's share is drawn to the mean of all where ways are chosen."""
Groups = Mapping[tuple[str, bool], Rate]
"""How many of each group are called right; a group is a class, with or without the shortcut."""


@dataclass(frozen=True, eq=False)
class Grouped:
    """Pictures with their `labels`, numbers of `classes`, and whether the shortcut is `present`.

    `numbers` are those of their groups, 2 · label + present, and −1 where a group has too few pictures, as `notes` say.
    """

    classes: tuple[str, ...]
    labels: Int[np.ndarray, " picture"]
    present: Bool[np.ndarray, " picture"]
    numbers: Int[np.ndarray, " picture"]
    notes: tuple[str, ...] = field(default=())

    def rows(self, group: tuple[str, bool]) -> Bool[np.ndarray, " picture"]:
        """Which pictures are of a group."""
        label, has = group
        return self.numbers == 2 * self.classes.index(label) + has

    def rates(self, called: Int[np.ndarray, " picture"], counted: Bool[np.ndarray, " picture"]) -> Groups:
        """How many of each group are called right, among those `counted`."""
        groups = [(name, has) for name in self.classes for has in (True, False)]
        rows = {group: counted & self.rows(group) for group in groups}
        return {group: self.rate(called, which) for group, which in rows.items() if which.any()}

    def rate(self, called: Int[np.ndarray, " picture"], counted: Bool[np.ndarray, " picture"]) -> Rate:
        """How many are called right, among those `counted`, of whatever group."""
        return Rate(int((called[counted] == self.labels[counted]).sum()), int(counted.sum()))

    def worth(self, called: Int[np.ndarray, " picture"], counted: Bool[np.ndarray, " picture"]) -> tuple[float, float]:
        """The share of the worst group that is called right, and the mean of all groups, among those `counted`.

        Each share is drawn to the mean of all as if by `PRIOR` pictures more, so that a few pictures decide little.
        """
        rates = self.rates(called, counted).values()
        mean = float(np.mean([rate.value for rate in rates]))
        return min((rate.count + PRIOR * mean) / (rate.of + PRIOR) for rate in rates), mean


def grouped(
    classes: tuple[str, ...], labels: Int[np.ndarray, " picture"], present: Bool[np.ndarray, " picture"]
) -> Grouped:
    """The groups of pictures; `SurveyError` where those with enough of them do not tell with from without."""
    numbers = 2 * labels + present
    counts = np.bincount(numbers, minlength=2 * len(classes))
    words = [f"{name} {'with' if has else 'without'} it" for name in classes for has in (False, True)]
    few = [f"{word} ({count})" for word, count in zip(words, counts.tolist(), strict=True) if 0 < count < FEWEST]
    kept = np.flatnonzero(counts >= FEWEST)
    if len(np.unique(kept % 2)) < 2:
        side = "without" if len(kept) and kept[0] % 2 else "with"
        those = f"; too few are {', '.join(few)}" if few else ""
        raise SurveyError(
            f"a repair is tried on pictures with the shortcut and without, {FEWEST} of a class or more, and no class "
            f"has so many {side} it{those}. Survey more pictures of them, or raise per_class."
        )
    notes = (f"left out of the worst group, with fewer than {FEWEST} pictures: {', '.join(few)}",) if few else ()
    return Grouped(classes, labels, present, np.where(counts[numbers] < FEWEST, -1, numbers), notes)
