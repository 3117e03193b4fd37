"""The section on detections: each picture with its boxes, and for each box its map and what its score rests on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from featuremaps.evidence.detected_picture import DetectedPicture, detected
from featuremaps.evidence.region_evidence import NOTABLE, most_lost_outside
from featuremaps.explain.comparison import Comparison
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.panels import counted
from featuremaps.plotting.rendering import is_remark
from featuremaps.report.data import Section, made, section
from featuremaps.report.encode import Json, alone, picture_json, rounded

TITLE = "What each box rests on"
QUESTION = "Where it looks"
LONGEST, SMALL = 1024, 384
"""The longest side of a picture and of a map, in pixels."""
UNSURE = 2 * NOTABLE
"""Of a box with a lower score it is not said what it rests on: there is too little to lose."""


@section
@dataclass(frozen=True, eq=False)
class BoxesSection:
    """Pictures with what a detector finds in them: each box with its map, its score, and what it loses."""

    kind: ClassVar[str] = "boxes"
    question: ClassVar[str] = QUESTION

    pictures: tuple[DetectedPicture, ...]
    title: str = TITLE

    @property
    def count(self) -> int:
        """How many boxes there are."""
        return sum(map(len, self.pictures))

    @property
    def summary(self) -> str:
        """The box that needs most of what lies outside it, in one sentence."""
        most = most_lost_outside([one.evidence for one in self.pictures])
        if most is None:
            return "The detector finds nothing in these pictures, however unsure."
        if all(float(score) < UNSURE for one in self.pictures for score in one.evidence.whole[0]):
            return "No box is sure enough to tell what it rests on."
        lost, number, row = most
        one = self.pictures[number]
        if lost < NOTABLE:
            return "Every box rests on what lies inside it: without all else its score loses next to nothing."
        whole, box = float(one.evidence.whole[0, row]), one.boxes[row]
        detection = "" if box.number is None else f", detection {box.number},"
        return (
            f"In {one.seen.picture.name} the score of {box.label}{detection} falls from {whole:.0%} to "
            f"{whole - lost:.0%} when all that lies outside its box is taken away."
        )

    def to_json(self) -> Json:
        """The pictures; one that cannot be encoded fails alone."""
        return {"pictures": [alone(one, _picture) for one in self.pictures]}


def boxes_sections(
    studied: StudiedModel, pictures: Sequence[Seen], comparison: Comparison, targets: object = None
) -> list[Section]:
    """The section of a detector, for the boxes that a comparison explains; none of other models."""
    if not comparison.of_detector:
        return []
    options = comparison.options

    def make() -> Section:
        found = detected(studied, pictures, target=targets, threshold=options.threshold, seed=options.seed)
        return BoxesSection(found)

    return [made(TITLE, make, QUESTION)]


def _picture(one: DetectedPicture) -> Json:
    height, width = one.seen.size
    return {
        "name": one.seen.picture.name,
        "seen": picture_json(one.seen.image, LONGEST),
        "note": one.note,
        "more": f"{counted(one.more, 'further box')} found, less sure, and not looked at." if one.more else "",
        "boxes": [_box(one, row, (width, height)) for row in range(len(one))],
    }


def _box(one: DetectedPicture, row: int, size: tuple[int, int]) -> Json:
    """A box with its edges as shares of the picture, cut at its edges, and with its numbers and pictures."""
    box, evidence, heat = one.boxes[row], one.evidence, one.heatmaps[row] if one.heatmaps else None
    edges = [min(1.0, max(0.0, edge / side)) for edge, side in zip(box.box, size * 2, strict=True)]
    notes = () if heat is None else tuple(text for text in heat.warnings[0] if text != box.note)
    return {
        "name": box.name,
        "label": box.label,
        "number": box.number,
        "place": box.place,
        "edges": [rounded(edge) for edge in edges],
        "whole": rounded(float(evidence.whole[0, row])),
        "alone": rounded(float(evidence.alone[0, row])),
        "without": rounded(float(evidence.without[0, row, row])),
        "verdict": verdict(one, row),
        "map": None if heat is None else picture_json(heat.overlay()[0], SMALL),
        "method": "" if heat is None else heat.method,
        "layer": "" if heat is None else heat.layer,
        "warnings": [text for text in notes if not is_remark(text)],
        "remarks": [text for text in notes if is_remark(text)],
        "onlyInside": picture_json(one.only_inside[row], SMALL) if one.only_inside else None,
        "withoutInside": picture_json(one.without_inside[row], SMALL) if one.without_inside else None,
    }


def verdict(one: DetectedPicture, row: int) -> str:
    """What a box rests on, in a sentence or two."""
    evidence = one.evidence
    if float(evidence.whole[0, row]) < UNSURE:
        return "Its score is too low to tell what it rests on."
    inside, outside = (float(lost[0, row]) >= NOTABLE for lost in (evidence.lost_inside, evidence.lost_outside))
    if inside and outside:
        text = "It needs both what lies inside its box and what lies outside."
    elif outside:
        text = "It needs what lies outside its box, and not what lies inside."
    elif inside:
        text = "What lies inside its box is needed, and enough."
    else:
        text = "What lies inside its box is enough, and so is what lies outside."
    needed = one.needed(row)
    if needed is None:
        return text
    left = float(evidence.without[0, row, needed])
    return f"{text} Without the content of {one.boxes[needed].name} its score is {left:.2f}."
