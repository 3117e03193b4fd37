"""A sheet of drawings: one channel below another's name, one row for each who drew it, scores underneath."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

COLUMNS = 8
CELL, GAP, CAPTION = 168, 10, 26
LEFT, MARGIN, HEADING, BAND_GAP, TITLE = 118, 28, 30, 26, 62
PAPER, INK, SOFT, GOOD = (255, 255, 255), (28, 28, 32), (112, 112, 120), (0, 128, 80)


@dataclass(frozen=True, eq=False)
class Strip:
    """What one contestant drew: 8-bit pictures, and a text for each of them."""

    pictures: Tensor
    captions: Sequence[str]
    best: Sequence[bool]


def sheet(title: str, subtitle: str, names: Sequence[str], strips: Mapping[str, Strip]) -> Image.Image:
    """Bands of `COLUMNS` names; in each, a row for every strip. The best are in green."""
    bands = [range(start, min(start + COLUMNS, len(names))) for start in range(0, len(names), COLUMNS)]
    band_height = HEADING + len(strips) * (CELL + CAPTION)
    width = 2 * MARGIN + LEFT + COLUMNS * (CELL + GAP) - GAP
    height = 2 * MARGIN + TITLE + len(bands) * (band_height + BAND_GAP) - BAND_GAP
    page = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(page)
    pen.text((MARGIN, MARGIN - 6), title, INK, _font(24))
    pen.text((MARGIN, MARGIN + 26), subtitle, SOFT, _font(15))
    for number, band in enumerate(bands):
        _draw_band(page, pen, MARGIN + TITLE + number * (band_height + BAND_GAP), band, names, strips)
    return page


def _draw_band(
    page: Image.Image,
    pen: ImageDraw.ImageDraw,
    top: int,
    band: range,
    names: Sequence[str],
    strips: Mapping[str, Strip],
) -> None:
    for column, index in enumerate(band):
        left = MARGIN + LEFT + column * (CELL + GAP)
        pen.text((left + CELL / 2, top + HEADING / 2), names[index], INK, _font(17), anchor="mm")
        for row, strip in enumerate(strips.values()):
            above = top + HEADING + row * (CELL + CAPTION)
            page.paste(_cell(strip.pictures[index]), (left, above))
            colour = GOOD if strip.best[index] else SOFT
            below = (left + CELL / 2, above + CELL + CAPTION / 2 - 2)
            pen.text(below, strip.captions[index], colour, _font(16), anchor="mm")
    for row, name in enumerate(strips):
        middle = top + HEADING + row * (CELL + CAPTION) + CELL / 2
        pen.text((MARGIN, middle), name.replace(" ", "\n"), INK, _font(17), anchor="lm")


def _cell(picture: Tensor) -> Image.Image:
    image = Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())
    return image.resize((CELL, CELL), Image.Resampling.LANCZOS)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
