"""Boxes drawn on pictures: a bright line with a dark one around it, seen on any ground."""

from PIL import Image, ImageDraw

BRIGHT, DARK = "#00e5ff", "#062a30"
"""Cyan is in neither of the colour maps that maps are drawn in."""


def boxed(image: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    """The picture with a box (left, top, right, bottom) in its pixels, its line along the edge from within."""
    drawn = image.convert("RGB")
    drawn = drawn.copy() if drawn is image else drawn
    width = max(1, round(min(image.size) / 160))
    pen = ImageDraw.Draw(drawn)
    left, top, right, bottom = (round(edge) for edge in box)
    right, bottom = max(left + 1, right) - 1, max(top + 1, bottom) - 1  # the last pixel inside
    pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=DARK)
    pen.rectangle((left, top, right, bottom), outline=BRIGHT, width=width)
    inner = (left + width, top + width, right - width, bottom - width)
    if inner[2] > inner[0] and inner[3] > inner[1]:
        pen.rectangle(inner, outline=DARK)
    drawn.info.update(image.info)
    return drawn
