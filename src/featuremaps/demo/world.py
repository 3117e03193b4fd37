"""Scenes of the bundled world: what lies where, drawn as a photograph or an X-ray, with the truth kept beside it.

This is the known truth that explanations are measured against: for each picture the label, the object's own pixels,
and whether the shortcut (a plain bright background) was planted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from featuremaps.demo.clutter import anything
from featuremaps.demo.geometry import Thing, Window, coverage
from featuremaps.demo.photograph import photograph
from featuremaps.demo.raster import PIXELS
from featuremaps.demo.tools import hammer, scissors
from featuremaps.demo.xray import xray
from featuremaps.errors import OptionError, did_you_mean

Label = Literal["scissors", "hammer", "neither"]
Domain = Literal["photograph", "xray"]
SHORTCUT = "plain background"


@dataclass(frozen=True)
class Scene:
    """A picture and the truth about it.

    `mask` marks the visible pixels of the scissors or the hammer and is empty for "neither"; `shortcut` names what was
    planted, "plain background", or is None.
    """

    picture: Image.Image
    label: str
    mask: Bool[np.ndarray, "height width"]
    domain: str
    shortcut: str | None
    seed: int


@dataclass(frozen=True)
class Arrangement:
    """What lies where, lowest first, before it is drawn; `subject` is the place of the labelled object in `things`.

    The seed of the light, the surface and the noise is kept here, so that two arrangements that differ in one thing
    give pictures that differ in that thing only.
    """

    things: tuple[Thing, ...]
    subject: int | None
    label: str
    domain: str
    plain: bool
    seed: int


def _check(kind: str, given: str, allowed: Sequence[str]) -> None:
    if given not in allowed:
        raise OptionError(
            f"scene(): no {kind} {given!r}.{did_you_mean(given, allowed)} The bundled world has {', '.join(allowed)}."
        )


def arrange(label: str, domain: str = "photograph", shortcut: bool = False, *, seed: int) -> Arrangement:
    """Choose what lies where. One seed gives the same object in the same place in both domains, with and without
    the shortcut. Each purpose has random numbers of its own, the same whatever else is drawn.
    """
    _check("label", label, get_args(Label))
    _check("domain", domain, get_args(Domain))
    rng = np.random.default_rng([seed, 0])
    kind = {"scissors": scissors, "hammer": hammer}.get(label)
    below = (
        ()
        if shortcut
        else _scatter(np.random.default_rng([seed, 1]), int(np.random.default_rng([seed, 2]).integers(4, 9)))
    )
    if kind is None:
        thing, length = anything(rng)
        things = (*below, _lay(thing, max(length, 26.0), rng, 14.0))
        return Arrangement(things, None, label, domain, shortcut, seed)
    thing = _lay(kind(rng), float(rng.uniform(66, 104)), rng, 13.0)
    above = () if shortcut else _over(np.random.default_rng([seed, 3]))
    return Arrangement((*below, thing, *above), len(below), label, domain, shortcut, seed)


def _lay(thing: Thing, length: float, rng: np.random.Generator, spread: float) -> Thing:
    x, y = np.clip(rng.normal(PIXELS / 2, spread, 2), 24, PIXELS - 24).tolist()
    return thing.placed(length, float(rng.uniform(0, 2 * np.pi)), (x, y))


def _scatter(rng: np.random.Generator, count: int) -> tuple[Thing, ...]:
    """Clutter spread over the picture, one thing to a cell of a coarse grid so that it does not all pile up."""
    cells = rng.permutation(9)[:count]
    laid = []
    for cell in cells.tolist():
        thing, length = anything(rng)
        x, y = (PIXELS * (np.array([cell % 3, cell // 3]) + rng.uniform(0.05, 0.95, 2)) / 3).tolist()
        laid.append(thing.placed(length, float(rng.uniform(0, 2 * np.pi)), (x, y)))
    return tuple(laid)


def _over(rng: np.random.Generator) -> tuple[Thing, ...]:
    """Now and then something at the border that may hide a bit of the object."""
    if rng.random() > 0.35:
        return ()
    thing, length = anything(rng)
    turn = float(rng.uniform(0, 2 * np.pi))
    x, y = (PIXELS / 2 + 56 * np.array([np.cos(turn), np.sin(turn)])).tolist()
    return (thing.placed(length, float(rng.uniform(0, 2 * np.pi)), (x, y)),)


def render(arrangement: Arrangement) -> Scene:
    """Draw it. The same arrangement always gives the same picture."""
    draw = {"photograph": photograph, "xray": xray}[arrangement.domain]
    values = draw(arrangement.things, arrangement.plain, np.random.default_rng([arrangement.seed, 4]))
    picture = Image.fromarray((values * 255 + 0.5).astype(np.uint8))
    shortcut = SHORTCUT if arrangement.plain else None
    return Scene(picture, arrangement.label, _mask(arrangement), arrangement.domain, shortcut, arrangement.seed)


def _mask(arrangement: Arrangement) -> Bool[np.ndarray, "height width"]:
    """The subject's pixels, less what lies over them; an X-ray passes everything, so there nothing is hidden."""
    if arrangement.subject is None:
        return np.zeros((PIXELS, PIXELS), bool)
    mask = _covered(arrangement.things[arrangement.subject])
    if arrangement.domain == "photograph":
        for thing in arrangement.things[arrangement.subject + 1 :]:
            mask &= ~_covered(thing)
    return mask


def _covered(thing: Thing) -> Bool[np.ndarray, "height width"]:
    whole = Window(0, 0, PIXELS, PIXELS)
    return np.any([coverage(part, whole, 1, over=4) > 0.5 for part in thing.parts], axis=0)


def scene(label: str, domain: str = "photograph", shortcut: bool = False, *, seed: int) -> Scene:
    """A 128 x 128 scene with "scissors", a "hammer" or "neither", as a "photograph" or an "xray".

    With `shortcut` the object lies alone on a plain bright background, else among clutter. The seed decides
    everything else, and the same seed keeps the same object in the same place whatever the domain and the shortcut.
    """
    return render(arrange(label, domain, shortcut, seed=seed))


@dataclass(frozen=True)
class Recipe:
    """One scene, not yet drawn."""

    label: str
    domain: str
    shortcut: bool
    seed: int

    def drawn(self) -> Scene:
        """The scene itself."""
        return scene(self.label, self.domain, self.shortcut, seed=self.seed)


def pictures_of(recipes: Sequence[Recipe]) -> UInt8[np.ndarray, "scene height width 3"]:
    """The pictures of several scenes; a process that draws them needs no PyTorch."""
    return np.stack([np.asarray(recipe.drawn().picture) for recipe in recipes])
