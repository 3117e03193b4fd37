"""The section on a concept: pictures with it and without it, how well a layer tells them apart, what rests on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Bool

from featuremaps.concepts.concept import Concept
from featuremaps.concepts.concept_figure import in_order
from featuremaps.concepts.sensitivity import ClassSensitivity, Sensitivity
from featuremaps.errors import OptionError
from featuremaps.models.studied_model import StudiedModel
from featuremaps.report.data import Provenance, ReportData, section, versions_of
from featuremaps.report.encode import Json, plain, plain_fields
from featuremaps.report.html import write
from featuremaps.report.page_path import PagePath
from featuremaps.report.repair import rate_json
from featuremaps.report.survey_pictures import small_picture

WIDE = 6
"""So many pictures of each side are shown."""
MOST_NAMED = 5
"""So many classes are named in a sentence."""


@section
@dataclass(frozen=True, eq=False)
class ConceptSection:
    """A concept, and, where that was asked, which classes rest on it."""

    kind: ClassVar[str] = "concept"
    question: ClassVar[str] = "What is inside"

    concept: Concept
    sensitivity: Sensitivity | None = None

    @property
    def title(self) -> str:
        """What is told from what."""
        return f"“{self.concept.name}” in {self.concept.layer}"

    @property
    def summary(self) -> str:
        """How well the layer tells pictures with it from those without."""
        return told(self.concept)

    def to_json(self) -> Json:
        """Both rows of pictures, every way's accuracy, and a row for each class that was tried."""
        concept = self.concept
        sides = ((concept.has, concept.name), (~concept.has, concept.against))
        notes = dict.fromkeys((*concept.notes, *(() if self.sensitivity is None else self.sensitivity.notes)))
        return {
            "claim": told(concept),
            "holds": concept.beyond_chance,
            "rows": [self._side(side, name) for side, name in sides],
            "ways": [
                plain_fields(
                    {
                        "name": how.replace("_", " "),
                        "used": how == concept.how,
                        "accuracy": each.accuracy,
                        **each.interval._asdict(),
                        "cosine": concept.cosine(how),
                    }
                )
                for how, each in concept.held_out.items()
            ],
            "classes": None if self.sensitivity is None else [_row(each) for each in self.of_classes],
            "told": "" if self.sensitivity is None else self.sensitivity.told,
            "notes": list(notes),
        }

    @property
    def of_classes(self) -> list[ClassSensitivity]:
        """The rows of this concept, the largest effect first."""
        rows = [row for row in self.sensitivity or () if row.concept == self.concept.name]
        return sorted(rows, key=lambda row: -abs(row.effect))

    def _side(self, side: Bool[np.ndarray, " picture"], name: str) -> Json:
        concept, pictures = self.concept, self.concept.pictures
        order = in_order(concept.strengths, side, WIDE).tolist() if pictures else []
        return {
            "title": name,
            "count": int(side.sum()),
            "pictures": [
                {
                    "picture": small_picture(pictures[row].image),
                    "name": concept.names[row],
                    "strength": plain(float(concept.strengths[row])),
                }
                for row in order
            ],
        }


def told(concept: Concept) -> str:
    """How well a layer tells pictures with a concept from those without, in a sentence."""
    words = concept.held_out[concept.how].words()
    if concept.beyond_chance:
        return f"{concept.layer} tells “{concept.name}” from “{concept.against}” in {words} of held-out pictures."
    return (
        f"{concept.layer} does not tell “{concept.name}” from “{concept.against}”: {words} of held-out pictures "
        "is not beyond chance (50%)."
    )


def write_concept_report(
    studied: StudiedModel,
    concept: Concept,
    path: str | Path,
    sensitivity: Sensitivity | None = None,
    *,
    title: str = "",
    command: str = "",
) -> PagePath:
    """Write one HTML file of a concept, with the classes that rest on it where these were tried."""
    if not isinstance(concept, Concept):
        raise OptionError(f"concept is what scope.concept(with, without) or fm.open_concept gave; got {concept!r}.")
    if not isinstance(sensitivity, Sensitivity | None):
        raise OptionError(f"sensitivity is what scope.sensitivity(concept, pictures) gave; got {sensitivity!r}.")
    if sensitivity is not None and concept.name not in {row.concept for row in sensitivity}:
        tried = ", ".join(dict.fromkeys(f"“{row.concept}”" for row in sensitivity)) or "nothing"
        raise OptionError(f"sensitivity is that of {tried}, not of “{concept.name}”.")
    shown = ConceptSection(concept, sensitivity)
    report = ReportData(
        title=title or f"What {studied.name} makes of “{concept.name}”",
        provenance=Provenance(
            model=type(studied.model).__name__,
            source=studied.name,
            preprocessing=studied.preprocessing.describe(),
            layers=(concept.layer,),
            versions=versions_of(),
            command=command,
        ),
        findings=(told(concept), *resting([] if sensitivity is None else shown.of_classes)),
        sections=(shown,),
    )
    return write(report, path)


def resting(rows: Sequence[ClassSensitivity]) -> list[str]:
    """Which classes' scores change with it beyond chance, and of how many that cannot be said."""
    rising, falling = ([row.label for row in rows if row.sure and (row.effect > 0) == up] for up in (True, False))
    unsure = len(rows) - len(rising) - len(falling)
    said = [_changing(labels, verb) for labels, verb in ((rising, "rise"), (falling, "fall")) if labels]
    if unsure:
        which = f"{unsure} {'other ' if said else ''}{'class' if unsure == 1 else 'classes'}"
        said.append(f"Of {which} the score changes no more than by chance.")
    return said


def _changing(labels: Sequence[str], verb: str) -> str:
    if len(labels) == 1:
        return f"The score of {labels[0]} {verb}s with it."
    shown = list(labels[:MOST_NAMED])
    last = f"{len(labels) - MOST_NAMED} more" if len(labels) > MOST_NAMED else shown.pop()
    return f"The scores of {', '.join(shown)} and {last} {verb} with it."


def _row(row: ClassSensitivity) -> Json:
    return plain_fields(
        {
            "label": row.label,
            "effect": row.effect,
            "random": list(row.shuffled_effect),
            "share": rate_json(row.share),
            "sure": row.sure,
            "words": row.words(),
        }
    )
