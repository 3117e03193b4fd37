"""The section on what units look for: the real pictures in which each is strongest, and beside them its drawing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from PIL.Image import Image

from featuremaps.report.data import section
from featuremaps.report.encode import alone, picture_json
from featuremaps.report.sprites import rounded

LONGEST = 256
"""The longest side of a picture in the report, in pixels."""


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture with its name and how strong the unit is in it; `part` is what the unit sees of it, where known."""

    name: str
    image: Image
    value: float
    part: Image | None = None

    def to_json(self) -> dict[str, object]:
        """Both pictures as data URIs."""
        return {
            "name": self.name,
            "value": rounded(self.value),
            "picture": picture_json(self.image, LONGEST),
            "part": None if self.part is None else picture_json(self.part, LONGEST),
        }


@dataclass(frozen=True, eq=False)
class Pattern:
    """One unit: real pictures, strongest first, and what was drawn of it; `words` say how far the drawing came."""

    unit: str
    real: Sequence[Shown]
    drawing: Image | None = None
    words: str = ""
    notes: tuple[str, ...] = ()
    remark: str = ""

    def to_json(self) -> dict[str, object]:
        """All pictures as data URIs."""
        return {
            "unit": self.unit,
            "real": [one.to_json() for one in self.real],
            "drawing": None if self.drawing is None else picture_json(self.drawing, LONGEST),
            "words": self.words,
            "notes": list(self.notes),
            "remark": self.remark,
        }


@section
@dataclass(frozen=True, eq=False)
class PatternsSection:
    """Units, each with its real pictures first: people predict a channel better from those than from drawings."""

    kind: ClassVar[str] = "patterns"

    patterns: tuple[Pattern, ...]
    title: str = "What channels look for"
    caption: str = ""
    colormaps: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The units. One that cannot be encoded fails alone."""
        return {
            "caption": self.caption,
            "patterns": [alone({"unit": pattern.unit}, pattern.to_json) for pattern in self.patterns],
        }
