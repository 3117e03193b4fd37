"""Concepts: the parts that the pictures of a set share in one layer, and how they look over the pictures."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from featuremaps.errors import FeatureMapsError, OptionError
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.outputs.outputs import class_label
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.class_colours import plain_figure, short
from featuremaps.plotting.figure_types import Axes, Figure
from featuremaps.plotting.file_names import file_name, unique_names
from featuremaps.plotting.files import write_files
from featuremaps.plotting.rendering import places
from featuremaps.plotting.sheets import Sheet, plainly
from featuremaps.results.shown import Shown

PALETTE = (
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#cc79a7",
    "#f0e442",
    "#d55e00",
    "#0072b2",
    "#661100",
    "#332288",
    "#aaffdd",
    "#555555",
)
"""Colours that colour-blind people can tell apart: Okabe & Ito 2008, then four more; numbers stand beside them."""


@dataclass(frozen=True, eq=False)
class Concepts(Shown):
    """What one layer says about a set of pictures, as a few concepts.

    `maps[i, j]` is where and how strongly concept j is in picture i, at the layer's resolution: 0 or more, 1 at its
    strongest place in all pictures. `vectors[j]` is what it adds to the layer's channels there. `scores[j]` are the
    class scores of the concept alone, `errors` the relative error of the factorisation after every iteration.
    """

    maps: Float[Tensor, "batch concept *space"]
    vectors: Float[Tensor, "concept channel"]
    layer: str
    pictures: tuple[Seen, ...]
    errors: Float[Tensor, " steps"]
    scores: Float[Tensor, "concept classes"] | None = None
    classes: ClassOutputs = field(default_factory=ClassOutputs)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.maps) != len(self.pictures):
            raise FeatureMapsError(f"{len(self.maps)} pictures have maps, and {len(self.pictures)} pictures are given.")

    @property
    def tensor(self) -> Float[Tensor, "batch concept *space"]:
        """All maps in one tensor."""
        return self.maps

    def __len__(self) -> int:
        """How many concepts there are."""
        return len(self.vectors)

    def top_classes(self, most: int = 2) -> tuple[tuple[tuple[str, float], ...], ...]:
        """For each concept the classes that it speaks for by itself, with their probabilities; best first."""
        if self.scores is None:
            return ((),) * len(self)
        shares = self.classes.probabilities(self.scores)
        shares, indices = shares.topk(min(most, shares.shape[1]))
        return tuple(
            tuple((class_label(index, self.classes.names), share) for index, share in zip(*row, strict=True))
            for row in zip(indices.tolist(), shares.tolist(), strict=True)
        )

    def overlay(self, alpha: int | float = 0.65) -> list[Image.Image]:
        """Each picture with its concepts laid over it: in each pixel the strongest, as opaque as it is strong.

        `alpha` is the opacity where a concept is strongest in all pictures. Concept j has the colour `PALETTE[j]`.
        """
        if not 0 <= alpha <= 1:
            raise OptionError(f"alpha is the opacity of the colour, from 0 (picture only) to 1; got {alpha}.")
        colours = np.array([_rgb(j) for j in range(len(self))], dtype=np.float32)
        pictures = []
        for seen, maps in zip(self.pictures, self.maps, strict=True):
            strength, strongest = seen.sheet.lay(maps.detach().float().cpu()).max(0)
            base = _paler(seen.image)
            opacity = alpha * (1.6 * strength).clamp(0, 1).numpy()[..., None]
            mixed = base * (1 - opacity) + colours[strongest.numpy()] * opacity
            pictures.append(Image.fromarray(mixed.round().astype(np.uint8)))
        return pictures

    def figure(self, *, most: int = 12, alpha: int | float = 0.65) -> Figure:
        """The first `most` pictures, each above its concepts in their colours, and a legend with their top classes.

        A concept's number stands at its strongest place in every picture where it reaches a third of its maximum.
        """
        shown = list(zip(self.pictures, self.overlay(alpha), self.maps, strict=True))[:most]
        bands = -(-len(shown) // 4)
        columns = -(-len(shown) // bands)
        lines = -(-len(self) // 2)
        legend, title = 0.24 * (lines + 1) + 0.1, 0.4
        figure = plain_figure(max(2.2 * columns, 7.0), 4.6 * bands + legend + title)
        panels, foot = figure.subfigures(2, 1, squeeze=False, height_ratios=(4.6 * bands + title, legend)).flat
        axes = panels.subplots(2 * bands, columns, squeeze=False)
        for place in axes.flat:
            place.set_axis_off()
        for number, (seen, overlaid, maps) in enumerate(shown):
            above, below = axes[2 * (number // columns) :, number % columns][:2]
            above.imshow(seen.image.convert("RGB"))
            above.set_title(short(seen.picture.name, 26), fontsize=8)
            below.imshow(overlaid)
            _number(below, maps.detach().float().cpu(), seen.sheet)
        rest = f" (first {most} of {len(self.pictures)} pictures)" if len(self.pictures) > most else ""
        panels.suptitle(f"{len(self)} concepts of {self.layer}{rest}", fontsize=10)
        self._legend(foot.subplots(), lines)
        return figure

    def save(self, folder: str | Path = ".", alpha: int | float = 0.65) -> list[Path]:
        """Write each picture's overlay (PNG), all maps and all vectors (`.npy`, float32); returns the files written."""
        names = unique_names([file_name(Path(seen.picture.name).name) for seen in self.pictures])
        stems = [file_name(name, "concepts", self.layer) for name in names]
        values = [(file_name("concepts", self.layer, kind), getattr(self, kind)) for kind in ("maps", "vectors")]
        return write_files(folder, [*zip(stems, self.overlay(alpha), strict=True), *values])

    def __repr__(self) -> str:
        batch, _, *size = self.maps.shape
        plural = "s" if batch != 1 else ""
        told = f"{100 * (1 - float(self.errors[-1]) ** 2):.0f}% of the layer's energy"
        doubt = f", {len(self.warnings)} warnings" if self.warnings else ""
        return f"<Concepts: {len(self)} of {self.layer}, {batch} picture{plural}, {places(size)}, {told}{doubt}>"

    def _legend(self, axes: Axes, lines: int) -> None:
        axes.set_axis_off()
        axes.set(xlim=(0, 2), ylim=(lines, -1))
        if self.scores is not None:
            axes.text(0.01, -0.5, "What the model would call each concept alone:", fontsize=8, va="center")
        for j, classes in enumerate(self.top_classes()):
            column, line = divmod(j, lines)
            _badge(axes, column + 0.03, line + 0.5, j)
            named = ", ".join(f"{short(name, 26)} {share:.0%}" for name, share in classes if share >= 0.01)
            axes.text(column + 0.075, line + 0.5, named or f"concept {j + 1}", fontsize=8, va="center")


def _number(axes: Axes, maps: Float[Tensor, "concept *space"], sheet: Sheet) -> None:
    """Each concept's number at its strongest place, where it reaches a third of its maximum."""
    flat = sheet.lay(maps) if maps.ndim == 4 else plainly(maps)
    height, width = flat.shape[1:]
    strongest = zip(maps.flatten(1).amax(1).tolist(), flat.flatten(1).argmax(1).tolist(), strict=True)
    for j, (value, place) in enumerate(strongest):
        if value >= 1 / 3:
            down, across = divmod(place, width)
            _badge(axes, (across + 0.5) * sheet.size[1] / width - 0.5, (down + 0.5) * sheet.size[0] / height - 0.5, j)


def _badge(axes: Axes, x: float, y: float, concept: int) -> None:
    """A concept's number in a disc of its colour, in whichever of black and white can be read on it."""
    light = sum(level * weight for level, weight in zip(_rgb(concept), (0.299, 0.587, 0.114), strict=True)) > 140
    style = {"boxstyle": "circle,pad=0.25", "facecolor": _hex(concept), "edgecolor": "white", "linewidth": 0.8}
    ink = "black" if light else "white"
    axes.text(x, y, str(concept + 1), fontsize=7, color=ink, ha="center", va="center", bbox=style, clip_on=False)


def _hex(concept: int) -> str:
    return PALETTE[concept % len(PALETTE)]


def _rgb(concept: int) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(_hex(concept)[1:])
    return red, green, blue


def _paler(picture: Image.Image) -> np.ndarray:
    """The photograph as the overlays of heatmaps have it: most of its colour gone, so that the concepts' stands out."""
    grey = np.asarray(picture.convert("L").convert("RGB"), dtype=np.float32)
    return 0.75 * grey + 0.25 * np.asarray(picture.convert("RGB"), dtype=np.float32)
