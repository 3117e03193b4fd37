"""The section on which channels each class uses: its best channels, each with the real pictures that drive it most."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from featuremaps.report.data import section
from featuremaps.report.encode import Json, alone
from featuremaps.report.survey_pictures import SurveyPicture


@dataclass(frozen=True, eq=False)
class ChannelOfClass:
    """One channel: its pictures, strongest first, how many of them show the class, and what was measured in words."""

    unit: str
    words: str
    pictures: Sequence[SurveyPicture]
    proven: bool = True


@dataclass(frozen=True, eq=False)
class ClassChannels:
    """One class with its channels, best first; `words` say how many separate it, `article` which are most frequent."""

    label: str
    words: str
    channels: Sequence[ChannelOfClass]
    article: str = ""


@section
@dataclass(frozen=True, eq=False)
class SpecialistsSection:
    """Classes with their channels."""

    kind: ClassVar[str] = "specialists"
    question: ClassVar[str] = "Over the dataset"

    classes: tuple[ClassChannels, ...]
    title: str = "Which channels each class uses"
    caption: str = ""

    @property
    def count(self) -> int:
        """How many classes there are."""
        return len(self.classes)

    @property
    def summary(self) -> str:
        """The best channel of a class, in words: the first that is beyond chance, if any is."""
        every = [(each.label, each.channels[0]) for each in self.classes if each.channels]
        label, best = next((pair for pair in every if pair[1].proven), every[0] if every else ("", None))
        return "" if best is None else f"{label}: {best.unit} first; {best.words}."

    def to_json(self) -> Json:
        """The classes. One whose pictures cannot be encoded fails alone."""
        return {"caption": self.caption, "classes": list(map(alone, self.classes))}
