"""The colour tables of maps: 256 colours from low to high. Those that are used most lie beside this file as a picture.

Matplotlib has all of them, and takes longer to load than to explain a picture.
"""

from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from featuremaps.errors import OptionError, did_you_mean

SEQUENTIAL = ("inferno", "viridis", "magma", "cividis")
"""Perceptually uniform tables for values from low to high; every report offers them."""

DIVERGING = ("RdBu_r", "PuOr_r")
"""Tables with a neutral middle for signed values; every report offers them."""

BUNDLED = SEQUENTIAL + DIVERGING
"""The rows of the picture, from the top."""


def check_colormap(name: str) -> None:
    """Raises `OptionError`, with the nearest names, where matplotlib has no colormap of this name."""
    if name in BUNDLED:
        return
    from matplotlib import colormaps

    if name not in colormaps:
        raise OptionError(
            f"colormap={name!r}: matplotlib has no colormap of this name.{did_you_mean(name, colormaps)}"
            f" Use one of {', '.join(BUNDLED)}, or any other of matplotlib's."
        )


@cache
def colour_table(name: str) -> UInt8[np.ndarray, "256 3"]:
    """A colormap of matplotlib as 256 colours from low to high; `OptionError` where there is none of this name."""
    check_colormap(name)
    if name in BUNDLED:
        with Image.open(Path(__file__).with_name("colour_tables.png")) as tables:
            return np.asarray(tables)[BUNDLED.index(name)]
    return from_matplotlib(name)


def from_matplotlib(name: str) -> UInt8[np.ndarray, "256 3"]:
    """The same out of matplotlib, whatever the name."""
    from matplotlib import colormaps

    return np.rint(colormaps[name](np.linspace(0, 1, 256))[:, :3] * 255).astype(np.uint8)
