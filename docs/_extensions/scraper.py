"""What sphinx-gallery shows of a block of a tutorial: the picture that its last line is, or makes of itself."""

from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image
from sphinx_gallery.scrapers import figure_rst

from featuremaps.plotting.files import png_of


def last_value(block: tuple[str, str, int], variables: dict[str, Any], settings: dict[str, Any]) -> str:
    """Save the block's last value as a PNG file where it is a figure, a picture or a list of those."""
    value = variables["example_globals"].get("___")
    found = list(value) if isinstance(value, list) else [value]
    paths, titles = [], []
    for picture in (each for each in found if isinstance(each, Figure | Image.Image)):
        path = Path(next(variables["image_path_iterator"]))
        path.parent.mkdir(parents=True, exist_ok=True)
        _picture(picture).save(path)
        paths.append(str(path))
        titles.append(" ".join(titled(picture).split()))
    return figure_rst(paths, settings["src_dir"], ", ".join(filter(None, titles)) or "a picture that this code makes")


def titled(picture: Figure | Image.Image) -> str:
    """What a figure says it shows, for those who do not see it: its title, or those of its panels."""
    if not isinstance(picture, Figure):
        return ""
    return picture.get_suptitle() or ", ".join(filter(None, (axes.get_title() for axes in picture.axes)))


def _picture(shown: Figure | Image.Image) -> Image.Image:
    """A figure as drawn; a small picture enlarged until its shorter side has 256 pixels."""
    if isinstance(shown, Figure):
        return Image.open(BytesIO(png_of(shown))).convert("RGB").quantize(256, Image.Quantize.MEDIANCUT)
    times = max(1, -(-256 // min(shown.size)))
    return shown.resize((shown.width * times, shown.height * times), Image.Resampling.BICUBIC)
