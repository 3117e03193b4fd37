"""Colours and marks for classes, told apart by colour-blind readers too, and the few habits that the figures share."""

from PIL import Image

from featuremaps.plotting.contact_sheet import blank_figure, one_line
from featuremaps.plotting.figure_types import Axes, Figure

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5B5B5B")
"""Seven of the eight colours of Okabe & Ito (2008), without the yellow that white paper swallows."""

MARKS = ("o", "^", "s", "D")
GREY, INK, RULE = "#9a9a9a", "#222222", "#222222"

# What a colour means beside those of classes, the same in every figure and in reports.
RIGHT, WRONG = "#0d6354", "#a03a0c"
WITH, WITHOUT = "#6a4c93", "#767676"
DOUBT = "#b3261e"


def class_look(number: int) -> tuple[str, str]:
    """The colour and the mark of a class: 28 pairs, and neighbours always differ in colour."""
    return PALETTE[number % len(PALETTE)], MARKS[number // len(PALETTE) % len(MARKS)]


def plain_figure(width: float, height: float) -> Figure:
    """A figure of this size in inches, laid out by itself."""
    return blank_figure(width, height, layout="constrained")


def bare(axes: Axes, *kept: str) -> None:
    """Axes with only these sides drawn, and small type."""
    for name, side in axes.spines.items():
        side.set_visible(name in kept)
        side.set_color("#888888")
    axes.tick_params(labelsize=7, color="#888888", length=2.5)


def short(text: str, most: int = 22) -> str:
    """A name that fits beside an axis, on one line."""
    text = one_line(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def on_square(image: Image.Image, side: int = 256) -> Image.Image:
    """The picture as large as fits into a white square, in its middle, so that pictures of any shape line up."""
    image = image.convert("RGB")
    scale = side / max(image.size)
    fitted = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    square = Image.new("RGB", (side, side), "white")
    square.paste(fitted, ((side - fitted.width) // 2, (side - fitted.height) // 2))
    return square
