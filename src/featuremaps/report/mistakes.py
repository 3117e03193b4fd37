"""The section on the model's own answers: what it confuses with what, and whose channels were louder in a mistake."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from PIL import Image

from featuremaps.report.data import section
from featuremaps.report.encode import picture_json
from featuremaps.report.sprites import rounded
from featuremaps.report.survey_pictures import LONGEST, QUALITY
from featuremaps.survey.analysis.confusion import Confusion
from featuremaps.survey.analysis.mistakes import Mistake

MOST_CLASSES = 12


@section
@dataclass(frozen=True, eq=False)
class MistakesSection:
    """The confusion of the model's answers and pictures of its mistakes, the most certain first, of `total`."""

    kind: ClassVar[str] = "mistakes"

    confusion: Confusion
    shown: Sequence[tuple[Mistake, Image.Image]]
    total: int
    words: tuple[str, ...] = ()
    title: str = "What the model itself confuses"
    caption: str = ""
    colormaps: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Counts of the classes most often confused, and the mistakes with their pictures."""
        kept = most_confused(self.confusion.counts, MOST_CLASSES)
        return {
            "caption": self.caption,
            "words": list(self.words),
            "classes": [self.confusion.classes[number] for number in kept],
            "of_classes": len(self.confusion.classes),
            "counts": self.confusion.counts[np.ix_(kept, kept)].tolist(),
            "totals": self.confusion.counts[kept].sum(1).tolist(),
            "total": self.total,
            "mistakes": [_mistake_json(one, image) for one, image in self.shown],
        }


def most_confused(counts: np.ndarray, most: int) -> list[int]:
    """The classes that take part in the most mistakes, at most `most`, in order of class."""
    if len(counts) <= most:
        return list(range(len(counts)))
    wrong = counts * ~np.eye(len(counts), dtype=bool)
    return sorted(np.argsort(-(wrong.sum(0) + wrong.sum(1)), kind="stable")[:most].tolist())


def _mistake_json(one: Mistake, image: Image.Image) -> dict[str, object]:
    return {
        "name": one.name,
        "truth": one.truth,
        "predicted": one.predicted,
        "probability": rounded(one.probability),
        "louder": one.louder,
        "loudness": [{"label": label, "value": rounded(value)} for label, value in one.loudness.items()],
        "picture": picture_json(image, LONGEST, QUALITY),
    }
