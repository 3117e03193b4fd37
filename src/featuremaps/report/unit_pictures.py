"""The section on whether one channel finds its object in every picture: its strongest, its weakest, and in between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from featuremaps.report.data import section
from featuremaps.report.encode import Json, alone
from featuremaps.report.survey_pictures import SurveyPicture


@dataclass(frozen=True, eq=False)
class PicturedUnit:
    """One unit: rows of pictures by what they are ("strongest of all", say), and what was measured, in words."""

    unit: str
    label: str
    words: str
    rows: Mapping[str, Sequence[SurveyPicture]]


@section
@dataclass(frozen=True, eq=False)
class UnitPicturesSection:
    """Units with rows of pictures."""

    kind: ClassVar[str] = "unit_pictures"
    question: ClassVar[str] = "Over the dataset"

    units: tuple[PicturedUnit, ...]
    title: str = "Does one channel find its object in every picture?"
    caption: str = ""

    @property
    def summary(self) -> str:
        """What is said of the first unit."""
        return f"{self.units[0].unit}: {self.units[0].words}" if self.units else ""

    def to_json(self) -> Json:
        """The units. One that cannot be encoded fails alone."""
        return {"caption": self.caption, "units": list(map(alone, self.units))}
