"""The section on which channels each class uses: its best channels, each with the real pictures that drive it most."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

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
        return {"caption": self.caption, "classes": [_class_json(one) for one in self.classes]}


def _class_json(one: ClassChannels) -> dict[str, object]:
    try:
        channels = [
            {
                "unit": channel.unit,
                "words": channel.words,
                "proven": channel.proven,
                "pictures": [picture.to_json() for picture in channel.pictures],
            }
            for channel in one.channels
        ]
    except Exception as error:
        return {"label": one.label, "failure": f"{type(error).__name__}: {error}"}
    return {"label": one.label, "words": one.words, "article": one.article, "channels": channels}
