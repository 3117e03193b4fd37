"""The figure of a unit's pictures: what it sees of each, where that lies in the whole picture, and its map over it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from textwrap import fill

from PIL import Image, ImageDraw

from featuremaps.plotting.class_colours import on_square, short
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.panels import Bar, Panel, columns_for, in_rows, panels_figure, three_digits

SIDE = 256
FRAME = (255, 196, 0)
Frame = tuple[int, int, int, int]
"""Left, top, right and bottom in a picture, in pixels."""


@dataclass(frozen=True, eq=False)
class ShownPicture:
    """A picture, its name or class, and the unit's value there.

    `frame` is the part that the unit sees, None where it is all of it, or unknown, which `doubt` then says. `overlay`
    is the unit's map over what the model saw.
    """

    image: Image.Image
    name: str
    value: float
    frame: Frame | None
    doubt: str = ""
    overlay: Image.Image | None = None


def top_pictures_figure(
    pictures: Sequence[ShownPicture], title: str, bar: Bar, framed_as: str = "what it sees"
) -> Figure:
    """Bands of pictures, each with a row of crops, one of whole pictures and one of maps, as far as they are known.

    `bar` explains the colours of the maps, `framed_as` says what is cut out and framed.
    """
    unframed = all(picture.frame is None for picture in pictures)
    crops = [] if unframed else [_crop(picture) for picture in pictures]
    wholes = [
        Panel(on_square(framed(picture.image, picture.frame, SIDE)), _title(picture) if unframed else "")
        for picture in pictures
    ]
    maps = [Panel(picture.overlay) for picture in pictures if picture.overlay is not None]
    columns = columns_for(len(pictures))
    sides = {framed_as: crops, _where(pictures): wholes, "its map,\nover what the model saw": maps}
    kinds = {side: in_rows(panels, columns) for side, panels in sides.items() if panels}
    rows = [
        [replace(row[0], side=side), *row[1:]]
        for band in zip(*kinds.values(), strict=True)
        for side, row in zip(kinds, band, strict=True)
    ]
    frame = "what the unit sees there" if framed_as == "what it sees" else f"{framed_as}, in which that is"
    words = "above each picture: its largest activation" + (f"; frame: {frame}" if crops else "")
    return panels_figure(rows, bar if maps else None, title=title, caption=words)


def _crop(picture: ShownPicture) -> Panel:
    """What the unit sees; where that is not known an empty picture that says so."""
    if picture.doubt:
        return Panel(Image.new("RGB", (SIDE, SIDE), "white"), _title(picture), notes=(picture.doubt,))
    seen = picture.image if picture.frame is None else picture.image.crop(picture.frame)
    return Panel(on_square(seen), _title(picture))


def _where(pictures: Sequence[ShownPicture]) -> str:
    """What the row of whole pictures is called: where no place is framed, why not."""
    if any(picture.frame is not None for picture in pictures):
        return "where"
    doubts = [picture.doubt for picture in pictures if picture.doubt]
    return "whole picture\n" + fill(f"({doubts[0] if doubts else 'its field covers it'})", 28)


def framed(image: Image.Image, frame: Frame | None, side: int | None = None) -> Image.Image:
    """The picture with a frame in it, its longer side `side` pixels; without a frame as it is."""
    image = image.convert("RGB")
    if frame is None:
        return image
    scale = 1.0 if side is None else side / max(image.size)
    drawn = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    width = max(2, round(max(drawn.size) / 90))
    least = 2 * width + 4
    left, right = _span(frame[0] * scale, frame[2] * scale, drawn.width, least)
    top, bottom = _span(frame[1] * scale, frame[3] * scale, drawn.height, least)
    across, down = int(right - left > 1), int(bottom - top > 1)
    pen = ImageDraw.Draw(drawn)
    pen.rectangle((left, top, right, bottom), outline=(0, 0, 0), width=width + 2)
    pen.rectangle((left + across, top + down, right - across, bottom - down), outline=FRAME, width=width)
    return drawn


def _span(start: float, stop: float, size: int, least: int) -> tuple[int, int]:
    """The first and the last pixel of a frame along one side; one too small to be seen is widened about its middle."""
    first, last = round(start), round(stop) - 1
    if last - first + 1 < least:
        first = min(max(0, round((start + stop - least) / 2)), max(0, size - least))
        last = first + least - 1
    return first, min(last, size - 1)


def _title(picture: ShownPicture) -> str:
    return f"{three_digits(picture.value)}  {short(picture.name)}"
