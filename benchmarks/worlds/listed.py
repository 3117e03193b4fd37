"""The worlds that are reported: a shortcut at two strengths, the same cues in every class alike, no cue, and two."""

from benchmarks.worlds.world import Cue, World

SHARES = {
    "plain ground": (0.8, 0.9),
    "coloured ground": (0.9, 0.97),
    "corner mark": (0.8, 0.97),
    "border": (0.8, 0.9),
    "watermark text": (0.9, 0.97),
    "texture overlay": (0.8, 0.97),
}
PAIRS = (
    ("corner mark", "border"),
    ("coloured ground", "watermark text"),
    ("texture overlay", "corner mark"),
    ("plain ground", "border"),
)
"""The first goes with label 0, the second with label 1."""


def leaning(name: str, share: float, label: int = 0) -> Cue:
    """A cue that so many pictures of a class have, and so many of the others lack."""
    return Cue(name, label, share, round(1 - share, 2))


def planted(first: int = 1) -> list[World]:
    """Twelve worlds with a shortcut to label 0, their seeds from `first` on."""
    cues = [leaning(name, share) for name, shares in SHARES.items() for share in shares]
    return [World((cue,), first + place) for place, cue in enumerate(cues)]


def clean(first: int = 101) -> list[World]:
    """Six worlds without any cue, and six with one in half of every class."""
    bare = [World((), first + place) for place in range(6)]
    return bare + [World((Cue(name, 0, 0.5, 0.5),), first + 6 + place) for place, name in enumerate(SHARES)]


def pairs(first: int = 201) -> list[World]:
    """Four worlds with two shortcuts."""
    return [World((leaning(a, 0.9), leaning(b, 0.9, 1)), first + place) for place, (a, b) in enumerate(PAIRS)]


def listed(trial: int = 0) -> dict[str, World]:
    """All of them by name; with `trial` those of other seeds, to try changes on."""
    kinds = {"planted": planted(1 + trial), "clean": clean(101 + trial), "pair": pairs(201 + trial)}
    return {f"{kind} {world.seed - trial}: {world.name}": world for kind, worlds in kinds.items() for world in worlds}
