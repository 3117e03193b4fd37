"""Pictures by optimisation: what a unit looks for, what a layer remembers, what a style is made of.

Names are loaded when they are asked for: the command line reads the options without PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featuremaps.draw.canvas import Canvas
    from featuremaps.draw.choices import Size
    from featuremaps.draw.cppn import CppnCanvas
    from featuremaps.draw.draw_units import draw, first_channels
    from featuremaps.draw.drawing import Drawing, Drawings
    from featuremaps.draw.fourier import FourierCanvas
    from featuremaps.draw.jitter import Jitter
    from featuremaps.draw.maco import MacoCanvas
    from featuremaps.draw.multiscale import Multiscale
    from featuremaps.draw.objective import Channel, ClassScore, Direction, Layer, Neuron, Objective, interpolated
    from featuremaps.draw.options import DrawOptions
    from featuremaps.draw.pixels import PixelCanvas
    from featuremaps.draw.reference import Caricature, Match

__all__ = [
    "Canvas",
    "Caricature",
    "Channel",
    "ClassScore",
    "CppnCanvas",
    "Direction",
    "DrawOptions",
    "Drawing",
    "Drawings",
    "FourierCanvas",
    "Jitter",
    "Layer",
    "MacoCanvas",
    "Match",
    "Multiscale",
    "Neuron",
    "Objective",
    "PixelCanvas",
    "Size",
    "draw",
    "first_channels",
    "interpolated",
]

_WHERE = {
    "Canvas": "canvas",
    "Caricature": "reference",
    "Channel": "objective",
    "ClassScore": "objective",
    "CppnCanvas": "cppn",
    "Direction": "objective",
    "DrawOptions": "options",
    "Drawing": "drawing",
    "Drawings": "drawing",
    "FourierCanvas": "fourier",
    "Jitter": "jitter",
    "Layer": "objective",
    "MacoCanvas": "maco",
    "Match": "reference",
    "Multiscale": "multiscale",
    "Neuron": "objective",
    "Objective": "objective",
    "PixelCanvas": "pixels",
    "Size": "choices",
    "draw": "draw_units",
    "first_channels": "draw_units",
    "interpolated": "objective",
}
"""Each name's file."""


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted(__all__)
