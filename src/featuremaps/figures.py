"""Figures for notebooks and papers, in matplotlib, without touching its global state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from featuremaps.looks import DIVERGING, SEQUENTIAL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCALE_LABELS = {
    "max": "speaks for the target (share of the strongest)",
    "minmax": "from lowest to highest",
    "signed": "against … for the target (share of the strongest)",
}


@dataclass(frozen=True, eq=False)
class Panel:
    """One picture of a figure; without an image its place stays empty. `side` is written left of it."""

    image: Image.Image | None
    title: str = ""
    notes: tuple[str, ...] = ()
    side: str = ""


def matrix_figure(
    rows: Sequence[Sequence[Panel]], look: Mapping[str, Any], *, title: str = "", scaling: str | None = None
) -> "Figure":
    """Panels in rows and columns, with a colour bar that says what the colours mean."""
    figure, axes = _grid(len(rows), len(rows[0]))
    for row, places in zip(rows, axes, strict=True):
        for panel, place in zip(row, places, strict=True):
            _draw(place, panel)
    figure.suptitle(title, fontsize=10)
    _scale(figure, axes, look, scaling)
    return figure


def _grid(rows: int, columns: int) -> "tuple[Figure, list[list[Axes]]]":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.3 * columns + 0.9, 2.3 * rows + 0.45), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False).tolist()


def _draw(axes: "Axes", panel: Panel) -> None:
    if panel.image is None:
        axes.set_axis_off()
        return
    axes.imshow(panel.image)
    axes.set_title(_short(panel.title), fontsize=8)
    axes.set_ylabel(panel.side, fontsize=8)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
    if panel.notes:
        axes.set_xlabel("⚠ " + _short(panel.notes[0], 60), fontsize=7, color="#b3261e", wrap=True)


def _scale(figure: "Figure", axes: "list[list[Axes]]", look: Mapping[str, Any], scaling: str | None) -> None:
    """A colour bar that says what the colours mean."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    kind = look.get("scaling") or scaling or "max"
    colours = look.get("colormap") or (DIVERGING if kind == "signed" else SEQUENTIAL)
    norm = Normalize(-1 if kind == "signed" else 0, 1)
    every = [panel for row in axes for panel in row]
    bar = figure.colorbar(ScalarMappable(norm, colours), ax=every, fraction=0.035, pad=0.02)
    bar.set_label(SCALE_LABELS[kind], fontsize=7)
    bar.ax.tick_params(labelsize=7)


def _short(text: str, most: int = 34) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
