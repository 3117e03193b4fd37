"""Pictures by optimisation: what a unit looks for, what a layer remembers, what a style is made of."""

from featuremaps.draw.canvas import Canvas
from featuremaps.draw.cppn import CppnCanvas
from featuremaps.draw.draw import draw, first_channels
from featuremaps.draw.drawing import Drawing, Drawings
from featuremaps.draw.fourier import FourierCanvas
from featuremaps.draw.jitter import Jitter
from featuremaps.draw.maco import MacoCanvas
from featuremaps.draw.multiscale import Multiscale
from featuremaps.draw.objective import Channel, ClassScore, Direction, Layer, Neuron, Objective, interpolated
from featuremaps.draw.options import DrawOptions, Size
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
