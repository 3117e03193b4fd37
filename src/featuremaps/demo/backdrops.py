"""What things lie on in the photograph domain: plain bright paper, or wood, cloth, stone, tiles, print and metal."""

from collections.abc import Callable

import numpy as np

from featuremaps.demo.geometry import Colour
from featuremaps.demo.raster import PIXELS, RASTER, Colours, Grid, clouds, coordinates
from featuremaps.demo.tools import WOODS, pick

BRIGHTS: tuple[Colour, ...] = (
    (0.95, 0.95, 0.95),
    (0.94, 0.92, 0.87),
    (0.88, 0.92, 0.95),
    (0.93, 0.89, 0.90),
    (0.90, 0.94, 0.89),
    (0.90, 0.90, 0.92),
)
CLOTHS: tuple[Colour, ...] = ((0.55, 0.18, 0.18), (0.20, 0.30, 0.48), (0.62, 0.58, 0.48), (0.25, 0.38, 0.28))
STONES: tuple[Colour, ...] = ((0.55, 0.54, 0.52), (0.72, 0.68, 0.62), (0.35, 0.36, 0.38), (0.60, 0.48, 0.42))


def _tinted(colour: Colour, shade: Grid) -> Colours:
    return np.asarray(colour, np.float32) * shade[..., None]


def plain(rng: np.random.Generator) -> Colours:
    """A sheet of bright, nearly uniform paper."""
    return _tinted(pick(rng, BRIGHTS, 0.012), 1 + 0.006 * clouds(rng, 6, 4))


def _wood(rng: np.random.Generator) -> Colours:
    grain = clouds(rng, 64, 2, stretch=24)
    rings = np.sin(clouds(rng, 10, 1, stretch=5) * 5).astype(np.float32)
    shade = 1 + 0.06 * grain + 0.06 * rings
    boards = float(rng.uniform(26, 50))
    across = (np.arange(RASTER, dtype=np.float32) / (RASTER / PIXELS) + float(rng.uniform(0, boards))) / boards
    tones = rng.normal(1, 0.09, int(across.max()) + 1).astype(np.float32)
    gap = np.clip(np.abs(across % 1 - 0.5) * boards * 2 - (boards - 1.2), 0, 1)
    row = (tones[across.astype(int)] * (1 - 0.55 * gap)).astype(np.float32)
    picture = _tinted(pick(rng, WOODS), shade * row[:, None])
    return np.ascontiguousarray(picture.transpose(1, 0, 2)) if rng.random() < 0.5 else picture


def _cloth(rng: np.random.Generator) -> Colours:
    u, v = coordinates(float(rng.uniform(0, np.pi)))
    thread = float(rng.uniform(1.6, 2.6))
    weave = np.sin(u * (2 * np.pi / thread)) * np.sin(v * (2 * np.pi / thread))
    return _tinted(pick(rng, CLOTHS), (1 + 0.16 * weave + 0.09 * clouds(rng, 4, 4)).astype(np.float32))


def _checked(rng: np.random.Generator) -> Colours:
    u, v = coordinates(float(rng.uniform(0, np.pi)))
    pitch = float(rng.uniform(12, 26))
    bands = ((u % pitch < pitch / 2).astype(np.float32) + (v % pitch < pitch / 2).astype(np.float32)) / 2
    bright, dark = np.asarray(pick(rng, BRIGHTS), np.float32), np.asarray(pick(rng, CLOTHS), np.float32)
    picture = bright + (dark - bright) * bands[..., None]
    return (picture * (1 + 0.04 * clouds(rng, 50, 2))[..., None]).astype(np.float32)


def _stone(rng: np.random.Generator) -> Colours:
    veins = np.exp(-np.abs(clouds(rng, 3, 4)) * 5).astype(np.float32)
    speckle = clouds(rng, 120, 2)
    strength = float(rng.choice([-0.3, 0.3]))
    return _tinted(pick(rng, STONES), 1 + strength * veins + 0.07 * speckle + 0.06 * clouds(rng, 5, 3))


def _tiles(rng: np.random.Generator) -> Colours:
    u, v = coordinates(float(rng.uniform(0, np.pi)))
    pitch = float(rng.uniform(20, 40))
    shift = rng.uniform(0, pitch, 2)
    column, row = (u + np.float32(200 + shift[0])) / pitch, (v + np.float32(200 + shift[1])) / pitch
    tones = rng.normal(1, 0.08, (64, 64)).astype(np.float32)[row.astype(int) % 64, column.astype(int) % 64]
    edge = np.maximum(np.abs(column % 1 - 0.5), np.abs(row % 1 - 0.5)) * pitch
    grout = np.clip(edge - (pitch / 2 - 1.2), 0, 1).astype(np.float32)
    colour = pick(rng, (*STONES, (0.30, 0.45, 0.52), (0.75, 0.72, 0.64)))
    return _tinted(colour, tones * (1 - 0.4 * grout) * (1 + 0.03 * clouds(rng, 20, 3)))


def _print(rng: np.random.Generator) -> Colours:
    angle = float(rng.uniform(-0.5, 0.5)) + float(rng.choice([0.0, np.pi / 2]))
    u, v = coordinates(angle)
    leading, measure = float(rng.uniform(5, 8)), float(rng.uniform(40, 60))
    line, place = (v + 300) / leading, (u + 300) % measure
    words = rng.random((256, 256)).astype(np.float32)
    blank = words[line.astype(int) % 256, ((u + 300) / 2.2).astype(int) % 256] < 0.2
    ink = (np.abs(line % 1 - 0.5) < 0.24) & (place < measure - 6) & ~blank
    heading = words[line.astype(int) % 256, 0] < 0.15
    bold = heading & (np.abs(line % 1 - 0.5) < 0.36) & (place < measure * 0.6)
    shade = 1 - 0.5 * (ink & ~heading) - 0.65 * bold
    return _tinted(pick(rng, ((0.86, 0.84, 0.78), (0.80, 0.78, 0.74))), shade.astype(np.float32))


def _bench(rng: np.random.Generator) -> Colours:
    scratches = clouds(rng, 128, 1, stretch=40)
    shade = 1 + 0.10 * clouds(rng, 4, 4) + 0.10 * np.maximum(scratches, 0)
    return _tinted(pick(rng, ((0.30, 0.33, 0.36), (0.24, 0.30, 0.28), (0.45, 0.42, 0.40))), shade.astype(np.float32))


TEXTURES: tuple[Callable[[np.random.Generator], Colours], ...] = (
    _wood,
    _wood,
    _cloth,
    _checked,
    _stone,
    _tiles,
    _print,
    _bench,
)


def textured(rng: np.random.Generator) -> Colours:
    """A surface with a pattern of its own."""
    return TEXTURES[rng.integers(len(TEXTURES))](rng).astype(np.float32)
