"""Figures of drawings: one, large, beside its curve; and sheets of up to a hundred. Real pictures come first in both.

Everything is placed in inches on one set of axes, so that pictures and their words stay aligned at any count.
"""

import math
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageFont

from featuremaps.errors import OptionError
from featuremaps.figures import number
from featuremaps.sheets import blank_figure, inches

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from featuremaps.draw.drawing import Drawing

MARGIN, LINE, TITLE_LINE, GAP = 0.12, 0.165, 0.22, 0.14
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


class Box(NamedTuple):
    """The size of a picture on paper, in inches."""

    width: float
    height: float


class Sheet(NamedTuple):
    """How the drawings of a sheet look: the place of a picture, what is left out of names, lines of words.

    `paired` has the real picture left of each drawing; transparency is laid on `background`.
    """

    tile: Box
    paired: bool
    shared: str
    lines: int
    background: str

    @property
    def cell(self) -> Box:
        """The place of one drawing with all that belongs to it."""
        width = 2 * self.tile.width + 0.04 if self.paired else self.tile.width
        return Box(width, self.tile.height + LINE * self.lines)


def drawing_figure(drawing: "Drawing", background: str, real: bool = True) -> "Figure":
    """One drawing, large: the best real picture, the drawing, its curve and its settings, and notes below."""
    pictures = _large(drawing, background, real)
    boxes = [_fitted(image, 1.5 * LARGE, LARGE) for _, image in pictures]
    high = max(2.4, *(box.height for box in boxes))
    width = sum(box.width + GAP for box in boxes) + 0.5 + CURVE + 2 * MARGIN
    words = _wrapped(drawing.words, width - 2 * MARGIN, 9)
    notes = [line for note in drawing.notes for line in _wrapped(f"* {note}", width - 2 * MARGIN, 8)]
    top = MARGIN + 0.54 + LINE * len(words)
    figure, axes = _paper(width, top + high + (0.1 + LINE * len(notes) if notes else 0) + MARGIN)
    _write(axes, MARGIN, MARGIN + 0.1, [_cut(drawing.name, width - 2 * MARGIN, 12)], 12)
    _write(axes, MARGIN, MARGIN + 0.32, words, 9, GREY)
    _write(axes, MARGIN, top + high + 0.16, notes, 8, GREY)
    left = MARGIN
    for (told, image), box in zip(pictures, boxes, strict=True):
        _write(axes, left, top - 0.09, [_cut(told, box.width, 8)], 8, GREY)
        _show(axes, image, left, top, box)
        left += box.width + GAP
    left, tall = left + 0.5, 0.45 * high
    _write(axes, left, top - 0.09, [f"{drawing.goal}, step by step"], 8, GREY)
    _curve(inches(figure, left, top, CURVE, tall), drawing)
    _write(axes, left, top + tall + 0.5, _settings(drawing, int((high - tall - 0.4) / LINE)), 7.5, GREY)
    return figure


def sheet_figure(
    drawings: "Sequence[Drawing]", title: str, columns: int | None, most: int, real: bool, background: str
) -> "Figure":
    """The first `most` drawings in rows and columns, each below its name, value and score."""
    if most < 1 or (columns is not None and columns < 1):
        raise OptionError(f"a sheet has 1 drawing or more in 1 column or more; got most={most}, columns={columns}.")
    shown = drawings[:most]
    sheet, subject = _planned(shown, real, background)
    cell = sheet.cell
    across = min(columns or _columns(len(shown), cell.width + GAP, cell.height + GAP), len(shown))
    rows = math.ceil(len(shown) / across)
    width = max(across * (cell.width + GAP) - GAP + 2 * MARGIN, 3.6)
    told = _wrapped(_title(drawings, title, subject, len(shown)), width - 2 * MARGIN, 11)
    foot = _wrapped(_caption(shown, sheet.paired), width - 2 * MARGIN, 8)
    notes = [line for note in _notes(shown) for line in _wrapped(note, width - 2 * MARGIN, 8)]
    top = MARGIN + 0.06 + TITLE_LINE * len(told)
    below = top + rows * (cell.height + GAP) - GAP
    figure, axes = _paper(width, below + 0.12 + LINE * len(foot + notes) + MARGIN)
    _write(axes, MARGIN, MARGIN + 0.1, told, 11, pitch=TITLE_LINE)
    _write(axes, MARGIN, below + 0.18, foot, 8, GREY)
    _write(axes, MARGIN, below + 0.18 + LINE * len(foot), notes, 8, GREY)
    for place, drawing in enumerate(shown):
        row, column = divmod(place, across)
        _cell(axes, drawing, MARGIN + column * (cell.width + GAP), top + row * (cell.height + GAP), sheet)
    return figure


def _large(drawing: "Drawing", background: str, real: bool) -> list[tuple[str, Image.Image]]:
    """The pictures of a drawing's own figure, each with what is said above it: the real one first, where it is kept."""
    image, best = drawing.over(background), drawing.real
    if not real or best is None or best.seen is None:
        return [("the drawing", image)]
    value = "" if drawing.value is None else f": {number(drawing.value)}"
    return [(f"{_cut(best.name, 2.4, 8)}: {number(best.value)}", best.seen.image), (f"the drawing{value}", image)]


def _planned(shown: "Sequence[Drawing]", real: bool, background: str) -> tuple[Sheet, str]:
    """How these drawings are shown, and what they are all of: the layer or picture that all names share."""
    paired = real and any(drawing.real is not None and drawing.real.seen is not None for drawing in shown)
    lines = 2 if any(_value(drawing) for drawing in shown) else 1
    sheet = Sheet(_tile(shown, paired), paired, "", lines, background)
    shared, subject = _shared(shown)
    long = any(_length(drawing.name + MARK, 8) > sheet.cell.width for drawing in shown)
    return sheet._replace(shared=shared if long else ""), subject


def _cell(axes: "Axes", drawing: "Drawing", left: int | float, top: int | float, sheet: Sheet) -> None:
    """One drawing of a sheet below its words, the real picture left of it."""
    wide = sheet.cell.width
    mark = MARK if drawing.notes else ""
    name = drawing.name.removeprefix(sheet.shared).removesuffix(sheet.shared)
    if sheet.shared and name.isdecimal():
        name = f"channel {name}"
    _write(axes, left, top + LINE / 2, [_cut(name, wide - _length(mark, 8), 8) + mark], 8)
    if sheet.lines == 2:
        _write(axes, left, top + 1.4 * LINE, [_cut(_value(drawing), wide, 7.5)], 7.5, GREY)
    below = top + LINE * sheet.lines + 0.02
    if sheet.paired and drawing.real is not None and drawing.real.seen is not None:
        image = drawing.real.seen.image
        _show(axes, image, left, below, _fitted(image, *sheet.tile))
    image = drawing.over(sheet.background)
    _show(axes, image, left + wide - sheet.tile.width, below, _fitted(image, *sheet.tile))


def _curve(axes: "Axes", drawing: "Drawing") -> None:
    """What was optimised, over the steps; on a logarithmic scale where a loss falls through powers of ten."""
    values = drawing.curve.detach().float().cpu().numpy()
    marker = "o" if len(values) == 1 else ""
    axes.plot(range(1, len(values) + 1), values, color=BLUE, linewidth=1.2, marker=marker, markersize=3)
    if drawing.goal == "minimised" and len(values) and values.min() > 0 and values.max() > 30 * values.min():
        axes.set_yscale("log")
    else:
        axes.locator_params(axis="y", nbins=4)
    axes.locator_params(axis="x", nbins=4, integer=True)
    axes.set_xlabel("step", fontsize=7.5, color=GREY, labelpad=1)
    axes.tick_params(labelsize=7.5, colors=GREY, length=2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#bbbbbb")


def _settings(drawing: "Drawing", most: int) -> list[str]:
    """The settings that say most, as far as they are single numbers or words, as lines."""
    first = [key for key in TELLING if key in drawing.settings]
    rest = [key for key in drawing.settings if key not in (*TELLING, *UNTOLD)]
    chosen = [(key, drawing.settings[key]) for key in (*first, *rest)]
    told = [
        f"{key.replace('_', ' ')}: {number(value) if isinstance(value, float) else value}"
        for key, value in chosen
        if isinstance(value, int | float | str) and not isinstance(value, bool) and value != drawing.name
    ]
    return [_cut(line, CURVE, 7.5) for line in told[: max(0, min(most, SETTINGS))]]


def _value(drawing: "Drawing") -> str:
    """Value and score, as short as they go."""
    if drawing.value is None:
        return ""
    score = f"  {number(drawing.score)}×" if drawing.score is not None else ""
    return f"{number(drawing.value)}{score}"


def _caption(shown: "Sequence[Drawing]", paired: bool) -> str:
    """What the words and pictures of a sheet mean."""
    if not any(_value(drawing) for drawing in shown):
        return "left: the best real picture; right: the drawing" if paired else ""
    counts = {drawing.real.count for drawing in shown if drawing.real is not None and drawing.score is not None}
    of = f" of {counts.pop():,}" if len(counts) == 1 else ""
    lower = all(drawing.goal == "minimised" for drawing in shown)
    parts = ["below a name: the value reached" + (" (lower is better)" if lower else "")]
    if any(drawing.score is not None for drawing in shown):
        parts.append(f"×: times the best{of} real pictures")
    if paired:
        parts.append("left: that real picture; right: the drawing")
    return "; ".join(parts)


def _title(drawings: "Sequence[Drawing]", title: str, subject: str, shown: int) -> str:
    rest = f" (first {shown} of {len(drawings)})" if len(drawings) > shown else ""
    return (title or f"{len(drawings)} drawings{f' of {subject}' if subject else ''}") + rest


def _notes(shown: "Sequence[Drawing]") -> list[str]:
    """Every note once, with how many drawings have it."""
    counts = Counter(note for drawing in shown for note in dict.fromkeys(drawing.notes))
    return [f"* {count} of {len(shown)}: {note}" for note, count in counts.items()]


def _shared(shown: "Sequence[Drawing]") -> tuple[str, str]:
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


def _tile(shown: "Sequence[Drawing]", paired: bool) -> Box:
    """The place of one picture, with the proportions most drawings have; smaller the more there are."""
    shapes = Counter(tuple(drawing.picture.shape[1:]) for drawing in shown)
    height, width = shapes.most_common(1)[0][0]
    stretch = math.sqrt(min(max(width / height, 1 / 3), 3))
    count = len(shown) * (2 if paired else 1)
    side = 2.0 if count <= 6 else 1.5 if count <= 24 else 1.15
    return Box(side * stretch, side / stretch)


def _fitted(image: Image.Image, width: int | float, height: int | float) -> Box:
    """The size on paper of a picture that fits into so many inches, in its own proportions."""
    scale = min(width / image.width, height / image.height)
    return Box(image.width * scale, image.height * scale)


def _show(axes: "Axes", image: Image.Image, left: int | float, top: int | float, box: Box) -> None:
    place = (left, left + box.width, top + box.height, top)
    axes.imshow(image.convert("RGB"), extent=place, aspect="auto", interpolation_stage="rgba")


def _write(
    axes: "Axes",
    left: int | float,
    middle: int | float,
    lines: Sequence[str],
    size: int | float,
    colour: str = "black",
    pitch: int | float = LINE,
) -> None:
    """Lines of text, the middle of the first at this height."""
    for i, line in enumerate(lines):
        axes.text(left, middle + pitch * i, line, fontsize=size, color=colour, ha="left", va="center", parse_math=False)


def _paper(width: int | float, height: int | float) -> "tuple[Figure, Axes]":
    """A figure with axes all over it, measured in inches from its upper left corner."""
    figure = blank_figure(width, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    axes.set_axis_off()
    return figure, axes


def _length(text: str, size: int | float) -> float:
    """How many inches a text of this size in points is long."""
    from matplotlib.font_manager import FontProperties, findfont

    return float(_font(findfont(FontProperties())).getlength(text)) * size / 72**2


@cache
def _font(path: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, 72)


def _wrapped(text: str, width: int | float, size: int | float) -> list[str]:
    """Lines no longer than so many inches."""
    lines: list[str] = []
    for word in text.split():
        if lines and _length(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return [_cut(line, width, size) for line in lines]


def _cut(text: str, width: int | float, size: int | float) -> str:
    """As much of a name as is no longer than so many inches; of a unit the end is kept, which has the channel."""
    kept, whole = text, text
    while len(kept) > 1 and _length(whole, size) > width:
        kept = kept[1:] if ":" in text else kept[:-1]
        whole = f"…{kept}" if ":" in text else f"{kept}…"
    return whole
