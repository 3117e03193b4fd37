"""A trial: which explanation to believe, on this model and these pictures; shown, saved and opened again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from torch import nn

from featuremaps.evidence.chunks import Chunk
from featuremaps.evidence.explainer import Key
from featuremaps.evidence.figure import FigureRow, MeasureColumn, trial_figure
from featuremaps.evidence.manifest import check_tried
from featuremaps.evidence.registry import MEASURES
from featuremaps.evidence.standings import Standings
from featuremaps.evidence.storage import TrialFolder
from featuremaps.evidence.words import conclusion, label, table
from featuremaps.explain.comparison import Comparison
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.files import png_of
from featuremaps.plotting.panels import counted
from featuremaps.results.shown import Shown


@dataclass(frozen=True, eq=False, repr=False)
class Trial(Standings, Shown):
    """How every explanation did by every measure, how sure that is, and what follows; `scope.trial` makes it.

    A row is an explanation, keyed (method, layer), or a reference, keyed (name, "reference"). It prints as a table.

    Attributes:
        rows: The explanations and references.
        measures: The names of the measures.
        values: (row, measure, picture), each in its measure's own unit; NaN where undefined.
        undefined: Why there is no number, by row and measure.
        pictures: What the pictures are called.
        weights: How much each measure counts in the rank.
        curves: Mean probabilities (point,) while places are taken out, by row, order and fill; NaN where no measure
            asked.
        passes: How many pictures went through the model, all told.
        left_out: How many pictures were not tried, for want of budget.
        budget: The limit that was given for `passes`; `None` where there was none.
        seed: Of all that is drawn by lot.
        doubts: The warnings that all maps carry.
        chunks: The measurements, a group of pictures each, as they are stored.
        manifest: What it was made of: model, preprocessing, options.
        comparison: The maps of the first pictures; `None` where the model was not there to make them.
    """

    chunks: tuple[Chunk, ...] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict)
    comparison: Comparison | None = None

    @property
    def conclusion(self) -> list[str]:
        """What follows, in sentences."""
        return conclusion(self)

    def options_of(self, method: str) -> Mapping[str, Any]:
        """The options that a method was tried with.

        Args:
            method: Its name.

        Returns:
            By name; empty where none were given.
        """
        tried = self.manifest.get("options", {}) if self.comparison is None else self.comparison.options.of_methods
        return dict(tried.get(method, {}))

    def check_model(self, model: nn.Module) -> None:
        """See that it was made with this model: of another one it says nothing.

        Args:
            model: The model that its answers are to be used for.

        Raises:
            OptionError: It was made with another model, or before its weights changed.
        """
        check_tried(self.manifest, model)

    def table(self) -> str:
        """Every explanation and reference by every measure, as text."""
        return table(self)

    def figure(self, picture: int = 0) -> Figure:
        """Each explanation, best first: its map of one picture, its rank, and every measure, with intervals.

        A band behind a measure's estimates reaches from chance to the best map that the measure lets be built.

        Args:
            picture: Whose maps are shown, one of the first `shown`, counted from 0.

        Returns:
            The figure, without maps where the model was not there to make them.
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
        """Write it into a folder, where `open_trial` finds it again: a manifest, Parquet tables, and the figure.

        Args:
            folder: Where they are written; groups of pictures that are there already stay as they are.

        Returns:
            The folder.

        Raises:
            OptionError: The folder holds another trial, or there is a file in its place.
        """
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
        """Each explanation's map over one of the first pictures.

        Args:
            picture: One of the first `shown`, counted from 0.

        Returns:
            By (method, layer), pictures at the model's resolution or enlarged; empty where the maps are not there.
        """
        if self.comparison is None:
            return {}
        return {key[:2]: heat[picture].overlay()[0] for key, heat in self.comparison.items()}

    def __str__(self) -> str:
        return "\n".join([self.table(), "", *self.conclusion])

    def __repr__(self) -> str:
        sizes = {"explanation": self.explanations, "measure": self.measures, "picture": self.pictures}
        return "<Trial of {} by {} on {}>".format(*(counted(len(each), name) for name, each in sizes.items()))
