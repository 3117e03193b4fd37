"""The section on which channels each class uses: its best channels, each with the real pictures that drive it most."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from featuremaps.report.data import section
from featuremaps.report.encode import alone
from featuremaps.report.survey_pictures import SurveyPicture


@dataclass(frozen=True, eq=False)
class ChannelOfClass:
    """One channel: its pictures, strongest first, how many of them show the class, and what was measured in words."""

    unit: str
    words: str
    pictures: Sequence[SurveyPicture]
    proven: bool = True

    def to_json(self) -> dict[str, object]:
        """All pictures as data URIs."""
        pictures = [picture.to_json() for picture in self.pictures]
        return {"unit": self.unit, "words": self.words, "proven": self.proven, "pictures": pictures}


@dataclass(frozen=True, eq=False)
class ClassChannels:
    """One class with its channels, best first; `words` say how many separate it, `article` which are most frequent."""

    label: str
    words: str
    channels: Sequence[ChannelOfClass]
    article: str = ""

    def to_json(self) -> dict[str, object]:
        """Its channels with their pictures."""
        channels = [channel.to_json() for channel in self.channels]
        return {"label": self.label, "words": self.words, "article": self.article, "channels": channels}


@section
@dataclass(frozen=True, eq=False)
class SpecialistsSection:
    """Classes with their channels."""

    kind: ClassVar[str] = "specialists"

    classes: tuple[ClassChannels, ...]
    title: str = "Which channels each class uses"
    caption: str = ""
    colormaps: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The classes. One whose pictures cannot be encoded fails alone."""
        return {"caption": self.caption, "classes": [alone({"label": one.label}, one.to_json) for one in self.classes]}
