"""Outlines, parts and things: the vector side of the bundled world, before any light or X-ray falls on it.

A thing is drawn in its own units, its longest side about 1 along x and its middle near the origin, and is then placed
in a picture. Both domains draw the same placed things, so that only the physics of the picture differs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32
from PIL import Image, ImageDraw

Outline = Float[np.ndarray, "_ 2"]
Number = int | float
Point = tuple[Number, Number]
Colour = tuple[float, float, float]
Material = Literal["steel", "brass", "wood", "plastic", "rubber", "glass", "paper", "ceramic", "electronics"]


@dataclass(frozen=True)
class Part:
    """A piece of one material: filled outlines less holes.

    `thickness` is the depth an X-ray passes, 1 being a tool's blade; `roundness` is how far its edge curves, from a
    sheet (0) to a rod (1); `axis` is the direction of its grain in radians.
    """

    fills: tuple[Outline, ...]
    material: Material
    colour: Colour
    holes: tuple[Outline, ...] = ()
    thickness: Number = 1.0
    roundness: Number = 0.4
    axis: Number = 0.0

    def placed(self, scale: Number, angle: Number, centre: Point) -> "Part":
        """The part scaled, then turned by `angle` radians, then moved to `centre`."""
        cos, sin = np.cos(angle), np.sin(angle)
        turn = scale * np.array([[cos, sin], [-sin, cos]])
        fills = tuple(outline @ turn + np.asarray(centre) for outline in self.fills)
        holes = tuple(outline @ turn + np.asarray(centre) for outline in self.holes)
        return replace(self, fills=fills, holes=holes, axis=self.axis + angle)

    def mirrored(self) -> "Part":
        """The part seen in a mirror along the x axis."""
        flip = np.array([1.0, -1.0])
        fills = tuple(outline * flip for outline in self.fills)
        return replace(self, fills=fills, holes=tuple(hole * flip for hole in self.holes), axis=-self.axis)


@dataclass(frozen=True)
class Thing:
    """A named object: its parts from the lowest to the uppermost."""

    name: str
    parts: tuple[Part, ...]

    def placed(self, scale: Number, angle: Number, centre: Point) -> "Thing":
        """The thing `scale` pixels long, turned by `angle` radians, with its origin at `centre` (x, y)."""
        return replace(self, parts=tuple(part.placed(scale, angle, centre) for part in self.parts))


@dataclass(frozen=True)
class Window:
    """A rectangle of the picture, in pixels of the drawing raster."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, for indexing an array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def empty(self) -> bool:
        """Whether nothing of it lies in the picture."""
        return self.right - self.left < 2 or self.bottom - self.top < 2


def window(parts: Sequence[Part], raster: int, unit: int, margin: int) -> Window:
    """The part of a square raster that holds `parts`, `unit` raster cells to a pixel, with a margin around."""
    points = np.concatenate([outline for part in parts for outline in part.fills]) * unit
    low = np.clip(np.floor(points.min(0)).astype(int) - margin, 0, raster)
    high = np.clip(np.ceil(points.max(0)).astype(int) + margin, 0, raster)
    return Window(int(low[0]), int(low[1]), int(high[0]), int(high[1]))


def coverage(part: Part, area: Window, unit: int, over: int = 2) -> Float32[np.ndarray, "height width"]:
    """How much of each raster cell in `area` the part covers, 0 to 1, from `over`-fold finer polygons."""
    size = ((area.right - area.left) * over, (area.bottom - area.top) * over)
    canvas = Image.new("L", size)
    pen = ImageDraw.Draw(canvas)
    corner = np.array([area.left, area.top]) * over
    for outlines, value in ((part.fills, 255), (part.holes, 0)):
        for outline in outlines:
            pen.polygon((outline * (unit * over) - corner).ravel().tolist(), fill=value)
    return np.asarray(canvas.reduce(over), np.float32) / np.float32(255)


def ellipse(x: Number, y: Number, across: Number, along: Number, angle: Number = 0.0) -> Outline:
    """An ellipse round (x, y) with half axes `across` (x) and `along` (y), turned by `angle`."""
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    points = np.stack([across * np.cos(turn), along * np.sin(turn)], 1)
    cos, sin = np.cos(angle), np.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]]) + np.array([x, y])


def rounded(left: Number, top: Number, right: Number, bottom: Number, radius: Number) -> Outline:
    """A rectangle with rounded corners."""
    radius = min(radius, (right - left) / 2, (bottom - top) / 2)
    corners = [(right - radius, bottom - radius), (left + radius, bottom - radius)]
    corners += [(left + radius, top + radius), (right - radius, top + radius)]
    arcs = []
    for quarter, (x, y) in enumerate(corners):
        turn = np.linspace(0, np.pi / 2, 7) + quarter * np.pi / 2
        arcs.append(np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], 1))
    return np.concatenate(arcs)


def curve(*control: Point, steps: int = 24) -> Outline:
    """Points along the Bézier curve of these control points."""
    points = np.asarray(control, float)
    along = np.linspace(0, 1, steps)[:, None, None]
    layer = np.broadcast_to(points, (steps, *points.shape))
    while layer.shape[1] > 1:
        layer = layer[:, :-1] * (1 - along) + layer[:, 1:] * along
    return np.ascontiguousarray(layer[:, 0])


def ribbon(spine: Outline, widths: Sequence[Number]) -> Outline:
    """A band along `spine` whose width runs evenly through `widths`."""
    along = np.gradient(spine, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    half = np.interp(np.linspace(0, 1, len(spine)), np.linspace(0, 1, len(widths)), widths)[:, None] / 2
    return np.concatenate([spine + across * half, (spine - across * half)[::-1]])


def smooth(points: Sequence[Point], steps: int = 8) -> Outline:
    """A smooth open line through all `points` (Catmull-Rom)."""
    knots = np.asarray(points, float)
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    along = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = []
    for before, start, end, after in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        linear, square = end - before, 2 * before - 5 * start + 4 * end - after
        cubic = 3 * start - 3 * end + after - before
        pieces.append(0.5 * (2 * start + linear * along + square * along**2 + cubic * along**3))
    return np.concatenate([*pieces, knots[-1:]])
