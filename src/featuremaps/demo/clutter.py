"""Everyday things that lie about in the bundled world: none is scissors or a hammer, several share a part with one.

A tape roll and spectacles have rings like scissors' handles, a screwdriver and a spanner a shaft and steel like a
hammer, so that a model has to look at more than one part.
"""

from collections.abc import Callable

import numpy as np

from featuremaps.demo.geometry import Colour, Material, Part, Thing, curve, ellipse, ribbon, rounded, smooth
from featuremaps.demo.tools import DARK_STEEL, PLASTICS, STEEL, WOODS, pick

PAPERS: tuple[Colour, ...] = ((0.93, 0.91, 0.85), (0.86, 0.78, 0.62), (0.70, 0.55, 0.36), (0.80, 0.30, 0.25))
GLASSES: tuple[Colour, ...] = ((0.15, 0.42, 0.25), (0.42, 0.25, 0.10), (0.55, 0.72, 0.80), (0.20, 0.35, 0.60))
GOLD: Colour = (0.80, 0.64, 0.28)


def _key(rng: np.random.Generator) -> Thing:
    colour = pick(rng, (GOLD, STEEL))
    bow = ellipse(-0.3, 0, rng.uniform(0.16, 0.2), rng.uniform(0.15, 0.19))
    teeth = [rounded(x, 0.02, x + 0.05, rng.uniform(0.07, 0.13), 0.01) for x in (0.2, 0.29, 0.38)]
    shaft = rounded(-0.2, -0.04, 0.48, 0.045, 0.02)
    metal: Material = "brass" if colour[2] < 0.5 else "steel"
    return Thing("key", (Part((bow, shaft, *teeth), metal, colour, (ellipse(-0.37, 0, 0.06, 0.06),)),))


def _bottle(rng: np.random.Generator) -> Thing:
    body = rounded(-0.5, -0.15, 0.18, 0.15, 0.05)
    shoulder = ribbon(np.array([[0.12, 0.0], [0.2, 0.0], [0.28, 0.0], [0.36, 0.0]]), (0.3, 0.26, 0.14, 0.1))
    neck = rounded(0.3, -0.05, 0.44, 0.05, 0.01)
    cap = Part((rounded(0.41, -0.06, 0.5, 0.06, 0.015),), "plastic", pick(rng, PLASTICS))
    label = Part((rounded(-0.36, -0.152, 0.04, 0.152, 0.01),), "paper", pick(rng, PAPERS), thickness=0.2, roundness=0.9)
    glass = Part((body, shoulder, neck), "glass", pick(rng, GLASSES), thickness=1.6, roundness=1.0)
    return Thing("bottle", (glass, label, cap))


def _box(rng: np.random.Generator) -> Thing:
    tall = rng.uniform(0.2, 0.36)
    card = Part((rounded(-0.5, -tall, 0.5, tall, 0.02),), "paper", pick(rng, PAPERS), thickness=0.9, roundness=0.05)
    stripe = Part(
        (rounded(-0.09, -tall, 0.09, tall, 0.0),), "plastic", pick(rng, PLASTICS), thickness=0.12, roundness=0.02
    )
    return Thing("box", (card, stripe))


def _pen(rng: np.random.Generator) -> Thing:
    colour = pick(rng, PLASTICS)
    barrel = Part((rounded(-0.5, -0.035, 0.38, 0.035, 0.03),), "plastic", colour, roundness=1.0)
    tip = Part((np.array([[0.37, -0.03], [0.5, -0.006], [0.5, 0.006], [0.37, 0.03]]),), "steel", STEEL, roundness=1.0)
    clip = Part((rounded(-0.48, -0.012, -0.18, 0.012, 0.01),), "steel", STEEL, roundness=0.5)
    return Thing("pen", (barrel, tip, clip))


def _spoon(rng: np.random.Generator) -> Thing:
    colour = pick(rng, (STEEL, STEEL, WOODS[0]))
    material: Material = "wood" if colour[2] < 0.5 else "steel"
    bowl = ellipse(0.36, 0, 0.15, 0.095)
    handle = ribbon(curve((-0.5, 0), (-0.2, 0.01), (0.24, 0.0)), (0.075, 0.05, 0.035, 0.04))
    dip = Part((ellipse(0.37, 0, 0.12, 0.07),), material, colour, thickness=0.1, roundness=0.9)
    return Thing("spoon", (Part((bowl, handle), material, colour, thickness=0.7), dip))


def _coin(rng: np.random.Generator) -> Thing:
    colour = pick(rng, (GOLD, STEEL, (0.62, 0.38, 0.22)))
    rim = Part((ellipse(0, 0, 0.5, 0.5),), "brass", colour, thickness=0.8, roundness=0.3)
    face = Part((ellipse(0, 0, 0.38, 0.38),), "brass", colour, thickness=0.3, roundness=0.15)
    return Thing("coin", (rim, face))


def _cable(rng: np.random.Generator) -> Thing:
    steps = np.linspace(-0.5, 0.5, 7)
    spine = smooth([(float(x), float(rng.uniform(-0.3, 0.3))) for x in steps])
    colour = pick(rng, ((0.08, 0.08, 0.09), (0.9, 0.9, 0.9), *PLASTICS[:2]))
    cord = Part((ribbon(spine, (0.035, 0.035)),), "rubber", colour, thickness=0.9, roundness=1.0)
    ends = spine[[0, -1]]
    plugs = tuple(rounded(x - 0.05, y - 0.04, x + 0.05, y + 0.04, 0.01) for x, y in ends.tolist())
    return Thing("cable", (cord, Part(plugs, "electronics", colour, thickness=1.2)))


def _comb(rng: np.random.Generator) -> Thing:
    spine = rounded(-0.5, -0.1, 0.5, -0.02, 0.03)
    teeth = [rounded(x, -0.03, x + 0.016, 0.12, 0.006) for x in np.linspace(-0.48, 0.46, 24).tolist()]
    return Thing("comb", (Part((spine, *teeth), "plastic", pick(rng, PLASTICS), thickness=0.8),))


def _phone(rng: np.random.Generator) -> Thing:
    body = Part((rounded(-0.5, -0.25, 0.5, 0.25, 0.05),), "electronics", pick(rng, PLASTICS), thickness=1.1)
    screen = Part(
        (rounded(-0.45, -0.22, 0.45, 0.22, 0.03),), "glass", (0.07, 0.08, 0.10), thickness=0.4, roundness=0.05
    )
    chip = Part((rounded(-0.1, -0.15, 0.22, 0.08, 0.01),), "electronics", (0.07, 0.08, 0.10), thickness=0.5)
    camera = Part((ellipse(-0.41, 0, 0.02, 0.02),), "glass", (0.2, 0.25, 0.35))
    return Thing("phone", (body, chip, screen, camera))


def _tape(rng: np.random.Generator) -> Thing:
    colour = pick(rng, ((0.80, 0.70, 0.45), (0.25, 0.25, 0.27), *PLASTICS))
    inner = rng.uniform(0.24, 0.32)
    roll = Part((ellipse(0, 0, 0.5, 0.5),), "plastic", colour, (ellipse(0, 0, inner, inner),), 1.6, 0.3)
    core = Part(
        (ellipse(0, 0, inner + 0.05, inner + 0.05),), "paper", PAPERS[1], (ellipse(0, 0, inner, inner),), 0.8, 0.2
    )
    return Thing("tape", (roll, core))


def _spanner(rng: np.random.Generator) -> Thing:
    handle = rounded(-0.36, -0.05, 0.32, 0.05, 0.02)
    jaw = ellipse(0.37, 0, 0.14, 0.13)
    gap = np.array([[0.36, -0.06], [0.56, -0.075], [0.56, 0.045], [0.36, 0.03]])
    ring, hole = ellipse(-0.39, 0, 0.12, 0.12), ellipse(-0.39, 0, 0.065, 0.065)
    colour = pick(rng, (STEEL, DARK_STEEL))
    return Thing("spanner", (Part((handle, jaw, ring), "steel", colour, (gap, hole), thickness=2.0),))


def _screwdriver(rng: np.random.Generator) -> Thing:
    grip = ribbon(curve((-0.5, 0), (-0.3, 0), (-0.02, 0)), (0.1, 0.15, 0.15, 0.13, 0.07))
    shaft = Part((rounded(-0.05, -0.022, 0.44, 0.022, 0.005),), "steel", STEEL, thickness=1.5, roundness=1.0)
    blade = Part((np.array([[0.42, -0.022], [0.5, -0.03], [0.5, 0.03], [0.42, 0.022]]),), "steel", DARK_STEEL)
    return Thing("screwdriver", (shaft, blade, Part((grip,), "plastic", pick(rng, PLASTICS), thickness=1.8)))


def _spectacles(rng: np.random.Generator) -> Thing:
    colour = pick(rng, PLASTICS)
    high = rng.uniform(0.15, 0.19)
    rims = (ellipse(-0.27, 0, 0.22, high), ellipse(0.27, 0, 0.22, high))
    holes = (ellipse(-0.27, 0, 0.185, high - 0.035), ellipse(0.27, 0, 0.185, high - 0.035))
    bridge = ribbon(curve((-0.08, -0.03), (0, -0.09), (0.08, -0.03)), (0.035, 0.035))
    lens = Part(holes, "glass", (0.75, 0.82, 0.86), thickness=0.25, roundness=0.2)
    return Thing("spectacles", (lens, Part((*rims, bridge), "plastic", colour, holes, thickness=0.9, roundness=0.9)))


def _mug(rng: np.random.Generator) -> Thing:
    colour = pick(rng, ((0.92, 0.91, 0.88), *PLASTICS))
    handle = ribbon(curve((0.2, -0.12), (0.56, -0.16), (0.56, 0.16), (0.2, 0.12)), (0.07, 0.07))
    body = Part((rounded(-0.42, -0.3, 0.26, 0.3, 0.06), handle), "ceramic", colour, thickness=2.0, roundness=0.9)
    band = Part((rounded(-0.42, -0.1, 0.26, 0.1, 0.0),), "ceramic", pick(rng, PLASTICS), thickness=0.1, roundness=0.02)
    return Thing("mug", (body, band))


def _battery(rng: np.random.Generator) -> Thing:
    body = Part((rounded(-0.46, -0.14, 0.44, 0.14, 0.02),), "electronics", pick(rng, PLASTICS), (), 2.5, 1.0)
    top = Part((rounded(0.2, -0.141, 0.45, 0.141, 0.02),), "brass", (0.78, 0.58, 0.30), thickness=0.4, roundness=1.0)
    nub = Part((rounded(0.43, -0.05, 0.5, 0.05, 0.01),), "steel", STEEL, thickness=1.5, roundness=1.0)
    return Thing("battery", (nub, body, top))


MAKERS: dict[str, tuple[Callable[[np.random.Generator], Thing], tuple[float, float]]] = {
    "key": (_key, (30, 44)),
    "bottle": (_bottle, (64, 92)),
    "box": (_box, (40, 66)),
    "pen": (_pen, (54, 80)),
    "spoon": (_spoon, (56, 82)),
    "coin": (_coin, (12, 19)),
    "cable": (_cable, (60, 96)),
    "comb": (_comb, (48, 66)),
    "phone": (_phone, (52, 70)),
    "tape": (_tape, (28, 44)),
    "spanner": (_spanner, (54, 84)),
    "screwdriver": (_screwdriver, (54, 84)),
    "spectacles": (_spectacles, (52, 70)),
    "mug": (_mug, (44, 62)),
    "battery": (_battery, (28, 42)),
}
"""What may lie about, and between which lengths in pixels."""


def anything(rng: np.random.Generator) -> tuple[Thing, float]:
    """Any one of these things, in its own units, and its length in pixels."""
    make, (shortest, longest) = MAKERS[str(rng.choice(list(MAKERS)))]
    return make(rng), float(rng.uniform(shortest, longest))
