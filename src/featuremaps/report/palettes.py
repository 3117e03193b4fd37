"""The colour tables that the viewer paints with: taken from matplotlib when a report is written, 256 colours each."""

from base64 import b64encode
from functools import cache

import numpy as np

from featuremaps.errors import OptionError, did_you_mean

SEQUENTIAL = ("inferno", "viridis", "magma", "cividis")
"""Perceptually uniform tables for values from low to high; every report offers them."""

DIVERGING = ("RdBu_r", "PuOr_r")
"""Tables with a neutral middle for signed values; every report offers them."""

# matplotlib's own list of them; it offers no way to ask.
_DIVERGING_STEMS = frozenset(("BrBG", "PRGn", "PiYG", "PuOr", "RdBu", "RdGy", "RdYlBu", "RdYlGn", "Spectral")) | {
    "berlin",
    "bwr",
    "coolwarm",
    "managua",
    "seismic",
    "vanimo",
}


def is_diverging(name: str) -> bool:
    """Whether the table has a neutral middle, and so belongs to signed values."""
    return name.removesuffix("_r") in _DIVERGING_STEMS


def check_colormap(name: str) -> None:
    """Raises `OptionError`, with the nearest names, where matplotlib has no colormap of this name."""
    from matplotlib import colormaps

    if name not in colormaps:
        raise OptionError(
            f"colormap={name!r}: matplotlib has no colormap of this name.{did_you_mean(name, colormaps)}"
            f" Use one of {', '.join(SEQUENTIAL + DIVERGING)}, or any other of matplotlib's."
        )


@cache
def table(name: str) -> str:
    """256 colours from low to high as base64 of 768 bytes, red, green, blue."""
    from matplotlib import colormaps

    check_colormap(name)
    colours = colormaps[name](np.linspace(0, 1, 256))[:, :3]
    return b64encode(np.rint(colours * 255).astype(np.uint8).tobytes()).decode("ascii")


def palettes(wanted: tuple[str, ...] = ()) -> list[dict[str, object]]:
    """The tables every report offers and those `wanted` by name: `{name, diverging, colours}` each."""
    names = dict.fromkeys((*SEQUENTIAL, *DIVERGING, *wanted))
    return [{"name": name, "diverging": is_diverging(name), "colours": table(name)} for name in names]
