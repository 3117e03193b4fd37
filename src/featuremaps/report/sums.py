"""The section on whether a class's channels are its own: their summed activation in every picture, charted."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from featuremaps.report.sprites import rounded
from featuremaps.survey.sums import Sums

MOST_PICTURES = 2000


@dataclass(frozen=True, eq=False)
class SumsSection:
    """Sums of groups of channels; `names` are the pictures', `words` one sentence for each group.

    Of many pictures some are left out of the charts, evenly within each class; all areas are of all pictures.
    """

    kind: ClassVar[str] = "sums"

    sums: Sums
    names: tuple[str, ...]
    words: tuple[str, ...]
    title: str = "Are a class's channels its own?"
    caption: str = ""
    colormaps: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The pictures shown in order of class, and a column of sums for each group."""
        rows = shown_rows(self.sums.labels, MOST_PICTURES)
        labelled = int((self.sums.labels >= 0).sum())
        return {
            "caption": self.caption,
            "classes": list(self.sums.classes),
            "labels": self.sums.labels[rows].tolist(),
            "names": [self.names[row] for row in rows.tolist()],
            "left_out": labelled - len(rows),
            "groups": [self._group(g, rows) for g in range(len(self.sums))],
        }

    def _group(self, g: int, rows: np.ndarray) -> dict[str, object]:
        threshold = self.sums.thresholds[g]
        return {
            "name": self.sums.groups[g],
            "own": self.sums.own(g),
            "channels": list(self.sums.channels[g]),
            "layer": self.sums.layer,
            "threshold": None if threshold is None else rounded(threshold.value),
            "words": self.words[g],
            "values": [rounded(value) for value in self.sums.values[rows, g].tolist()],
        }


def shown_rows(labels: np.ndarray, most: int) -> np.ndarray:
    """The labelled pictures in order of class, at most about `most`: of each class the same share, evenly spread."""
    order = np.argsort(labels, kind="stable")
    order = order[labels[order] >= 0]
    if len(order) <= most:
        return order
    share = most / len(order)
    parts = [np.flatnonzero(labels == label) for label in np.unique(labels[order])]
    kept = [part[np.linspace(0, len(part) - 1, max(1, round(len(part) * share))).astype(int)] for part in parts]
    return np.concatenate(kept)
