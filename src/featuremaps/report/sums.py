"""The section on whether a class's channels are its own: their summed activation in every picture, charted."""

from dataclasses import dataclass
from typing import ClassVar

from featuremaps.report.data import section
from featuremaps.report.encode import Json
from featuremaps.survey.analysis.channel_sums import Sums
from featuremaps.survey.charts.sums import shown_rows
from featuremaps.survey.charts.theme import shared


@section
@dataclass(frozen=True, eq=False)
class SumsSection:
    """Sums of groups of channels; `names` are the pictures', `words` one sentence for each group.

    Of many pictures some are left out of the charts, evenly within each class; all areas are of all pictures.
    """

    kind: ClassVar[str] = "sums"
    question: ClassVar[str] = "Over the dataset"

    sums: Sums
    names: tuple[str, ...]
    words: tuple[str, ...]
    title: str = "Are a class's channels its own?"
    caption: str = ""

    @property
    def summary(self) -> str:
        """What is said of the first group."""
        return next(iter(self.words), "")

    def to_json(self) -> Json:
        """A chart by picture and one of distributions for each group, and the data that the former share."""
        charts, datasets = shared(self.sums.charts(self.names, len(self.sums)))
        labelled = int((self.sums.labels >= 0).sum())
        return {
            "caption": self.caption,
            "rows": self.sums.rows,
            "left_out": labelled - len(shown_rows(self.sums.labels)),
            "charts": charts,
            "datasets": datasets,
            "groups": [
                {"name": name, "channels": channels, "layer": self.sums.layer, "words": words}
                for name, channels, words in zip(self.sums.groups, self.sums.channels, self.words, strict=True)
            ],
        }
