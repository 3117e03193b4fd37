"""What some pictures of a class have and others of it have not, and what a model answers by: nobody has to name it.

A class itself is told by the late layers only. What the first layers tell apart by a few numbers of each channel (see
`simple_values`) is something simple: a ground, a mark, a tint, a place. So the answers are read from these, among
pictures of one label, and where what is read falls into two groups that lie far apart, it stands for such an attribute.
Reading it once more, from the groups in place of the answers, makes them cleaner.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from featuremaps.concepts.concept import Concept
from featuremaps.shortcuts.early_reading import Reader, within
from featuremaps.shortcuts.options import ShortcutOptions
from featuremaps.shortcuts.responses import Responses
from featuremaps.shortcuts.simple_values import FAMILIES, Family
from featuremaps.shortcuts.two_modes import TwoModes, split

ROUNDS = 3
SAME = 0.6
"""Attributes whose pictures agree by this φ coefficient (Yule 1912) or more are one."""
COLUMNS = 1024
"""So many columns are read from, those that fall into two groups most clearly."""
SEEDS = 32
"""So many columns are looked at as attributes of their own."""
COMPONENTS = 6


@dataclass(frozen=True, eq=False)
class Attribute:
    """Pictures told apart by one number of each: `present` where `strength` lies in the upper group.

    `name` is the number of the first layers that goes with it best, `low` whether it is low where the attribute is, and
    `separation` how far apart the groups lie in the class for which they are clearest. `concept` names what was given
    to be tried, "" where nobody did, and `family` the kinds of numbers that it is read from.
    """

    name: str
    separation: float
    present: Bool[np.ndarray, " picture"]
    strength: Float[np.ndarray, " picture"]
    low: bool = False
    concept: str = ""
    family: Family = FAMILIES[0]

    def opposite(self) -> "Attribute":
        """What the other pictures have, by lacking this."""
        concept = f"the absence of {self.concept}" if self.concept else ""
        return replace(self, present=~self.present, strength=-self.strength, low=not self.low, concept=concept)


@dataclass(frozen=True, eq=False)
class _Columns:
    """Numbers of all pictures, with their names."""

    names: tuple[str, ...]
    values: Float[np.ndarray, "picture column"]

    def some(self, which: Int[np.ndarray, " some"]) -> "_Columns":
        return _Columns(tuple(self.names[i] for i in which.tolist()), self.values[:, which])


def attributes(given: Responses, options: ShortcutOptions) -> list[Attribute]:
    """The attributes of a set of pictures, the clearest first; many tell the same pictures apart (see `alike`)."""
    resting = [*_resting(given)]
    kept = [each for family in FAMILIES if given.simple(family[0]) for each in _read(given, family, resting, options)]
    return _distinct(sorted(kept, key=lambda each: -each.separation))


def _read(
    given: Responses,
    family: Family,
    resting: Sequence[Float[np.ndarray, "picture component"]],
    options: ShortcutOptions,
) -> list[Attribute]:
    """The attributes that numbers of a family tell."""
    columns = _columns(given, family)
    clear = _clearness(columns.values, given.labels, options)
    early = columns.some(np.sort(np.argsort(-clear, kind="stable")[:COLUMNS]))
    reader = Reader(early.values, given.labels, np.random.default_rng(options.seed))
    targets = np.concatenate([given.log_odds, _clearest(columns, clear, options), *resting], 1)
    for _ in range(ROUNDS):
        said = reader.read(targets)
        splits = {
            label: split(said[given.labels == label], options.least) for label in np.unique(given.labels).tolist()
        }
        targets = np.stack([_present(said[:, i], splits, i, given.labels, options) for i in range(said.shape[1])], 1)
    apart = np.stack([each.separation for each in splits.values()])
    kept = [
        Attribute("", float(apart[:, i].max()), targets[:, i] > 0, said[:, i], family=family)
        for i in np.flatnonzero(apart.max(0) >= options.separation).tolist()
    ]
    kept.sort(key=lambda each: -each.separation)
    return [_named(each, early, given.labels) for each in _distinct(kept)]


def given_attributes(given: Responses, concepts: Sequence[Concept], options: ShortcutOptions) -> list[Attribute]:
    """Concepts as attributes: present where the mean of a concept's layer lies beyond its threshold."""
    found = []
    for concept in concepts:
        means = given.means_of(concept.layer)
        strength = means.astype(np.float64) @ concept.vectors[concept.how] - concept.threshold
        apart = [
            split(strength[given.labels == each, None], options.least).separation for each in np.unique(given.labels)
        ]
        name = f"“{concept.name}”"
        found.append(Attribute(name, float(np.max(apart)), concept.present(means), strength, concept=name))
    return found


def _columns(given: Responses, family: Family) -> _Columns:
    """The channels' numbers of a family, in the early layers."""
    names: list[str] = []
    values = []
    for kind in family:
        for layer in given.early:
            values.append(given.simple(kind)[layer])
            names += [f"{layer}:{channel}, {kind}" for channel in range(values[-1].shape[1])]
    return _Columns(tuple(names), np.concatenate(values, 1))


def _clearness(
    values: Float[np.ndarray, "picture column"], labels: Int[np.ndarray, " picture"], options: ShortcutOptions
) -> Float[np.ndarray, " column"]:
    """How far apart the two groups of each column lie, in the class where they are clearest."""
    apart = [split(values[labels == label], options.least).separation for label in np.unique(labels)]
    return np.max(apart, 0)


def _clearest(
    columns: _Columns, clear: Float[np.ndarray, " column"], options: ShortcutOptions
) -> Float[np.ndarray, "picture seed"]:
    """The clearest columns, to begin with beside the answers and what each class rests on."""
    best = np.argsort(-clear, kind="stable")[:SEEDS]
    return columns.values[:, best[clear[best] >= options.separation]].astype(np.float64)


def _resting(given: Responses) -> Iterator[Float[np.ndarray, "picture component"]]:
    """Principal components of what the answers to a class's pictures rest on, carried to all pictures.

    Neural PCA (Neuhaus et al. 2023, eq. 4): channels weighed by their share in the class score.
    """
    from scipy.linalg import eigh

    for number in range(len(given.classes)):
        relevance = given.relevance[given.labels == number].astype(np.float64)
        relevance -= relevance.mean(0)
        channels = relevance.shape[1]
        largest = max(0, channels - COMPONENTS), channels - 1
        _, components = eigh(relevance.T @ relevance, subset_by_index=largest)
        yield (given.means[given.layer] * given.slopes[number]) @ components


def _present(
    said: Float[np.ndarray, " picture"],
    splits: dict[int, TwoModes],
    column: int,
    labels: Int[np.ndarray, " picture"],
    options: ShortcutOptions,
) -> Float[np.ndarray, " picture"]:
    """1 where a picture lies in the upper group, else 0.

    A label's own threshold counts where its pictures fall into two groups, else that of the clearest label.
    """
    clearest = max(splits, key=lambda label: splits[label].separation[column])
    present = np.zeros(len(said))
    for label, each in splits.items():
        own = each if each.separation[column] >= options.separation else splits[clearest]
        present[labels == label] = said[labels == label] > own.threshold[column]
    return present


def _distinct(kept: Sequence[Attribute]) -> list[Attribute]:
    """Without those that tell the very same pictures apart as a clearer one."""
    seen: dict[bytes, Attribute] = {}
    for each in kept:
        first = each.present if each.present[0] else ~each.present
        seen.setdefault(np.packbits(first).tobytes(), each)
    return list(seen.values())


def alike(first: Attribute, second: Attribute) -> bool:
    """Whether two tell the same pictures apart, by and large."""
    return abs(_phi(first.present, second.present)) >= SAME


def _phi(first: Bool[np.ndarray, " picture"], second: Bool[np.ndarray, " picture"]) -> float:
    """How far two ways to tell pictures apart agree (Yule 1912): 1 or −1 where they do entirely."""
    a, b = first - first.mean(), second - second.mean()
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))


def _named(attribute: Attribute, columns: _Columns, labels: Int[np.ndarray, " picture"]) -> Attribute:
    """An attribute with the name of the column that goes with it best, among pictures of one label."""
    wanted = within(attribute.present[:, None].astype(np.float64), labels)[:, 0]
    centred = within(columns.values, labels)
    agreement = (wanted @ centred) / np.maximum(np.linalg.norm(centred, axis=0), 1e-12)
    best = int(np.abs(agreement).argmax())
    return replace(attribute, name=columns.names[best], low=bool(agreement[best] < 0))
