"""The figure of a unit's pictures: what it sees of each, where that lies in the whole picture, and its map over it."""

from dataclasses import replace
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from featuremaps.figures import Panel, columns_for, in_rows, number, panels_figure
from featuremaps.scales import scale_for
from featuremaps.survey.colours import on_square, short
from featuremaps.top_maps import bar_of, over_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from featuremaps.survey.top_pictures import TopPicture, TopPictures

SIDE = 256
FRAME = (255, 196, 0)


def top_pictures_figure(found: "TopPictures") -> "Figure":
    """Bands of pictures, each with a row of crops, one of whole pictures and one of maps, as far as they are known."""
    crops = [] if all(one.whole for one in found) else [_crop(one) for one in found]
    wholes = [Panel(on_square(framed(one, SIDE)), "" if crops else _title(one)) for one in found]
    mapped = [one.map for one in found if one.map is not None]
    lowest = min((float(map.min()) for map in mapped), default=0.0)
    peak = max((float(map.abs().max()) for map in mapped), default=0.0)
    scale = scale_for("layer", lowest)
    maps = []
    for one in found:
        if one.map is not None and one.seen is not None:
            (image,) = over_picture(one.seen, [one.map], [peak], scale, 0.8, None, "seen")
            maps.append(Panel(image))
    columns = columns_for(len(found))
    kinds = [
        (panels, side)
        for panels, side in (
            (crops, "what it sees"),
            (wholes, _where(found)),
            (maps, "its map,\nover what the model saw"),
        )
        if panels
    ]
    broken = [in_rows(panels, columns) for panels, _ in kinds]
    rows = [
        [replace(row[0], side=side), *row[1:]]
        for band in zip(*broken, strict=True)
        for row, (_, side) in zip(band, kinds, strict=True)
    ]
    of = f"{found.of:,} pictures{f' of {short(found.label)}' if found.label else ''}"
    chosen = {
        "strongest": f"the {len(found)} strongest of {of}",
        "weakest": f"the {len(found)} weakest of {of}",
        "spread": f"{len(found)} of {of}, evenly spread by rank from strongest to weakest",
    }
    bar = bar_of(scale, peak, None) if maps else None
    words = "above each picture: its largest activation" + ("; frame: what the unit sees there" if crops else "")
    return panels_figure(rows, bar, title=f"{found.unit}: {chosen[found.which]}", caption=words)


def _crop(one: "TopPicture") -> Panel:
    """What the unit sees; where that is not known an empty picture that says so."""
    if one.doubt is None:
        return Panel(on_square(one.crop), _title(one))
    return Panel(Image.new("RGB", (SIDE, SIDE), "white"), _title(one), notes=(one.doubt,))


def _where(found: "TopPictures") -> str:
    """What the row of whole pictures is called: where no place is framed, why not."""
    if not all(one.whole for one in found):
        return "where"
    doubts = [one.doubt for one in found if one.doubt]
    return "whole picture\n(" + (doubts[0].replace("; ", ";\n") if doubts else "its field covers it") + ")"


def framed(one: "TopPicture", side: int | None = None) -> Image.Image:
    """The whole picture, as large as it is or its longer side `side` pixels, with what the unit sees framed."""
    image = one.image.convert("RGB")
    if one.whole or one.box is None:
        return image
    scale = 1.0 if side is None else side / max(image.size)
    drawn = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    width = max(2, round(max(drawn.size) / 90))
    least = 2 * width + 4
    left, right = _span(one.box[0] * scale, one.box[2] * scale, drawn.width, least)
    top, bottom = _span(one.box[1] * scale, one.box[3] * scale, drawn.height, least)
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


def _title(one: "TopPicture") -> str:
    return f"{number(one.value)}  {short(one.label or one.name)}"
