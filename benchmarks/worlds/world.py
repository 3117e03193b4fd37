"""A world: which cues go with which class, its pictures with and without them, and its network."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Bool, Int, UInt8

from benchmarks.worlds.scenes import LABELS, Scene, scene

MADE = 2
"""To be raised where scenes are drawn or networks trained otherwise, so that none of before is taken from the cache."""
FRESH = 10_000
"""Added to a world's seed for the pictures that a search sees."""


@dataclass(frozen=True)
class Cue:
    """Something simple that a `share` of the pictures of class `label` has, and `elsewhere` of the others'."""

    name: str
    label: int
    share: float
    elsewhere: float

    @property
    def planted(self) -> bool:
        """Whether it says anything of the class."""
        return self.share != self.elsewhere


@dataclass(frozen=True)
class World:
    """Its cues, the seed of its pictures and network, how many of a class there are, and how the network learns."""

    cues: tuple[Cue, ...] = ()
    seed: int = 0
    count: int = 600
    epochs: int = 8
    width: int = 16

    @property
    def key(self) -> str:
        """A name for the network of these settings."""
        return hashlib.sha256(json.dumps([MADE, asdict(self)], sort_keys=True).encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """What a table calls it."""
        return " + ".join(f"{cue.name}, {cue.share:.0%}" for cue in self.cues) or "no cue"


@dataclass(frozen=True, eq=False)
class Pictures:
    """Scenes of every class in order, their `labels`, and whether each has each cue: `present` (picture, cue)."""

    scenes: tuple[Scene, ...]
    labels: Int[np.ndarray, " picture"]
    names: tuple[str, ...]
    present: Bool[np.ndarray, "picture cue"]

    def drawn(self, present: Bool[np.ndarray, "picture cue"] | None = None) -> UInt8[np.ndarray, "picture side side 3"]:
        """The pictures as they are, or the same scenes with other cues."""
        has = self.present if present is None else present
        return np.stack([each.picture(_named(self.names, row)) for each, row in zip(self.scenes, has, strict=True)])

    def with_cue(self, place: int, there: bool) -> UInt8[np.ndarray, "picture side side 3"]:
        """The same scenes, all of them with one of the cues or all without it."""
        present = self.present.copy()
        present[:, place] = there
        return self.drawn(present)


def pictures(world: World, count: int, seed: int) -> Pictures:
    """So many pictures of each class."""
    random, names = np.random.default_rng(seed), tuple(cue.name for cue in world.cues)
    labels = np.repeat(np.arange(len(LABELS)), count)
    shares = np.array([[c.share if c.label == label else c.elsewhere for c in world.cues] for label in labels])
    present = random.random((len(labels), len(names))) < shares.reshape(len(labels), len(names))
    return Pictures(tuple(scene(LABELS[label], names, random) for label in labels), labels, names, present)


def _named(names: Collection[str], has: Bool[np.ndarray, " cue"]) -> frozenset[str]:
    return frozenset(name for name, there in zip(names, has, strict=True) if there)
