"""The section on whether one channel finds its object in every picture: its strongest, its weakest, and in between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from featuremaps.report.data import section
from featuremaps.report.encode import alone
from featuremaps.report.survey_pictures import SurveyPicture


@dataclass(frozen=True, eq=False)
class PicturedUnit:
    """One unit: rows of pictures by what they are ("strongest of all", say), and what was measured, in words."""

    unit: str
    label: str
    words: str
    rows: Mapping[str, Sequence[SurveyPicture]]

    def to_json(self) -> dict[str, object]:
        """All pictures as data URIs."""
        rows = [{"title": name, "pictures": [one.to_json() for one in row]} for name, row in self.rows.items()]
        return {"unit": self.unit, "label": self.label, "words": self.words, "rows": rows}


@section
@dataclass(frozen=True, eq=False)
class UnitPicturesSection:
    """Units with rows of pictures."""

    kind: ClassVar[str] = "unit_pictures"

    units: tuple[PicturedUnit, ...]
    title: str = "Does one channel find its object in every picture?"
    caption: str = ""
    colormaps: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The units. One that cannot be encoded fails alone."""
        return {"caption": self.caption, "units": [alone({"unit": unit.unit}, unit.to_json) for unit in self.units]}
