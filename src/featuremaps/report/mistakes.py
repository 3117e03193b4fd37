"""The section on the model's own answers: what it confuses with what, and whose channels were louder in a mistake."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from PIL import Image

from featuremaps.report.data import section
from featuremaps.report.encode import Json, plain_fields
from featuremaps.report.survey_pictures import small_picture
from featuremaps.survey.analysis.confusion import Confusion
from featuremaps.survey.analysis.mistakes import Mistake
from featuremaps.survey.figures.confusion import most_confused

MOST_CLASSES = 12


@section
@dataclass(frozen=True, eq=False)
class MistakesSection:
    """The confusion of the model's answers and pictures of its mistakes, the most certain first, of `total`."""

    kind: ClassVar[str] = "mistakes"
    question: ClassVar[str] = "Over the dataset"

    confusion: Confusion
    shown: Sequence[tuple[Mistake, Image.Image]]
    total: int
    words: tuple[str, ...] = ()
    title: str = "What the model itself confuses"
    caption: str = ""

    @property
    def count(self) -> int:
        """How many mistakes there are."""
        return self.total

    @property
    def summary(self) -> str:
        """How often the model is right."""
        return next(iter(self.words), "")

    def to_json(self) -> Json:
        """Counts of the classes most often confused, and the mistakes with their pictures."""
        kept = most_confused(self.confusion.counts, MOST_CLASSES).tolist()
        return {
            "caption": self.caption,
            "words": list(self.words),
            "classes": [self.confusion.classes[number] for number in kept],
            "of_classes": len(self.confusion.classes),
            "counts": self.confusion.counts[np.ix_(kept, kept)].tolist(),
            "totals": self.confusion.counts[kept].sum(1).tolist(),
            "total": self.total,
            "mistakes": [_mistake_json(mistake, image) for mistake, image in self.shown],
        }


def _mistake_json(mistake: Mistake, image: Image.Image) -> Json:
    loudness = [{"label": label, "value": value} for label, value in mistake.loudness.items()]
    return plain_fields(
        vars(mistake) | {"louder": mistake.louder, "loudness": loudness, "picture": image}, small_picture
    )
