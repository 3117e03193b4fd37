"""Figures for notebooks and papers, in matplotlib, without touching its global state."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from PIL import Image

from featuremaps.plotting.class_colours import DOUBT, short
from featuremaps.plotting.contact_sheet import blank_figure, inches
from featuremaps.plotting.figure_types import Axes, Figure
from featuremaps.plotting.rendering import DIVERGING, SEQUENTIAL, is_remark

Inches = int | float
TALLEST_BAR = 5.0  # inches
LINE = 0.14  # inches
FLAT = 0.6
"""Of pictures no higher than so many of their widths, such as signals, rows are lower."""

SCALE_LABELS = {
    "max": "speaks for the target (share of the strongest)",
    "minmax": "from lowest to highest",
    "signed": "against … for the target (share of the strongest)",
}


@dataclass(frozen=True)
class Line:
    """A line of a title: a name, which is cut where it is too long, and what is said of it, which is not."""

    name: str
    said: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.said}" if self.said else self.name

    def fitting(self, most: int) -> str:
        """The line in so many letters; of the name at least 8 are kept."""
        if not self.said:
            return short(self.name, most)
        return f"{short(self.name, max(8, most - 1 - len(self.said)))} {self.said}"


Lines = str | Line | tuple[Line, ...]


@dataclass(frozen=True, eq=False)
class Panel:
    """One picture of a figure; without an image its place stays empty.

    `side` is written left of it; `frame` is the colour of a frame around it and of its title.
    """

    image: Image.Image | None
    title: Lines = ""
    notes: tuple[str, ...] = ()
    side: Lines = ""
    frame: str = ""


@dataclass(frozen=True)
class Bar:
    """A colour bar: the colours, what its ends stand for, and what it measures."""

    colormap: str
    low: float
    high: float
    label: str


def bar_for(look: Mapping[str, Any], scaling: str | None) -> Bar:
    """The colour bar of heatmaps that are looked at this way."""
    kind = look.get("scaling") or scaling or "max"
    colours = look.get("colormap") or (DIVERGING if kind == "signed" else SEQUENTIAL)
    return Bar(colours, -1.0 if kind == "signed" else 0.0, 1.0, SCALE_LABELS[kind])


def matrix_figure(
    rows: Sequence[Sequence[Panel]],
    look: Mapping[str, Any],
    *,
    title: str = "",
    scalings: Collection[str | None] = (None,),
) -> Figure:
    """Panels in rows and columns, with a colour bar for each of the scalings of their maps."""
    first, *others = [bar_for(look, scaling) for scaling in sorted(scalings, key=str)]
    figure = panels_figure(rows, first, title=title)
    panels = figure.axes[: len(rows) * len(rows[0])]
    for bar in others:
        add_bar(figure, panels, bar)
    return figure


def panels_figure(rows: Sequence[Sequence[Panel]], bar: Bar | None, *, title: str = "", caption: str = "") -> Figure:
    """Panels in rows and columns, a title above, a caption below, and a colour bar if there is one.

    Shorter rows are filled up with empty places.
    """
    columns = max(map(len, rows))
    rows = [[*row, *[Panel(None)] * (columns - len(row))] for row in rows]
    ratio = max((panel.image.height / panel.image.width for row in rows for panel in row if panel.image), default=1)
    tall = 2.3 if ratio > FLAT else 2.3 * ratio + 0.6
    lines = title.split("\n")[1:] + caption.splitlines()
    figure = blank_figure(2.3 * columns + 0.9, tall * len(rows) + 0.45 + LINE * len(lines), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False).tolist()
    for row, places in zip(rows, axes, strict=True):
        for panel, place in zip(row, places, strict=True):
            draw_panel(place, panel)
    figure.suptitle(title, fontsize=10)
    if caption:
        figure.supxlabel(caption, fontsize=8, color="#555555")
    if bar is not None:
        add_bar(figure, [place for row in axes for place in row], bar)
    return figure


def in_rows(panels: Sequence[Panel], columns: int) -> list[list[Panel]]:
    """Panels broken into rows of equal length, the last filled up with empty places."""
    filled = [*panels, *[Panel(None)] * (-len(panels) % columns)]
    return [filled[start : start + columns] for start in range(0, len(filled), columns)]


def columns_for(count: int) -> int:
    """How many columns leave the fewest places empty: 6, 5 or 7; all in one row where they fit."""
    return count if count <= 7 else min((6, 5, 7), key=lambda columns: -count % columns)


def add_bar(figure: Figure, axes: Sequence[Axes], bar: Bar) -> None:
    """A colour bar that says what the colours mean, taking its place from these axes; at the top of a tall figure."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    colours = ScalarMappable(Normalize(bar.low, bar.high), bar.colormap)
    shrink = min(1.0, TALLEST_BAR / figure.get_size_inches()[1])
    anchor = (0.0, 1.0 if shrink < 0.5 else 0.5)
    drawn = figure.colorbar(colours, ax=axes, fraction=0.035, pad=0.02, shrink=shrink, anchor=anchor)
    drawn.set_label(bar.label, fontsize=7)
    drawn.ax.tick_params(labelsize=7)


def bar_beside(figure: Figure, bar: Bar, left: Inches, top: Inches, height: Inches) -> None:
    """A colour bar at this place, in inches from the upper left corner of the figure."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    axes = inches(figure, left, top, 0.11, height)
    figure.colorbar(ScalarMappable(Normalize(bar.low, bar.high), bar.colormap), cax=axes)
    axes.set_ylabel(bar.label if len(bar.label) < 20 * height else bar.label.replace(" (", "\n("), fontsize=7)
    axes.tick_params(labelsize=7)


def draw_panel(axes: Axes, panel: Panel) -> None:
    """A panel in these axes."""
    if panel.image is None:
        axes.set_axis_off()
        return
    axes.imshow(panel.image.convert("RGB"))  # a grey one would be drawn in matplotlib's own colours
    beside = max(10, round(30 * min(1, panel.image.height / panel.image.width)))
    axes.set_title(_fitting(panel.title, 34), fontsize=8, color=panel.frame or "black")
    axes.set_ylabel(_fitting(panel.side, beside), fontsize=8)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(bool(panel.frame))
        side.set(color=panel.frame or "black", linewidth=3)
    if panel.notes:
        remark = is_remark(panel.notes[0])
        text = _cut(panel.notes[0], 78)
        lines = wrap(text if remark else "⚠ " + text, 40)  # matplotlib's own wrapping takes a $ for mathematics
        axes.set_xlabel("\n".join(lines), fontsize=7, color="#555555" if remark else DOUBT)


def _fitting(text: Lines, most: int) -> str:
    """Each line in so many letters."""
    lines = map(Line, text.split("\n")) if isinstance(text, str) else (text,) if isinstance(text, Line) else text
    return "\n".join(line.fitting(most) for line in lines)


def number(value: float) -> str:
    """A value in three digits; thousands are written out."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"


def three_digits(value: float) -> str:
    """The same with zeros at the end, for values beside each other: "2.00" beside "1.97"."""
    return f"{value:#.3g}".rstrip(".") if 1e-3 <= abs(value) < 1000 else number(value)


def counted(count: int, noun: str) -> str:
    """ "1 picture" or "3 pictures"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def short_unit(unit: str, most: int = 34) -> str:
    """A unit's address that fits above a picture: its end, which has the channel, is kept."""
    return unit if len(unit) <= most else "…" + unit[-most + 1 :]


def _cut(text: str, most: int) -> str:
    """The words of a sentence that fit; no parenthesis is opened that is not closed."""
    if len(text) <= most:
        return text
    kept = text[:most].rpartition(" ")[0]
    if kept.rfind("(") > kept.rfind(")"):
        kept = kept[: kept.rfind("(")]
    return kept.rstrip(" (,;:") + " …"
