"""What was measured of drawings, as tables with a column for each contestant and the goals beside them.

The recipe comes twice: as published, where the model sees values 0 to 1, and with the normalisation it is used to.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from benchmarks.case import OURS
from benchmarks.drawing_scores import FINE, clipped_share, fine_share
from benchmarks.table import aligned

LUCENT, RECIPE, NORMALISED = "lucent", "multi-scale recipe", "recipe, normalised"
SURE = 0.9


@dataclass(frozen=True, eq=False)
class Drawn:
    """What one contestant made: 8-bit pictures, the seconds they took together, and how good each is."""

    pictures: Tensor
    seconds: float
    values: Tensor

    @property
    def fine(self) -> float:
        """The median share of energy in fine grain."""
        return _middle(fine_share(self.pictures))

    @property
    def clipped(self) -> float:
        """The median share of clipped values."""
        return _middle(clipped_share(self.pictures))

    def as_dict(self) -> dict[str, object]:
        """The figures for a JSON file."""
        return {
            "values": self.values.tolist(),
            "seconds": self.seconds,
            "fine": fine_share(self.pictures).tolist(),
            "clipped": clipped_share(self.pictures).tolist(),
        }


@dataclass(frozen=True)
class Asked:
    """A line of a table: what it says of each contestant, and a goal for ours, with whether it is reached."""

    title: str
    says: Callable[[Drawn], str]
    goal: str = ""
    reached: bool | None = None

    def cells(self, found: Mapping[str, Drawn]) -> list[str]:
        """The line as text."""
        verdict = {None: "", True: "ok", False: "MISSED"}[self.reached]
        return [self.title, *(self.says(each) for each in found.values()), self.goal, verdict]


def channel_table(found: Mapping[str, Drawn]) -> str:
    """Scores, wins, time, fine grain and clipping."""
    own = found[OURS].values
    count = len(own)
    return _table(
        found,
        [
            Asked("score, median", lambda each: f"{_middle(each.values):.1f}", "≥ 12", _middle(own) >= 12),
            Asked("score, lowest", lambda each: f"{each.values.min():.2f}"),
            Asked("scores above 1", lambda each: _of(each.values > 1), f"{count}", bool((own > 1).all())),
            *_beside(found, {LUCENT: 18, RECIPE: count, NORMALISED: count}),
        ],
    )


def class_table(found: Mapping[str, Drawn]) -> str:
    """How often the model is sure of the class that was drawn, and the rest as for channels."""
    own = found[OURS].values
    sure = Asked(f"probability ≥ {SURE}", lambda each: _of(each.values >= SURE), "≥ 18", int((own >= SURE).sum()) >= 18)
    lowest = Asked("probability, lowest", lambda each: f"{each.values.min():.3f}")
    return _table(found, [sure, lowest, *_beside(found, {})])


def _beside(found: Mapping[str, Drawn], wins: Mapping[str, int]) -> list[Asked]:
    """Ours beside the others; the goals about lucent are left open where it is not there."""
    own, other = found[OURS], found.get(LUCENT)
    lines = [
        Asked(
            f"ours is higher than {name}",
            lambda each, peer=found[name]: _of(own.values > peer.values) if each is own else "",
            f"≥ {least}",
            int((own.values > found[name].values).sum()) >= least,
        )
        for name, least in wins.items()
        if name in found
    ]
    return [
        *lines,
        Asked("time for all (rough)", lambda each: f"{each.seconds:.0f} s"),
        Asked(
            "time, as a multiple of ours",
            lambda each: f"{each.seconds / own.seconds:.1f}",
            "lucent ≥ 3",
            None if other is None else other.seconds >= 3 * own.seconds,
        ),
        Asked(
            f"energy above {FINE} cycles per pixel, median",
            lambda each: f"{each.fine:.4f}",
            "below lucent",
            None if other is None else own.fine < other.fine,
        ),
        Asked(
            "clipped values, median",
            lambda each: f"{each.clipped:.2%}",
            "below lucent, or none",
            None if other is None else own.clipped < other.clipped or not own.clipped,
        ),
    ]


def _table(found: Mapping[str, Drawn], lines: Sequence[Asked]) -> str:
    return aligned(("", *found, "goal", ""), [line.cells(found) for line in lines])


def _middle(values: Tensor) -> float:
    """The median; of an even number, halfway between the middle two."""
    return values.double().quantile(0.5).item()


def _of(those: Tensor) -> str:
    return f"{int(those.sum())} of {len(those)}"
