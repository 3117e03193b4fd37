"""The photograph domain: things with light, gloss and shadow on a surface, seen through a slightly imperfect camera."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from featuremaps.demo import backdrops
from featuremaps.demo.geometry import Material, Part, Thing, Window, coverage, window
from featuremaps.demo.raster import RASTER, UNIT, Colours, Grid, blur, coordinates, shrink

SHINE: dict[Material, float] = {
    "steel": 0.30,
    "brass": 0.30,
    "wood": 0.06,
    "plastic": 0.32,
    "ceramic": 0.35,
    "glass": 0.5,
    "electronics": 0.15,
}
"""How strong the highlight is on what is glossy; 0.04 on the rest."""


@dataclass(frozen=True)
class Light:
    """Where the light comes from, how hard the shadows are, and its colour."""

    angle: float
    shadow: float
    softness: float
    reach: float
    falloff: float
    tint: tuple[float, float, float]


def _light(rng: np.random.Generator) -> Light:
    warmth = float(rng.normal(0, 0.025))
    return Light(
        angle=float(rng.uniform(0, 2 * np.pi)),
        shadow=float(rng.uniform(0.3, 0.55)),
        softness=float(rng.uniform(1.5, 4.5)) * UNIT,
        reach=float(rng.uniform(1.5, 3.5)) * UNIT,
        falloff=float(rng.uniform(0.02, 0.12)),
        tint=(1 + warmth, 1.0, 1 - warmth),
    )


def photograph(things: Sequence[Thing], plain: bool, rng: np.random.Generator) -> Colours:
    """The things, lowest first, on a plain bright or a textured surface: red, green and blue from 0 to 1."""
    light = _light(rng)
    picture = backdrops.plain(rng) if plain else backdrops.textured(rng)
    for thing in things:
        _cast_shadow(picture, thing, light)
        for part in thing.parts:
            _paint(picture, part, light)
    return _camera(picture, light, rng)


def _cast_shadow(picture: Colours, thing: Thing, light: Light) -> None:
    area = window(thing.parts, RASTER, UNIT, margin=round(3 * light.softness + light.reach))
    if area.empty:
        return
    away = (light.reach * np.cos(light.angle) / UNIT, light.reach * np.sin(light.angle) / UNIT)
    far = blur(_silhouette(thing.placed(1.0, 0.0, away), area), light.softness)
    cast = 0.75 * far + 0.25 * blur(_silhouette(thing, area), 1.2 * UNIT)
    picture[area.slices] *= (1 - light.shadow * cast)[..., None]


def _silhouette(thing: Thing, area: Window) -> Grid:
    covers = [coverage(part, area, UNIT, over=1) for part in thing.parts]
    return np.max(covers, axis=0)


def _paint(picture: Colours, part: Part, light: Light) -> None:
    area = window([part], RASTER, UNIT, margin=2)
    if area.empty:
        return
    cover = coverage(part, area, UNIT)
    colour = _surface(part, area, _slope(cover, part.roundness, light.angle))
    if part.material == "glass":
        cover = cover * np.float32(0.82)
    region = picture[area.slices]
    region += (colour - region) * cover[..., None]


def _slope(cover: Grid, roundness: float, angle: float) -> Grid:
    """How far each cell turns towards the light, about -1 to 1, from the distance to the part's edge."""
    radius = (0.6 + 1.9 * roundness) * UNIT
    depth = blur(cover, radius)
    down, right = np.gradient(depth)
    lean = -(right * np.float32(np.cos(angle)) + down * np.float32(np.sin(angle)))
    return np.clip(lean * np.float32(-2.2 * radius), -1, 1)


def _surface(part: Part, area: Window, slope: Grid) -> Colours:
    """The part's colour in light: reflections on metal, grain in wood, a highlight on what is glossy."""
    base = np.asarray(part.colour, np.float32)
    diffuse = 0.92 - (0.28 + 0.2 * part.roundness) * slope
    gloss = np.clip(-slope, 0, 1) ** 3
    shine = SHINE.get(part.material, 0.04)
    if part.material in ("steel", "brass", "wood"):
        u, v = (grid[area.slices] for grid in coordinates(part.axis))
        if part.material == "wood":
            diffuse = diffuse + 0.07 * np.sin(v * 2.3 + 1.6 * np.sin(u * 0.11 + part.axis))
        else:
            diffuse = diffuse + 0.16 * np.sin(u * 0.09 + v * 0.16 + 3.0 * slope + part.axis * 3)
    return (base * diffuse[..., None] + shine * gloss[..., None]).astype(np.float32)


def _camera(picture: Colours, light: Light, rng: np.random.Generator) -> Colours:
    """Uneven light, exposure, white balance, a soft lens and noise."""
    u, v = coordinates(light.angle)
    uneven = 1 - light.falloff * (u / 64) - np.float32(rng.uniform(0.02, 0.07)) * (u**2 + v**2) / 64**2
    exposed = picture * (uneven * np.float32(rng.uniform(0.93, 1.04)))[..., None]
    small = shrink((exposed * np.asarray(light.tint, np.float32)).astype(np.float32))
    grain = rng.standard_normal(small.shape).astype(np.float32) * np.float32(rng.uniform(0.006, 0.02))
    return np.clip(small + grain, 0, 1).astype(np.float32)
