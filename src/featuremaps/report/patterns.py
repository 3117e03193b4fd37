"""The section on what units look for: the real pictures in which each is strongest, and beside them its drawing."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from PIL.Image import Image

from featuremaps.report.data import section
from featuremaps.report.encode import Json, alone, picture_json, plain

LONGEST = 256
"""The longest side of a picture in the report, in pixels."""


@dataclass(frozen=True, eq=False)
class UnitPicture:
    """A picture with its name and how strong the unit is in it; `part` is what the unit sees of it, where known."""

    name: str
    picture: Image
    value: float
    part: Image | None = None


@dataclass(frozen=True, eq=False)
class Pattern:
    """One unit: real pictures, strongest first, and what was drawn of it; `words` say how far the drawing came."""

    unit: str
    real: Sequence[UnitPicture]
    drawing: Image | None = None
    words: str = ""
    notes: tuple[str, ...] = ()
    remark: str = ""


@section
@dataclass(frozen=True, eq=False)
class PatternsSection:
    """Units, each with its real pictures first: people predict a channel better from those than from drawings."""

    kind: ClassVar[str] = "patterns"
    question: ClassVar[str] = "What is inside"

    patterns: tuple[Pattern, ...]
    title: str = "What channels look for"
    caption: str = ""

    @property
    def count(self) -> int:
        """How many units there are."""
        return len(self.patterns)

    @property
    def summary(self) -> str:
        """Which units they are."""
        return ", ".join(pattern.unit for pattern in self.patterns)

    def to_json(self) -> Json:
        """The units. One that cannot be encoded fails alone."""
        encode = partial(plain, picture=partial(picture_json, longest=LONGEST))
        return {"caption": self.caption, "patterns": [alone(pattern, encode) for pattern in self.patterns]}
