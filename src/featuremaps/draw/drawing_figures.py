"""Figures of drawings: one, large, beside its curve; and sheets of up to a hundred. Real pictures come first in both.

Everything is placed in inches on one set of axes, so that pictures and their words stay aligned at any count.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from featuremaps.plotting.contact_sheet import inches
from featuremaps.plotting.figure_types import Axes, Figure
from featuremaps.plotting.panels import number
from featuremaps.plotting.paper import LINE, Rectangle, cut, fitted, length, paper, show, wrapped, write

MARGIN, TITLE_LINE, GAP = 0.12, 0.22, 0.14
LARGE, CURVE, SETTINGS, WIDEST = 3.2, 2.2, 8, 13.0
GREY, BLUE = "#666666", "#1f5fa8"
MARK = " *"
TELLING = ("canvas", "steps", "rate", "precision", "seed")
"""The settings that a figure shows first."""
UNTOLD = (
    "drawn",
    "variant",
    "variants",
    "diversity",
    "patience",
    "frames",
    "model",
    "preprocessing",
    "verb",
    "picture",
)
"""Those that a figure leaves to the file."""


@dataclass(frozen=True, eq=False)
class RealPicture:
    """The real picture that gave the best `value` of `count`; `image` is None where it is not shown."""

    name: str
    value: float
    count: int
    image: Image.Image | None


@dataclass(frozen=True, eq=False)
class DrawnPicture:
    """A drawing as a figure shows it: the picture, how far it came (`words` say it in full), and how it was made."""

    name: str
    image: Image.Image
    curve: Float[Tensor, " steps"]
    settings: Mapping[str, object]
    value: float | None
    score: float | None
    words: str
    real: RealPicture | None
    minimised: bool
    notes: Sequence[str]

    @property
    def best(self) -> Image.Image | None:
        """The best real picture, where it is shown."""
        return None if self.real is None else self.real.image

    @property
    def reached(self) -> str:
        """Value and score, as short as they go."""
        if self.value is None:
            return ""
        return number(self.value) + (f"  {number(self.score)}×" if self.score is not None else "")


class Sheet(NamedTuple):
    """How the drawings of a sheet look: the place of a picture, what is left out of names, lines of words.

    `paired` has the real picture left of each drawing.
    """

    tile: Rectangle
    paired: bool
    shared: str
    lines: int

    @property
    def cell(self) -> Rectangle:
        """The place of one drawing with all that belongs to it."""
        width = 2 * self.tile.width + 0.04 if self.paired else self.tile.width
        return Rectangle(width, self.tile.height + LINE * self.lines)


def drawing_figure(drawing: DrawnPicture) -> Figure:
    """One drawing, large: the best real picture, the drawing, its curve and its settings, and notes below."""
    pictures = _large(drawing)
    boxes = [fitted(image, 1.5 * LARGE, LARGE) for _, image in pictures]
    high = max(2.4, *(box.height for box in boxes))
    width = sum(box.width + GAP for box in boxes) + 0.5 + CURVE + 2 * MARGIN
    words = wrapped(drawing.words, width - 2 * MARGIN, 9)
    notes = [line for note in drawing.notes for line in wrapped(f"* {note}", width - 2 * MARGIN, 8)]
    top = MARGIN + 0.54 + LINE * len(words)
    figure, axes = paper(width, top + high + (0.1 + LINE * len(notes) if notes else 0) + MARGIN)
    write(axes, MARGIN, MARGIN + 0.1, [cut(drawing.name, width - 2 * MARGIN, 12)], 12)
    write(axes, MARGIN, MARGIN + 0.32, words, 9, GREY)
    write(axes, MARGIN, top + high + 0.16, notes, 8, GREY)
    left = MARGIN
    for (told, image), box in zip(pictures, boxes, strict=True):
        write(axes, left, top - 0.09, [cut(told, box.width, 8)], 8, GREY)
        show(axes, image, left, top, box)
        left += box.width + GAP
    left, tall = left + 0.5, 0.45 * high
    write(axes, left, top - 0.09, [f"{'minimised' if drawing.minimised else 'maximised'}, step by step"], 8, GREY)
    _curve(inches(figure, left, top, CURVE, tall), drawing)
    write(axes, left, top + tall + 0.5, _settings(drawing, int((high - tall - 0.4) / LINE)), 7.5, GREY)
    return figure


def sheet_figure(shown: Sequence[DrawnPicture], *, title: str = "", columns: int | None = None, total: int) -> Figure:
    """The first drawings of `total` in rows and columns, each below its name, value and score."""
    sheet, subject = _planned(shown)
    cell = sheet.cell
    across = min(columns or _columns(len(shown), cell.width + GAP, cell.height + GAP), len(shown))
    rows = math.ceil(len(shown) / across)
    width = max(across * (cell.width + GAP) - GAP + 2 * MARGIN, 3.6)
    told = wrapped(_title(title, subject, len(shown), total), width - 2 * MARGIN, 11)
    foot = wrapped(_caption(shown, sheet.paired), width - 2 * MARGIN, 8)
    notes = [line for note in _notes(shown) for line in wrapped(note, width - 2 * MARGIN, 8)]
    top = MARGIN + 0.06 + TITLE_LINE * len(told)
    below = top + rows * (cell.height + GAP) - GAP
    figure, axes = paper(width, below + 0.12 + LINE * len(foot + notes) + MARGIN)
    write(axes, MARGIN, MARGIN + 0.1, told, 11, pitch=TITLE_LINE)
    write(axes, MARGIN, below + 0.18, foot, 8, GREY)
    write(axes, MARGIN, below + 0.18 + LINE * len(foot), notes, 8, GREY)
    for place, drawing in enumerate(shown):
        row, column = divmod(place, across)
        _cell(axes, drawing, MARGIN + column * (cell.width + GAP), top + row * (cell.height + GAP), sheet)
    return figure


def _large(drawing: DrawnPicture) -> list[tuple[str, Image.Image]]:
    """The pictures of a drawing's own figure, each with what is said above it: the real one first, where it is kept."""
    real = drawing.real
    if real is None or real.image is None:
        return [("the drawing", drawing.image)]
    value = "" if drawing.value is None else f": {number(drawing.value)}"
    return [(f"{cut(real.name, 2.4, 8)}: {number(real.value)}", real.image), (f"the drawing{value}", drawing.image)]


def _planned(shown: Sequence[DrawnPicture]) -> tuple[Sheet, str]:
    """How these drawings are shown, and what they are all of: the layer or picture that all names share."""
    paired = any(drawing.best is not None for drawing in shown)
    lines = 2 if any(drawing.reached for drawing in shown) else 1
    sheet = Sheet(_tile(shown, paired), paired, "", lines)
    shared, subject = _shared(shown)
    long = any(length(drawing.name + MARK, 8) > sheet.cell.width for drawing in shown)
    return sheet._replace(shared=shared if long else ""), subject


def _cell(axes: Axes, drawing: DrawnPicture, left: int | float, top: int | float, sheet: Sheet) -> None:
    """One drawing of a sheet below its words, the real picture left of it."""
    wide = sheet.cell.width
    mark = MARK if drawing.notes else ""
    name = drawing.name.removeprefix(sheet.shared).removesuffix(sheet.shared)
    if sheet.shared and name.isdecimal():
        name = f"channel {name}"
    write(axes, left, top + LINE / 2, [cut(name, wide - length(mark, 8), 8) + mark], 8)
    if sheet.lines == 2:
        write(axes, left, top + 1.4 * LINE, [cut(drawing.reached, wide, 7.5)], 7.5, GREY)
    below = top + LINE * sheet.lines + 0.02
    if drawing.best is not None:
        show(axes, drawing.best, left, below, fitted(drawing.best, *sheet.tile))
    show(axes, drawing.image, left + wide - sheet.tile.width, below, fitted(drawing.image, *sheet.tile))


def _curve(axes: Axes, drawing: DrawnPicture) -> None:
    """What was optimised, over the steps; on a logarithmic scale where a loss falls through powers of ten."""
    values = drawing.curve.detach().float().cpu().numpy()
    marker = "o" if len(values) == 1 else ""
    axes.plot(range(1, len(values) + 1), values, color=BLUE, linewidth=1.2, marker=marker, markersize=3)
    if drawing.minimised and len(values) and values.min() > 0 and values.max() > 30 * values.min():
        axes.set_yscale("log")
    else:
        axes.locator_params(axis="y", nbins=4)
    axes.locator_params(axis="x", nbins=4, integer=True)
    axes.set_xlabel("step", fontsize=7.5, color=GREY, labelpad=1)
    axes.tick_params(labelsize=7.5, colors=GREY, length=2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#bbbbbb")


def _settings(drawing: DrawnPicture, most: int) -> list[str]:
    """The settings that say most, as far as they are single numbers or words, as lines."""
    first = [key for key in TELLING if key in drawing.settings]
    rest = [key for key in drawing.settings if key not in (*TELLING, *UNTOLD)]
    chosen = [(key, drawing.settings[key]) for key in (*first, *rest)]
    told = [
        f"{key.replace('_', ' ')}: {number(value) if isinstance(value, float) else value}"
        for key, value in chosen
        if isinstance(value, int | float | str) and not isinstance(value, bool) and value != drawing.name
    ]
    return [cut(line, CURVE, 7.5) for line in told[: max(0, min(most, SETTINGS))]]


def _caption(shown: Sequence[DrawnPicture], paired: bool) -> str:
    """What the words and pictures of a sheet mean."""
    if not any(drawing.reached for drawing in shown):
        return "left: the best real picture; right: the drawing" if paired else ""
    counts = {drawing.real.count for drawing in shown if drawing.real is not None and drawing.score is not None}
    of = f" of {counts.pop():,}" if len(counts) == 1 else ""
    lower = all(drawing.minimised for drawing in shown)
    parts = ["below a name: the value reached" + (" (lower is better)" if lower else "")]
    if any(drawing.score is not None for drawing in shown):
        parts.append(f"×: times the best{of} real pictures")
    if paired:
        parts.append("left: that real picture; right: the drawing")
    return "; ".join(parts)


def _title(title: str, subject: str, shown: int, total: int) -> str:
    rest = f" (first {shown} of {total})" if total > shown else ""
    return (title or f"{total} drawings{f' of {subject}' if subject else ''}") + rest


def _notes(shown: Sequence[DrawnPicture]) -> list[str]:
    """Every note once, with how many drawings have it."""
    counts = Counter(note for drawing in shown for note in dict.fromkeys(drawing.notes))
    return [f"* {count} of {len(shown)}: {note}" for note, count in counts.items()]


def _shared(shown: Sequence[DrawnPicture]) -> tuple[str, str]:
    """What all names begin or end with, as in "layer4:452" or "layer4 of cat.jpg", and the layer or picture named."""
    layers = {drawing.name.rpartition(":")[0] for drawing in shown}
    if len(layers) == 1 and (layer := layers.pop()):
        return f"{layer}:", layer
    pictures = {drawing.name.partition(" of ")[2] for drawing in shown}
    if len(pictures) == 1 and (picture := pictures.pop()):
        return f" of {picture}", picture
    return "", ""


def _columns(count: int, wide: int | float, high: int | float) -> int:
    """One row where it is not too wide, else as many columns as make a sheet a little wider than high.

    A nearby number is taken where it leaves fewer places empty. A cell is so many inches wide and high.
    """
    if count * wide <= WIDEST:
        return count
    ideal = math.sqrt(1.3 * count * high / wide)
    return min(range(1, count + 1), key=lambda c: 0.5 * (-count % c) / c + abs(math.log(c / ideal)))


def _tile(shown: Sequence[DrawnPicture], paired: bool) -> Rectangle:
    """The place of one picture, with the proportions most drawings have; smaller the more there are."""
    sizes = Counter(drawing.image.size for drawing in shown)
    width, height = sizes.most_common(1)[0][0]
    stretch = math.sqrt(min(max(width / height, 1 / 3), 3))
    count = len(shown) * (2 if paired else 1)
    side = 2.0 if count <= 6 else 1.5 if count <= 24 else 1.15
    return Rectangle(side * stretch, side / stretch)
