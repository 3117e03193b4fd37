"""Small raster tools that both domains share: blur, cloud-like noise, turned coordinates."""

import numpy as np
from jaxtyping import Float32
from PIL import Image, ImageFilter

PIXELS = 128
"""Side of a scene in pixels."""

UNIT = 2
"""Raster cells to a pixel: scenes are shaded at twice their size and averaged down."""

RASTER = PIXELS * UNIT

Grid = Float32[np.ndarray, "_ _"]
Colours = Float32[np.ndarray, "_ _ 3"]


def blur(values: Grid, radius: float) -> Grid:
    """Values between 0 and 1, blurred by a Gaussian of `radius` cells."""
    image = Image.fromarray((np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), np.float32) / np.float32(255)


def clouds(rng: np.random.Generator, cells: int, octaves: int = 3, stretch: int = 1) -> Grid:
    """Smooth noise over the raster with mean 0 and deviation 1; `cells` coarse grains across, each octave finer.

    `stretch` makes the grains that many times longer along x, as in wood.
    """
    total = np.zeros((RASTER, RASTER), np.float32)
    for octave in range(octaves):
        rows = min(cells * 2**octave, RASTER)
        columns = max(2, rows // stretch)
        grains = rng.standard_normal((rows, columns)).astype(np.float32)
        grown = Image.fromarray(grains).resize((RASTER, RASTER), Image.Resampling.BICUBIC)
        total += np.asarray(grown, np.float32) * np.float32(0.6**octave)
    return (total - total.mean()) / (total.std() + np.float32(1e-6))


def coordinates(angle: float) -> tuple[Grid, Grid]:
    """The raster's x and y turned by `angle`, in pixels from the middle."""
    axis = ((np.arange(RASTER, dtype=np.float32) + 0.5) / UNIT - PIXELS / 2).astype(np.float32)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return axis[None, :] * cos + axis[:, None] * sin, axis[:, None] * cos - axis[None, :] * sin


def shrink(picture: Float32[np.ndarray, "rows columns channel"]) -> Float32[np.ndarray, "height width channel"]:
    """The raster averaged down to the scene's pixels."""
    rows, columns, channels = picture.shape
    cells = picture.reshape(rows // UNIT, UNIT, columns // UNIT, UNIT, channels)
    return cells.mean((1, 3), dtype=np.float32)
