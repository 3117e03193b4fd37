"""The section that shows the filters of a layer: what each looks for, which frequencies pass it, how strong it is."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from featuremaps.plotting.colour_tables import check_colormap
from featuremaps.report.data import section
from featuremaps.report.encode import Json, check_either, plain, png_uri
from featuremaps.report.sprites import sprite

MOST_CELLS = 64
"""The longest side of a frequency response, in cells."""


@dataclass(frozen=True, eq=False)
class FilterTile:
    """One filter: its number, its norm, its weights as a picture of one pixel a weight, and its frequency response.

    `response` holds magnitudes with frequency zero in the middle. `twin` is the number of the filter that this one
    nearly repeats, `likeness` their cosine similarity. With a `failure` there is no picture. Raises `OptionError`
    unless exactly one of `picture` and `failure` is given.
    """

    number: int
    norm: float
    picture: Image.Image | None = None
    response: Float[Tensor, "height width"] | None = None
    dead: bool = False
    twin: int | None = None
    likeness: float | None = None
    failure: str | None = None

    def __post_init__(self) -> None:
        check_either(f"FilterTile({self.number})", "a picture", self.picture, self.failure)


@section
@dataclass(frozen=True, eq=False)
class FiltersSection:
    """The filters of `layer`. `shape` describes the layer in words, `scaling` how weights became colours.

    `shown_of` is the number of filters where not all are given.
    """

    kind: ClassVar[str] = "filters"
    question: ClassVar[str] = "What is inside"

    layer: str
    tiles: tuple[FilterTile, ...]
    scaling: str
    shape: str = ""
    shown_of: int | None = None
    title: str = "The filters of the first layer"
    colormap: str = "inferno"

    def __post_init__(self) -> None:
        check_colormap(self.colormap)

    @property
    def colormaps(self) -> tuple[str, ...]:
        """The one of the frequency responses."""
        return (self.colormap,)

    @property
    def summary(self) -> str:
        """How many filters of which layer there are, and how many are dead or nearly repeat another."""
        dead = sum(tile.dead for tile in self.tiles)
        alike = sum(tile.twin is not None for tile in self.tiles)
        repeat = "repeats" if alike == 1 else "repeat"
        return f"{len(self.tiles)} filters of {self.layer}: {dead} dead, {alike} nearly {repeat} another."

    def to_json(self) -> Json:
        """All pictures on one sheet, all responses in one sprite. A filter that cannot be encoded fails alone."""
        drawn = {tile.number: _drawn(tile) for tile in self.tiles}
        pictures = {number: image for number, image in drawn.items() if isinstance(image, Image.Image)}
        boxes, sheet = _sheet(pictures)
        responses = {tile.number: tile.response.detach().cpu() for tile in self.tiles if tile.response is not None}
        places = {number: place for place, number in enumerate(responses)}
        return {
            "layer": self.layer,
            "shape": self.shape,
            "scaling": self.scaling,
            "shown_of": self.shown_of,
            "colormap": self.colormap,
            "sheet": sheet,
            "responses": sprite(torch.stack([*responses.values()]), MOST_CELLS) if responses else None,
            "tiles": [
                {
                    "number": tile.number,
                    "norm": plain(tile.norm),
                    "box": boxes.get(tile.number),
                    "response": places.get(tile.number),
                    "dead": tile.dead,
                    "twin": tile.twin,
                    "likeness": plain(tile.likeness),
                    "failure": None if tile.number in pictures else drawn[tile.number],
                }
                for tile in self.tiles
            ],
        }


def _drawn(tile: FilterTile) -> Image.Image | str:
    """The picture of a filter in three colours, or the words that stand in its place."""
    if tile.picture is None:
        return tile.failure or ""
    try:
        return tile.picture.convert("RGB")
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _sheet(pictures: dict[int, Image.Image]) -> tuple[dict[int, list[int]], str | None]:
    """The pictures in rows on one PNG, and the box of each: left, top, width, height."""
    if not pictures:
        return {}, None
    columns = max(1, round(len(pictures) ** 0.5))
    width = max(image.width for image in pictures.values())
    height = max(image.height for image in pictures.values())
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height))
    boxes = {}
    for place, (number, image) in enumerate(pictures.items()):
        left, top = place % columns * width, place // columns * height
        sheet.paste(image, (left, top))
        boxes[number] = [left, top, image.width, image.height]
    return boxes, png_uri(sheet)
