"""Whether a class's score rests on a concept, to first order: TCAV with a permutation test (Kim et al. 2018)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
from jaxtyping import Bool, Float

from featuremaps.concepts.concept import Concept
from featuremaps.concepts.directions import Fit, How
from featuremaps.concepts.gradients import Gradients
from featuremaps.concepts.sensitivity_figure import ShownSensitivity, sensitivity_figure
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.files import png_of
from featuremaps.results.shown import Shown
from featuremaps.survey.analysis.separation import holm
from featuremaps.survey.measures.proportions import Interval, Rate

if TYPE_CHECKING:
    import pyarrow as pa

LEVEL = 0.05
FOR_EACH = 100
"""At least so many shuffles for each test, so that Holm's correction leaves room below the level."""
CHUNK = 500


@dataclass(frozen=True)
class ClassSensitivity:
    """How the score of the class `label` changes along a concept, in pictures of the class.

    `share` is the TCAV score: pictures in which the score rises along the concept. `slope` is the mean derivative along
    the direction of length 1, at every place; `effect` is that times how far pictures with the concept lie from those
    without, in the score's own units. `shuffled_share` and `shuffled_effect` hold 95 of 100 random concepts, made of
    the same pictures shuffled; `p_value` is how likely an effect as large is among these, two-sided, corrected for all
    classes and concepts that were tried (Holm 1979).
    """

    concept: str
    label: str
    share: Rate
    shuffled_share: Interval
    slope: float
    effect: float
    shuffled_effect: Interval
    p_value: float

    @property
    def sure(self) -> bool:
        """Whether the effect is beyond that of random concepts, at 5%."""
        return self.p_value <= LEVEL

    def words(self) -> str:
        """Whether the class rests on it, and by how much."""
        verdict = ("rises with it" if self.effect > 0 else "falls with it") if self.sure else "no more than by chance"
        effect = f"{self.effect:+.2f}".replace("-", "−")
        low, high = (f"{each:+.2f}".replace("-", "−") for each in self.shuffled_effect)
        share, random = (
            f"{self.share.value:.0%} of {self.share.of} picture{'s' * (self.share.of != 1)}",
            self.shuffled_share,
        )
        return (
            f"{verdict}: effect {effect} (random: {low} to {high}), p = {self.p_value:.3g}; rises in {share} "
            f"(random: {random.low:.0%} to {random.high:.0%})"
        )


@dataclass(frozen=True, eq=False)
class Sensitivity(Sequence[ClassSensitivity], Shown):
    """How class scores change along concepts: a row for each concept and class, in that order.

    `told` says how it is known which class a picture is of, and `shuffles` how many random concepts stood beside each.
    """

    rows: tuple[ClassSensitivity, ...]
    layers: tuple[str, ...]
    model: str
    told: str
    shuffles: int
    notes: tuple[str, ...] = field(default=())

    @overload
    def __getitem__(self, index: int) -> ClassSensitivity: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ClassSensitivity, ...]: ...
    def __getitem__(self, index: int | slice) -> ClassSensitivity | tuple[ClassSensitivity, ...]:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, label: str, concept: str | None = None) -> ClassSensitivity:
        """The row of a class, by its name; of the first concept unless one is named."""
        found = [row for row in self.rows if row.label == label and concept in (None, row.concept)]
        if not found:
            known = ", ".join(dict.fromkeys(row.label for row in self.rows))
            raise KeyError(f"no sensitivity of {label!r}; there are those of {known}.")
        return found[0]

    def figure(self) -> Figure:
        """Each class's effect beside that of random concepts."""
        shown = [
            ShownSensitivity(row.concept, row.label, row.effect, row.shuffled_effect, row.share, row.p_value, row.sure)
            for row in self.rows
        ]
        return sensitivity_figure(shown, self.layers, self.model)

    def table(self) -> "pa.Table":
        """A row for each concept and class."""
        import pyarrow as pa

        rows = []
        for row in self.rows:
            cells: dict[str, object] = {"concept": row.concept, "class": row.label}
            cells |= row.share.row("share") | {"pictures": row.share.of, "slope": row.slope, "effect": row.effect}
            for name, (low, high) in (("share", row.shuffled_share), ("effect", row.shuffled_effect)):
                cells |= {f"shuffled_{name}_low": low, f"shuffled_{name}_high": high}
            rows.append(cells | {"p_value": row.p_value})
        return pa.Table.from_pylist(rows)

    def save(self, folder: str | Path = ".") -> list[Path]:
        """Write the figure (PNG) and the numbers (CSV)."""
        from pyarrow.csv import write_csv

        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        (place / "sensitivity.png").write_bytes(png_of(self.figure()))
        write_csv(self.table(), place / "sensitivity.csv")
        return [place / "sensitivity.png", place / "sensitivity.csv"]

    def __repr__(self) -> str:
        of = f" of {self.model}" if self.model else ""
        lines = [f"<Sensitivity{of} in {', '.join(self.layers)}, pictures {self.told}, {self.shuffles:,} shuffles"]
        lines += [f"  {row.label} to “{row.concept}”: {row.words()}" for row in self.rows]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)]) + ">"


def sensitivity(
    concepts: Sequence[Concept], gradients: Gradients, model: str, shuffles: int, generator: np.random.Generator
) -> Sensitivity:
    """Each class's derivatives along each concept, beside random concepts of the same pictures; the model is not run.

    A random concept is the same pictures with their kinds shuffled, and a direction made of them in the same way, so
    that under the null hypothesis (it does not matter to the score which pictures have the concept) one is as likely as
    another. The TCAV score itself cannot be tested like this: where a class's gradient is the same in all pictures, it
    is 0 or 1 for random concepts too.
    """
    count = max(shuffles, FOR_EACH * len(concepts) * len(gradients.classes))
    rows, likely = [], []
    for concept in concepts:
        for row, p_value in _tested(concept, gradients, count, generator):
            rows.append(row)
            likely.append(p_value)
    corrected = holm(np.array([likely]))[0].tolist()
    doubtful = [concept for concept in concepts if not concept.beyond_chance]
    notes = [
        f"“{concept.name}” is not told in {concept.layer} beyond chance, so that its rows mean nothing."
        for concept in doubtful
    ]
    return Sensitivity(
        tuple(replace(row, p_value=p_value) for row, p_value in zip(rows, corrected, strict=True)),
        tuple(dict.fromkeys(concept.layer for concept in concepts)),
        model,
        gradients.told,
        count,
        (*notes, *gradients.doubts),
    )


def _tested(
    concept: Concept, gradients: Gradients, shuffles: int, generator: np.random.Generator
) -> Iterator[tuple[ClassSensitivity, float]]:
    """Each class with its p-value, which is not corrected."""
    fit, of_layer = Fit(concept.features), gradients.of[concept.layer]
    by_class = [of_layer[gradients.labels == number] for number in range(len(gradients.classes))]
    own = along(fit, concept.has[:, None], concept.how, by_class)
    parts = []
    for start in range(0, shuffles, CHUNK):
        size = min(CHUNK, shuffles - start)
        shuffled = generator.permuted(np.repeat(concept.has[:, None], size, 1), axis=0)
        parts.append(along(fit, shuffled, concept.how, by_class))
    for number, label in enumerate(gradients.classes):
        (share,), (slope,), (effect,) = own[number]
        shares, _, effects = np.concatenate([part[number] for part in parts], 1)
        as_large = np.abs(effects) >= abs(effect) * (1 - 1e-9)
        pictures = len(by_class[number])
        row = ClassSensitivity(
            concept.name,
            label,
            Rate(round(share * pictures), pictures),
            _middle(shares),
            float(slope),
            float(effect),
            _middle(effects),
            1.0,
        )
        yield row, (1 + int(as_large.sum())) / (1 + shuffles)


def along(
    fit: Fit,
    has: Bool[np.ndarray, "picture labelling"],
    how: How,
    by_class: Sequence[Float[np.ndarray, "_of_class channel"]],
) -> list[Float[np.ndarray, "3 labelling"]]:
    """For each class the TCAV score, the mean slope and the effect along the direction of every labelling."""
    vectors = fit.vectors(has, how)
    distances = (vectors * fit.differences(has)).sum(1)
    found = []
    for gradients in by_class:
        slopes = gradients @ vectors.T
        found.append(np.stack([(slopes > 0).mean(0), slopes.mean(0), slopes.mean(0) * distances]))
    return found


def _middle(values: Float[np.ndarray, " labelling"]) -> Interval:
    """The interval that holds 95 of 100."""
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(float(low), float(high))
