"""Pictures and lines of text placed in inches on one set of axes, so that they stay aligned at any count."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from PIL import Image, ImageFont

from featuremaps.plotting.contact_sheet import blank_figure, one_line
from featuremaps.plotting.figure_types import Axes, Figure

Inches = int | float
Points = int | float

LINE = 0.165
"""From one line of text to the next."""


class Rectangle(NamedTuple):
    """The size of a picture on paper, in inches."""

    width: float
    height: float


def fitted(image: Image.Image, width: Inches, height: Inches) -> Rectangle:
    """The size on paper of a picture that fits into so many inches, in its own proportions."""
    scale = min(width / image.width, height / image.height)
    return Rectangle(image.width * scale, image.height * scale)


def show(axes: Axes, image: Image.Image, left: Inches, top: Inches, box: Rectangle) -> None:
    """A picture of this size, its upper left corner here."""
    place = (left, left + box.width, top + box.height, top)
    axes.imshow(image.convert("RGB"), extent=place, aspect="auto", interpolation_stage="rgba")


def write(
    axes: Axes,
    left: Inches,
    middle: Inches,
    lines: Sequence[str],
    size: Points,
    colour: str = "black",
    pitch: Inches = LINE,
) -> None:
    """Lines of text, the middle of the first at this height."""
    for i, line in enumerate(lines):
        axes.text(left, middle + pitch * i, line, fontsize=size, color=colour, ha="left", va="center")


def paper(width: Inches, height: Inches) -> tuple[Figure, Axes]:
    """A figure with axes all over it, measured in inches from its upper left corner."""
    figure = blank_figure(width, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    axes.set_axis_off()
    return figure, axes


def length(text: str, size: Points) -> float:
    """How many inches a text of this size in points is long."""
    from matplotlib.font_manager import FontProperties, findfont

    return float(_font(findfont(FontProperties())).getlength(one_line(text))) * size / 72**2


@cache
def _font(path: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, 72)


def wrapped(text: str, width: Inches, size: Points) -> list[str]:
    """Lines no longer than so many inches."""
    lines: list[str] = []
    for word in text.split():
        if lines and length(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return [cut(line, width, size) for line in lines]


def cut(text: str, width: Inches, size: Points) -> str:
    """As much of a name as is no longer than so many inches; of a unit the end is kept, which has the channel."""
    kept = whole = text = one_line(text)
    while len(kept) > 1 and length(whole, size) > width:
        kept = kept[1:] if ":" in text else kept[:-1]
        whole = f"…{kept}" if ":" in text else f"{kept}…"
    return whole
