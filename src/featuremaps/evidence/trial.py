"""A trial: which explanation to believe, on this model and these pictures; shown, saved and opened again."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featuremaps.evidence.standings import Standings
from featuremaps.evidence.words import conclusion, table
from featuremaps.explain.comparison import Comparison
from featuremaps.results.by_picture import Shown

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, eq=False, repr=False)
class Trial(Standings, Shown):
    """Standings with the maps of the first pictures, `comparison`, where the model was there to make them."""

    comparison: Comparison | None = None

    @property
    def conclusion(self) -> list[str]:
        """What follows, in sentences."""
        return conclusion(self)

    def table(self) -> str:
        """Every explanation and reference by every measure, as text."""
        return table(self)

    def __str__(self) -> str:
        return "\n".join([self.table(), "", *self.conclusion])

    def __repr__(self) -> str:
        sizes = len(self.explanations), len(self.measures), len(self.pictures)
        return "<Trial of {} explanations by {} measures on {} pictures>".format(*sizes)
