"""The X-ray domain: the same things as a luggage scanner sees them, translucent, coloured by what they are made of.

Light passes each part with a loss that grows with its depth (Beer-Lambert), separately for red, green and blue, so
that overlapping things multiply. Light organic matter looks orange, glass and electronics green, metal blue to black.
"""

from collections.abc import Sequence

import numpy as np

from featuremaps.demo.geometry import Material, Part, Thing, coverage, rounded, window
from featuremaps.demo.raster import PIXELS, RASTER, UNIT, Colours, Grid, blur, clouds, coordinates, shrink

ORGANIC = (0.03, 0.26, 0.62)
MIXED = (0.62, 0.14, 0.52)
METAL = (1.00, 0.62, 0.24)
LOSS: dict[Material, tuple[tuple[float, float, float], float]] = {
    "steel": (METAL, 0.9),
    "brass": (METAL, 0.9),
    "wood": (ORGANIC, 0.5),
    "plastic": (ORGANIC, 0.6),
    "rubber": (ORGANIC, 0.6),
    "paper": (ORGANIC, 0.4),
    "glass": (MIXED, 0.5),
    "ceramic": (MIXED, 0.5),
    "electronics": (MIXED, 0.75),
}
"""Loss of red, green and blue per unit of depth, and the density of each material."""


def xray(things: Sequence[Thing], plain: bool, rng: np.random.Generator) -> Colours:
    """The things in an empty tray, or in a packed bag: red, green and blue from 0 to 1."""
    depth = np.zeros((RASTER, RASTER, 3), np.float32)
    if not plain:
        _pack_bag(depth, rng)
    for thing in things:
        for part in thing.parts:
            _absorb(depth, part)
    return _scanner(np.exp(-depth), rng)


def _absorb(depth: Colours, part: Part) -> None:
    area = window([part], RASTER, UNIT, margin=2)
    if area.empty:
        return
    cover = coverage(part, area, UNIT)
    colour, density = LOSS[part.material]
    through = _profile(cover, part.roundness) * np.float32(part.thickness * density)
    depth[area.slices] += through[..., None] * np.asarray(colour, np.float32)


def _profile(cover: Grid, roundness: float) -> Grid:
    """Depth across a part: even for a sheet, deeper in the middle for a rod."""
    inside = np.clip(2 * blur(cover, (0.5 + 1.8 * roundness) * UNIT) - 1, 0, 1) ** np.float32(0.7)
    return cover * (1 - np.float32(0.6 * roundness) * (1 - inside))


def _pack_bag(depth: Colours, rng: np.random.Generator) -> None:
    """A bag's walls, seams and frame, and the clothes in it."""
    organic, metal = np.asarray(ORGANIC, np.float32), np.asarray(METAL, np.float32)
    left, top = rng.uniform(-14, 8, 2)
    right, bottom = PIXELS - rng.uniform(-14, 8, 2)
    shell = Part((rounded(left, top, right, bottom, float(rng.uniform(8, 24))),), "paper", (0.0, 0.0, 0.0))
    area = window([shell], RASTER, UNIT, margin=0)
    cover = coverage(shell, area, UNIT)
    wall = cover * np.clip(2 - 2 * blur(cover, 2.0 * UNIT), 0, 1)
    depth[area.slices] += (0.10 * cover + 0.55 * wall)[..., None] * organic
    folds = np.abs(clouds(rng, int(rng.integers(3, 6)), 4))
    heap = np.clip(clouds(rng, 3, 2) + np.float32(rng.uniform(-0.2, 0.8)), 0, 2.5)
    depth += (np.float32(rng.uniform(0.12, 0.3)) * heap * (0.6 + 0.4 * folds))[..., None] * organic
    u, v = coordinates(float(rng.choice([0.0, np.pi / 2])) + float(rng.normal(0, 0.04)))
    zip_at = float(rng.uniform(-52, 52))
    teeth = np.clip(1.4 - np.abs(v - zip_at), 0, 1) * (0.5 + 0.5 * np.sign(np.sin(u * 2.4)))
    depth += (0.5 * teeth)[..., None] * metal
    if rng.random() < 0.5:
        rod = np.clip(1.8 - np.abs(u - float(rng.uniform(-50, 50))), 0, 1)
        depth += (0.45 * rod)[..., None] * metal


def _scanner(light: Colours, rng: np.random.Generator) -> Colours:
    """The belt's gain from line to line, sharpened edges, and noise."""
    small = shrink(light)
    soft = np.stack([blur(small[..., channel], 1.5) for channel in range(3)], -1)
    lines = rng.standard_normal((1, PIXELS, 1)).astype(np.float32) * np.float32(0.006)
    noise = rng.standard_normal(small.shape).astype(np.float32) * np.float32(rng.uniform(0.004, 0.014))
    gain = np.float32(rng.uniform(0.95, 1.0))
    return np.clip((small + 0.5 * (small - soft)) * gain * (1 + lines) + noise, 0, 1).astype(np.float32)
