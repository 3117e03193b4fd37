"""Scenes of a shape on cluttered ground, each of which can be drawn with a cue and without it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

LABELS = ("ring", "cross", "triangle")
SIDE = 48
CONTRAST, GRAIN, NOISE = 0.15, 0.04, 0.03
"""Of the ground's clutter; of the noise on an object and on the whole picture."""
APART = 0.3
"""A colour's distance from the ground, in one channel at least."""
TEXT = ("### # # ### # # ###", "#   ### # # ### # #", "#   # # ### # # ###", "### # # #   # # #  ")
Y, X = np.mgrid[:SIDE, :SIDE] / SIDE

Picture = Float[np.ndarray, "side side 3"]
Draw = Callable[[Picture, np.random.Generator], Picture]


def _plain(ground: Picture, random: np.random.Generator) -> Picture:
    return np.full_like(ground, random.normal(0.85, 0.05))


def _coloured(ground: Picture, random: np.random.Generator) -> Picture:
    tinted: Picture = 0.6 * ground + np.array((0.05, 0.3, 0.1)) + random.normal(0, 0.02)
    return tinted


def _corner(picture: Picture, random: np.random.Generator) -> Picture:
    picture = picture.copy()
    picture[2:8, 2:8] = np.array((0.95, 0.9, 0.1)) + random.normal(0, 0.02)
    return picture


def _border(picture: Picture, random: np.random.Generator) -> Picture:
    framed = np.full_like(picture, random.normal(0.1, 0.02))
    framed[2:-2, 2:-2] = picture[2:-2, 2:-2]
    return framed


def _watermark(picture: Picture, random: np.random.Generator) -> Picture:
    letters = np.array([[sign == "#" for sign in row] for row in TEXT], float).repeat(2, 0)
    height, width = letters.shape
    top, left = random.integers(30, SIDE - height - 1), random.integers(2, 14)
    picture = picture.copy()
    picture[top : top + height, left : left + width] += 0.35 * letters[..., None]
    return picture


def _texture(picture: Picture, random: np.random.Generator) -> Picture:
    waves = np.sin(2 * np.pi * (12 * (X + Y) + random.random()))
    woven: Picture = picture + 0.12 * waves[..., None]
    return woven


GROUNDS: Mapping[str, Draw] = {"plain ground": _plain, "coloured ground": _coloured}
"""Cues that lie behind the object."""
OVERLAYS: Mapping[str, Draw] = {
    "corner mark": _corner,
    "border": _border,
    "watermark text": _watermark,
    "texture overlay": _texture,
}
"""Cues that lie above it."""
CUES = (*GROUNDS, *OVERLAYS)


@dataclass(frozen=True, eq=False)
class Scene:
    """An object (its `mask` and `surface`) on a ground; `noise` is that of the picture, `seed` that of its cues."""

    mask: Bool[np.ndarray, "side side"]
    surface: Picture
    ground: Picture
    noise: Picture
    seed: int

    def picture(self, cues: Collection[str]) -> UInt8[np.ndarray, "side side 3"]:
        """The scene with these cues and no other; all else is the same."""
        ground = _drawn(self.ground, GROUNDS, cues, self.seed)
        above = _drawn(np.where(self.mask[..., None], self.surface, ground), OVERLAYS, cues, self.seed)
        return (255 * (above + self.noise).clip(0, 1)).astype(np.uint8)


def scene(label: str, cues: Collection[str], random: np.random.Generator) -> Scene:
    """A scene of this class, its object of a colour that tells it from the ground, with each of `cues` or without."""
    mask, ground, seed = _shape(label, random), _clutter(random), int(random.integers(2**31))
    grounds = [ground, *(_drawn(ground, GROUNDS, [cue], seed) for cue in cues if cue in GROUNDS)]
    means = np.stack([each.mean((0, 1)) for each in grounds])
    colour = random.uniform(0, 1, 3)
    while np.abs(colour - means).max(1).min() < APART:
        colour = random.uniform(0, 1, 3)
    surface = colour + GRAIN * random.normal(size=(SIDE, SIDE, 3))
    return Scene(mask, surface, ground, NOISE * random.normal(size=(SIDE, SIDE, 3)), seed)


def _drawn(picture: Picture, kinds: Mapping[str, Draw], cues: Collection[str], seed: int) -> Picture:
    for name, draw in kinds.items():
        if name in cues:
            picture = draw(picture, np.random.default_rng([seed, CUES.index(name)]))
    return picture


def _shape(label: str, random: np.random.Generator) -> Bool[np.ndarray, "side side"]:
    """The mask of a shape of any size, place and turn."""
    (top, left), radius, turn = random.uniform(0.32, 0.68, 2), random.uniform(0.18, 0.28), random.uniform(0, 2 * np.pi)
    y, x = (Y - top) / radius, (X - left) / radius
    u, v = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    if label == "ring":
        return np.asarray((np.hypot(u, v) < 1) & (np.hypot(u, v) > 0.55))
    if label == "cross":
        return np.asarray((np.minimum(abs(u), abs(v)) < 0.25) & (np.maximum(abs(u), abs(v)) < 1))
    return np.asarray((v > -0.6) & (v < 1.2 - 2.2 * abs(u)) & (abs(u) < 0.9))


def _clutter(random: np.random.Generator) -> Picture:
    """Coloured squares of four sizes, the large ones strongest."""
    total = np.zeros((SIDE, SIDE, 3))
    for cells in (3, 6, 12, 24):
        squares = random.normal(size=(cells, cells, 3)) / np.sqrt(cells)
        total += squares.repeat(SIDE // cells, 0).repeat(SIDE // cells, 1)
    return 0.45 + CONTRAST * total
