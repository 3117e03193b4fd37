"""Attributions: which pixels, and which of their colours, speak for a target, and how to look at them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from featuremaps.errors import OptionError
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.files import file_name, png_of, unique_names
from featuremaps.plotting.rendering import Collapse, around_grey, clipped, collapsed
from featuremaps.results.heatmaps import Heatmaps

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Attributions:
    """One method's values of every pixel and colour for one target, a tensor per picture.

    `values[i]` is (colour, height, width), raw and signed as the formula returned it; one colour where the method
    cannot tell colours apart. `layer` is "input", or the layer that the method looked at as well. `collapse` is how
    the method's authors make a map of the colours. `remarks[name][i]` are numbers the formula left for picture i, such
    as how far the values are from adding up to the score.
    """

    values: tuple[Float[Tensor, "_colour _height _width"], ...]
    method: str
    layer: str
    targets: tuple[str, ...]
    pictures: tuple[Seen, ...]
    warnings: tuple[tuple[str, ...], ...]
    collapse: Collapse = "sum"
    remarks: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def tensor(self) -> Float[Tensor, "batch colour height width"]:
        """All values in one tensor; `OptionError` where the pictures have different sizes."""
        sizes = {tuple(values.shape) for values in self.values}
        if len(sizes) > 1:
            raise OptionError(
                f"the pictures have different sizes ({', '.join(f'{h}×{w}' for _, h, w in sorted(sizes))}); take "
                ".values, a tuple of tensors, or give a transform that resizes the pictures alike."
            )
        return torch.stack(self.values)

    def map(self, collapse: Collapse | None = None) -> Heatmaps:
        """The colours collapsed into one map per picture, raw.

        `"sum"` keeps the sign; `"max_abs"` is the largest magnitude of a pixel's colours (Simonyan et al. 2014,
        section 3.1), `"norm"` their Euclidean length. Default: as the method's authors do it.
        """
        how = collapse or self.collapse
        return Heatmaps(
            maps=tuple(collapsed(values, how) for values in self.values),
            method=self.method,
            layer=self.layer,
            targets=self.targets,
            pictures=self.pictures,
            warnings=self.warnings,
            scaling="signed" if how == "sum" else "max",
        )

    def shown(self, collapse: Collapse | None = None) -> Heatmaps:
        """As `map`, with magnitudes beyond the 99th percentile cut to it: a few pixels would outshine all others."""
        heat = self.map(collapse)
        return replace(heat, maps=tuple(clipped(map) for map in heat.maps))

    def overlay(self, collapse: Collapse | None = None, **look: Any) -> list[Image.Image]:
        """Each map as it is shown, laid over its picture; `look` as in `Heatmaps.overlay`."""
        return self.shown(collapse).overlay(**look)

    def colour(self) -> list[Image.Image]:
        """Each picture's values as colours around mid-grey, the way guided backprop is usually printed."""
        return [around_grey(values) for values in self.values]

    def figure(self, *, most: int = 16, collapse: Collapse | None = None, **look: Any) -> "Figure":
        """Each picture beside its values as colours and its map, titled with the target; the first `most` of them."""
        from featuremaps.plotting.panels import Panel, matrix_figure

        heat = self.shown(collapse)
        columns = zip(self.pictures, self.colour(), heat.overlay(**look), self.targets, self.warnings, strict=True)
        rows = [
            [Panel(seen.image, seen.picture.name), Panel(colour, "per colour"), Panel(overlay, target, notes)]
            for seen, colour, overlay, target, notes in list(columns)[:most]
        ]
        rest = f" (first {most} of {len(self)})" if len(self) > most else ""
        title = f"{self.method}, {collapse or self.collapse} over the colours, cut at the 99th percentile{rest}"
        return matrix_figure(rows, look, title=title, scaling=heat.scaling)

    def save(self, folder: str | Path = ".", **look: Any) -> list[Path]:
        """Write an overlay and the colours (PNG) and the raw values (`.npy`) per picture; returns the files written."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        names = unique_names([seen.picture.name for seen in self.pictures])
        for name, values, overlay, colour in zip(names, self.values, self.overlay(**look), self.colour(), strict=True):
            stem = file_name(name, self.method, self.layer)
            overlay.save(folder / f"{stem}.png")
            colour.save(folder / f"{stem}__colours.png")
            np.save(folder / f"{stem}.npy", values.detach().float().cpu().numpy())
            written += [folder / f"{stem}{end}" for end in (".png", "__colours.png", ".npy")]
        return written

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int | slice) -> "Attributions":
        """The attributions of one picture, or of several."""
        if isinstance(index, int) and not -len(self) <= index < len(self):
            raise IndexError(f"picture {index} of {len(self)}: they count from 0 to {len(self) - 1}.")
        part = index if isinstance(index, slice) else slice(index, index + 1 or None)
        return replace(
            self,
            values=self.values[part],
            targets=self.targets[part],
            pictures=self.pictures[part],
            warnings=self.warnings[part],
            remarks={name: numbers[part] for name, numbers in self.remarks.items()},
        )

    def __iter__(self) -> Iterator["Attributions"]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        sizes = sorted({"×".join(map(str, values.shape)) for values in self.values})
        doubtful = sum(bool(notes) for notes in self.warnings)
        doubt = f", {doubtful} with warnings" if doubtful else ""
        remarks = "".join(
            f", {name} up to {max(map(abs, numbers), default=0):.2g}" for name, numbers in self.remarks.items()
        )
        plural = "s" if len(self) != 1 else ""
        return f"<Attributions: {self.method}, {len(self)} picture{plural}, {', '.join(sizes)}{remarks}{doubt}>"

    def _repr_png_(self) -> bytes:
        return png_of(self.figure())
