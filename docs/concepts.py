"""Make the picture of concepts.md: `python docs/concepts.py` tells plain ground from clutter in bundled networks."""

from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

import featuremaps as fm
from featuremaps.demo.dataset import World
from featuremaps.demo.drawn import draw, recipes
from featuremaps.plotting.files import png_of

KINDS = ("scissors", "hammer", "neither")


def main() -> None:
    """Write docs/concepts.png, and say what it shows."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        for name, plain, first in (("plain ground", True, 41_000_000), ("clutter", False, 42_000_000)):
            draw({place / name: recipes("photograph", [(kind, plain) for kind in KINDS], 15, first)}, 1)
        draw({place / "photos": tuple(World(40, dict.fromkeys(KINDS, 0.5), seed=31_000_000).recipes)}, 1)
        figures = []
        for name in ("demo", "demo-fixed"):
            scope = fm.load(name)
            concept = scope.concept(place / "plain ground", place / "clutter")
            resting = scope.sensitivity(concept, place / "photos")
            print(concept, resting, sep="\n")  # noqa: T201
            figures += [concept.figure(), resting.figure()] if name == "demo" else [resting.figure()]
        stacked([Image.open(BytesIO(png_of(figure))) for figure in figures]).save(Path(__file__).with_suffix(".png"))


def stacked(pictures: list[Image.Image]) -> Image.Image:
    """Pictures below each other, in few colours."""
    whole = Image.new("RGB", (max(each.width for each in pictures), sum(each.height for each in pictures)), "white")
    top = 0
    for each in pictures:
        whole.paste(each, ((whole.width - each.width) // 2, top))
        top += each.height
    return whole.quantize(192)


if __name__ == "__main__":
    main()
