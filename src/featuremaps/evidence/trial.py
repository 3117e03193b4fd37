"""A trial: which explanation to believe, on this model and these pictures; shown, saved and opened again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from featuremaps.evidence.chunks import Chunk
from featuremaps.evidence.explainer import Key
from featuremaps.evidence.figure import FigureRow, MeasureColumn, trial_figure
from featuremaps.evidence.registry import MEASURES
from featuremaps.evidence.standings import Standings
from featuremaps.evidence.storage import TrialFolder
from featuremaps.evidence.words import conclusion, label, table
from featuremaps.explain.comparison import Comparison
from featuremaps.plotting.files import png_of
from featuremaps.results.by_picture import Shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Trial(Standings, Shown):
    """Standings with what they were made of, to be stored.

    `comparison` has the maps of the first pictures, where the model was there to make them.
    """

    chunks: tuple[Chunk, ...] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict)
    comparison: Comparison | None = None

    @property
    def conclusion(self) -> list[str]:
        """What follows, in sentences."""
        return conclusion(self)

    def options_of(self, method: str) -> Mapping[str, Any]:
        """The options that a method was tried with."""
        tried = self.manifest.get("options", {}) if self.comparison is None else self.comparison.options.of_methods
        return dict(tried.get(method, {}))

    def table(self) -> str:
        """Every explanation and reference by every measure, as text."""
        return table(self)

    def figure(self, picture: int = 0) -> "Figure":
        """Each explanation, best first: its map of one picture, its rank, and every measure, with intervals.

        A band behind a measure's estimates reaches from chance to the best map that the measure lets be built.
        """
        overlays = self.overlays(picture)
        rows = [
            FigureRow(
                label(row),
                overlays.get(row),
                self.rank(row) if row in self.explanations and self.measured(row) else None,
                tuple(self.estimate(row, name) for name in self.measures),
                bool(row in self.explanations and (self.failed(row))),
            )
            for row in (*self.order, *self.references)
        ]
        columns = [MeasureColumn(name, MEASURES[name].better, MEASURES[name].unit) for name in self.measures]
        return trial_figure(rows, columns, self.conclusion)

    def save(self, folder: str | Path) -> Path:
        """Write it into a folder, where `open_trial` finds it again: a manifest, Parquet tables, and the figure."""
        stored = TrialFolder(Path(folder))
        stored.begin(self.manifest)
        for chunk in self.chunks:
            if stored.chunk(chunk.rows, chunk.seen) is None:
                stored.write(chunk)
        (stored.path / "trial.png").write_bytes(png_of(self.figure()))
        (stored.path / "trial.txt").write_text(f"{self}\n")
        return stored.path

    @property
    def shown(self) -> int:
        """Of how many pictures there are maps to show."""
        return 0 if self.comparison is None else min(map(len, self.comparison.values()), default=0)

    def overlays(self, picture: int) -> dict[Key, Image.Image]:
        """Each explanation's map over one of the first pictures; none where the maps are not there."""
        if self.comparison is None:
            return {}
        return {key[:2]: heat[picture].overlay()[0] for key, heat in self.comparison.items()}

    def __str__(self) -> str:
        return "\n".join([self.table(), "", *self.conclusion])

    def __repr__(self) -> str:
        sizes = len(self.explanations), len(self.measures), len(self.pictures)
        return "<Trial of {} explanations by {} measures on {} pictures>".format(*sizes)
