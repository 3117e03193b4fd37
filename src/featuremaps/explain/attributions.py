"""Attributions: which pixels, and which of their colours, speak for a target, and how to look at them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from featuremaps.outputs.detections import DetectedBox
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.files import labelled_stems, write_files
from featuremaps.plotting.method_names import method_name
from featuremaps.plotting.panels import Panel, matrix_figure
from featuremaps.plotting.rendering import SAVED, Collapse, clipped, collapsed, places, stacked
from featuremaps.results.answer import Answer
from featuremaps.results.by_picture import Explained
from featuremaps.results.heatmaps import Heatmaps, enlarged_overlays, scalings_of
from featuremaps.results.spatial_figures import SpatialPanel, by_channel, spatial_figure

OWN = ("values", "collapse", "remarks")
"""The fields of attributions that heatmaps do not have."""


@dataclass(frozen=True, eq=False)
class Attributions(Explained):
    """One method's values of every pixel and colour for one target, a tensor per picture.

    Attributes:
        values: For each picture (colour, height, width), or `(channel, *space)` of a signal or a volume; raw and signed
            as the formula returned it, in units of the score. One colour where the method cannot tell colours apart.
        method: The name of the method.
        layer: "input", or the layer that the method looked at as well.
        targets: What was explained in each picture, in words.
        pictures: The pictures as the model saw them.
        warnings: For each picture, why its values should not be trusted; empty where nothing is known against them.
        collapse: How the method's authors make one map of the colours.
        remarks: By name, a number for each picture that the formula left, such as how far the values are from adding up
            to the score.
        answers: For each picture, the explained class as the model answers it: probability, score and rank.
        reading: What was read from the model and what was assumed, in sentences.
        regions: For each picture the places whose score was explained, where a target names a region; see `Heatmaps`.
        boxes: For each row what a detector found that is explained there; `None` for other models.
        picture_numbers: For each row the number of the picture that it is of; a detector's pictures may have several
            rows, or none.
        unexplained: The pictures in which a detector found nothing to explain.
    """

    values: tuple[Float[Tensor, "_colour *_space"], ...]
    method: str
    layer: str
    targets: tuple[str, ...]
    pictures: tuple[Seen, ...]
    warnings: tuple[tuple[str, ...], ...]
    collapse: Collapse = "sum"
    remarks: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    answers: tuple[Answer | None, ...] = ()
    reading: tuple[str, ...] = ()
    regions: tuple[Float[Tensor, "*_grid"] | None, ...] = ()
    boxes: tuple[DetectedBox | None, ...] = ()
    picture_numbers: tuple[int, ...] = ()
    unexplained: tuple[Seen, ...] = ()
    by_picture = ("values", "targets", "pictures", "warnings", "answers", "regions", "boxes", "picture_numbers")

    @property
    def tensor(self) -> Float[Tensor, "batch colour *space"]:
        """All values in one tensor; `OptionError` where the pictures have different sizes."""
        return stacked(self.values, "values")

    def map(self, collapse: Collapse | None = None) -> Heatmaps:
        """The colours collapsed into one map per picture, raw.

        Args:
            collapse: `"sum"` keeps the sign; `"max_abs"` is the largest magnitude of a pixel's colours (Simonyan et al.
                2014, section 3.1), `"norm"` their Euclidean length. Without it, as the method's authors do it.
        """
        how = collapse or self.collapse
        maps = tuple(collapsed(values, how) for values in self.values)
        kept: dict[str, Any] = {name: value for name, value in vars(self).items() if name not in OWN}
        return Heatmaps(maps=maps, scaling="signed" if how == "sum" else "max", **kept)

    def shown(self, collapse: Collapse | None = None) -> Heatmaps:
        """As `map`, with magnitudes beyond the 99th percentile cut to it: a few pixels would outshine all others.

        Args:
            collapse: As for `map`.

        Returns:
            Heatmaps at the size of the model's input.
        """
        heat = self.map(collapse)
        return replace(heat, maps=tuple(clipped(map) for map in heat.maps))

    def overlay(self, collapse: Collapse | None = None, **look: Any) -> list[Image.Image]:
        """Each map as it is shown, laid over its picture.

        Args:
            collapse: As for `map`.
            **look: See `Heatmaps.overlay`.

        Returns:
            A picture for each.
        """
        return self.shown(collapse).overlay(**look)

    def colour(self) -> list[Image.Image]:
        """Each picture's values as colours around mid-grey, the way guided backprop is usually printed."""
        return [seen.grey(values) for seen, values in zip(self.pictures, self.values, strict=True)]

    def figure(self, *, most: int = 16, collapse: Collapse | None = None, **look: Any) -> Figure:
        """Each picture beside its values as colours and its map, titled with the target.

        Args:
            most: How many pictures are shown, from the first on.
            collapse: As for `map`.
            **look: How overlays look; see `Heatmaps.overlay`.

        Returns:
            A figure of matplotlib.
        """
        if not len(self):
            return self.nothing_found()
        heat = self.shown(collapse)
        rest = f" (first {most} of {len(self)})" if len(self) > most else ""
        if len(self.pictures[0].space) != 2:
            panels = self[:most].spatial_panels(collapse, **look)
            return spatial_figure(panels, f"{method_name(self.method)}, cut at the 99th percentile{rest}")
        first, heat = self[:most], heat[:most]
        columns = zip(
            first.marked(),
            first.pictures,
            first.colour(),
            heat.overlay(**look),
            first.headings,
            first.warnings,
            strict=True,
        )
        rows = [
            [Panel(image, seen.picture.name), Panel(colour, "per colour"), Panel(overlay, title, notes)]
            for image, seen, colour, overlay, title, notes in columns
        ]
        shown = f"{collapse or self.collapse} over the colours"
        title = f"{method_name(self.method)}, {shown}, cut at the 99th percentile{rest}"
        return matrix_figure(rows, look, title=title, scalings=scalings_of(heat, look))

    def spatial_panels(self, collapse: Collapse | None = None, **look: Any) -> list[SpatialPanel]:
        """How a figure shows each signal, with a band for every channel, or volume.

        Args:
            collapse: As for `map`.
            **look: See `Heatmaps.overlay`.

        Returns:
            A panel for each.
        """
        heat = self.shown(collapse)
        kept = [clipped(values if heat.scaling == "signed" else values.abs()) for values in self.values]
        scaling = look.get("scaling") or heat.scaling or "max"
        return [by_channel(*pair, scaling) for pair in zip(heat.spatial_panels(**look), kept, strict=True)]

    def save(self, folder: str | Path = ".", *, size: int = SAVED, **look: Any) -> list[Path]:
        """Write an overlay and the colours (PNG) and the raw values (`.npy`, float32) for each picture.

        Args:
            folder: A folder, or for one picture a file; as for `Heatmaps.save`.
            size: How large overlays are; as for `Heatmaps.save`.
            **look: See `Heatmaps.overlay`.

        Returns:
            The files written.
        """
        stems = labelled_stems(folder, self._stems(self.method, self.layer), self.targets)
        overlays = enlarged_overlays(self, self.overlay(**look), size, look)
        parts = zip(stems, overlays, self.colour(), self.values, strict=True)
        return write_files(
            folder,
            (
                entry
                for stem, overlay, colour, values in parts
                for entry in ((stem, overlay), (f"{stem}__colours", colour), (stem, values))
            ),
        )

    def __getitem__(self, index: int | slice) -> "Attributions":
        """The attributions of one picture, or of several."""
        part = index if isinstance(index, slice) else slice(index, index + 1 or None)
        remarks = {name: numbers[part] for name, numbers in self.remarks.items()}
        return replace(super().__getitem__(index), remarks=remarks)

    def __repr__(self) -> str:
        sizes = sorted({places(values.shape) for values in self.values})
        doubtful = sum(bool(notes) for notes in self.warnings)
        doubt = f", {doubtful} with warnings" if doubtful else ""
        remarks = "".join(
            f", {name} up to {max(map(abs, numbers), default=0):.2g}" for name, numbers in self.remarks.items()
        )
        return f"<Attributions: {', '.join([self.method, self.counted, *sizes])}{remarks}{doubt}>"
