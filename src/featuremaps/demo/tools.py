"""The two objects of the bundled world, scissors and hammers, each in several makes."""

import numpy as np

from featuremaps.demo.geometry import Colour, Outline, Part, Thing, curve, ellipse, ribbon, rounded, smooth

STEEL: Colour = (0.72, 0.74, 0.77)
DARK_STEEL: Colour = (0.42, 0.43, 0.46)
PLASTICS: tuple[Colour, ...] = (
    (0.80, 0.13, 0.12),
    (0.12, 0.30, 0.66),
    (0.10, 0.10, 0.11),
    (0.95, 0.47, 0.08),
    (0.10, 0.50, 0.30),
    (0.47, 0.20, 0.55),
    (0.10, 0.55, 0.62),
    (0.93, 0.76, 0.12),
)
WOODS: tuple[Colour, ...] = ((0.72, 0.52, 0.30), (0.60, 0.38, 0.20), (0.82, 0.66, 0.44), (0.46, 0.27, 0.15))


def pick(rng: np.random.Generator, colours: tuple[Colour, ...], spread: float = 0.04) -> Colour:
    """One of the colours, a little off."""
    chosen = np.clip(np.asarray(colours[rng.integers(len(colours))]) + rng.normal(0, spread, 3), 0.02, 0.98)
    return (float(chosen[0]), float(chosen[1]), float(chosen[2]))


def scissors(rng: np.random.Generator) -> Thing:
    """Household, all-metal or tailor's scissors, more or less open."""
    metal = rng.random() < 0.25
    colour = pick(rng, (STEEL, DARK_STEEL)) if metal else pick(rng, PLASTICS)
    opening = float(rng.choice([rng.uniform(0.04, 0.2), rng.uniform(0.2, 0.75)], p=[0.3, 0.7]))
    length, width = rng.uniform(0.44, 0.56), rng.uniform(0.055, 0.085)
    reach = rng.uniform(0.30, 0.38)
    first = (rng.uniform(0.105, 0.14), rng.uniform(0.07, 0.09))
    tailors = rng.random() < 0.3
    second = (first[0] * 1.3, first[1] * 1.05) if tailors else first
    thickness = rng.uniform(0.045, 0.06) if not metal else rng.uniform(0.034, 0.045)
    lower = _half(second, length, width, reach, thickness, colour, metal)
    upper = _half(first, length, width, reach, thickness, colour, metal)
    screw = Part(
        (ellipse(0, 0, 0.026, 0.026),), "brass" if rng.random() < 0.3 else "steel", (0.55, 0.53, 0.5), roundness=0.8
    )
    parts = [part.mirrored().placed(1.0, -opening / 2, (0.0, 0.0)) for part in lower]
    parts += [part.placed(1.0, opening / 2, (0.0, 0.0)) for part in upper]
    middle = ((reach + first[0]) - length) / 2
    return Thing("scissors", tuple(part.placed(1.0, 0.0, (middle, 0.0)) for part in (*parts, screw)))


def _half(
    ring: tuple[float, float], length: float, width: float, reach: float, band: float, colour: Colour, metal: bool
) -> tuple[Part, Part]:
    """One blade along +x with its edge on the axis, and its handle towards -x, below the axis."""
    spine = curve((-0.05, width * 0.7), (length * 0.35, width * 1.05), (length * 0.8, width * 0.75), (length, 0.0))
    tang = np.array([[0.03, -0.018], [-0.05, -width * 0.45]])
    blade = np.concatenate([spine, tang])
    steel = Part((blade,), "steel", STEEL, thickness=1.0, roundness=0.25)
    low = -(ring[1] + band * 0.9)
    outer = ellipse(-reach, low, ring[0] + band * 0.55, ring[1] + band * 0.55, -0.18)
    hole = ellipse(-reach - 0.004, low, ring[0] - band * 0.45, ring[1] - band * 0.45, -0.18)
    join = (-reach + ring[0] * 0.75, low + ring[1] * 0.35)
    neck_spine = curve((0.035, 0.012), (-0.08, 0.0), (join[0] + 0.05, join[1] + 0.035), join)
    neck = ribbon(neck_spine, (width * 0.55, width * 0.95, band * 1.3, band * 1.35))
    handle = Part(
        (outer, neck),
        "steel" if metal else "plastic",
        colour,
        holes=(hole,),
        thickness=1.2 if metal else 1.6,
        roundness=0.9,
        axis=0.0,
    )
    return steel, handle


def hammer(rng: np.random.Generator) -> Thing:
    """A claw, ball-peen, cross-peen or club hammer with a wooden, plastic or steel handle."""
    grip = _handle(rng)
    heads = (_claw_head, _ball_head, _wedge_head, _club_head)
    head = heads[rng.choice(4, p=[0.4, 0.22, 0.2, 0.18])](rng)
    parts = (*grip, *head)
    if rng.random() < 0.5:
        parts = tuple(part.mirrored() for part in parts)
    return Thing("hammer", tuple(part.placed(1.0, 0.0, (-0.02, 0.0)) for part in parts))


def _handle(rng: np.random.Generator) -> tuple[Part, ...]:
    make = rng.choice(["wood", "plastic", "steel"], p=[0.55, 0.3, 0.15])
    width = rng.uniform(0.062, 0.085)
    bend = rng.uniform(-0.015, 0.015)
    spine = curve((-0.52, bend), (-0.2, -bend), (0.1, bend), (0.44, 0.0))
    if make == "wood":
        shaft = ribbon(spine, (width * 1.25, width * 1.35, width * 1.15, width * 0.85, width * 0.75, width * 0.9))
        return (Part((shaft,), "wood", pick(rng, WOODS), thickness=1.8, roundness=0.8),)
    colour = pick(rng, PLASTICS) if make == "plastic" else DARK_STEEL
    shaft = ribbon(spine, (width * 0.8, width * 0.75, width * 0.7, width * 0.7))
    rod = Part((shaft,), "plastic" if make == "plastic" else "steel", colour, thickness=1.5, roundness=0.8)
    sleeve = ribbon(spine[: rng.integers(11, 14)], (width * 1.35, width * 1.5, width * 1.25, width * 1.15))
    dark = pick(rng, ((0.10, 0.10, 0.11), (0.14, 0.17, 0.34), (0.12, 0.12, 0.12)), 0.02)
    return rod, Part((sleeve,), "rubber", dark, thickness=2.0, roundness=0.8)


def _steel(rng: np.random.Generator, *outlines: Outline, thickness: float) -> Part:
    colour = pick(rng, (STEEL, DARK_STEEL, (0.25, 0.26, 0.28)), 0.02)
    return Part(outlines, "steel", colour, thickness=thickness, roundness=0.7, axis=np.pi / 2)


def _claw_head(rng: np.random.Generator) -> tuple[Part, ...]:
    reach = rng.uniform(0.15, 0.19)
    face = rounded(0.375, 0.11, 0.485, reach + 0.035, 0.012)
    waist = rounded(0.392, 0.03, 0.468, 0.13, 0.008)
    cheek = rounded(0.36, -0.055, 0.492, 0.055, 0.02)
    hook = rng.uniform(0.02, 0.1)
    claw_spine = curve((0.44, -0.02), (0.455, -0.13), (0.42, -0.2), (0.42 - hook, -0.26))
    claw = ribbon(claw_spine, (0.1, 0.085, 0.055, 0.014))
    return (_steel(rng, face, waist, cheek, claw, thickness=4.0),)


def _ball_head(rng: np.random.Generator) -> tuple[Part, ...]:
    reach = rng.uniform(0.14, 0.19)
    face = rounded(0.37, 0.09, 0.49, reach + 0.03, 0.012)
    body = ribbon(np.array([[0.43, 0.12], [0.43, 0.04], [0.43, -0.04], [0.43, -0.11]]), (0.075, 0.115, 0.115, 0.07))
    ball = ellipse(0.43, -0.135, 0.056, 0.053)
    return (_steel(rng, face, body, ball, thickness=4.5),)


def _wedge_head(rng: np.random.Generator) -> tuple[Part, ...]:
    reach = rng.uniform(0.13, 0.17)
    body = rounded(0.372, -0.06, 0.488, reach, 0.012)
    tail = reach + rng.uniform(0.02, 0.07)
    wedge = smooth([(0.374, -0.05), (0.39, -0.12), (0.425, -tail)])
    back = smooth([(0.44, -tail), (0.475, -0.12), (0.486, -0.05)])
    return (_steel(rng, body, np.concatenate([wedge, back]), thickness=4.5),)


def _club_head(rng: np.random.Generator) -> tuple[Part, ...]:
    half, depth = rng.uniform(0.13, 0.18), rng.uniform(0.07, 0.09)
    body = rounded(0.43 - depth, -half, 0.43 + depth, half, 0.025)
    return (_steel(rng, body, thickness=5.5),)
