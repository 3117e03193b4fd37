"""The section on segmentations: how each picture is divided, and what each class rests on, in its region or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from PIL import Image, ImageColor

from featuremaps.evidence.region_evidence import NOTABLE, most_lost_outside
from featuremaps.evidence.segmented_picture import SegmentedPicture, segmented
from featuremaps.explain.comparison import Comparison
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.class_colours import PALETTE
from featuremaps.plotting.outlines import nearest
from featuremaps.report.data import Section, made, section
from featuremaps.report.encode import Json, alone, picture_json, rounded

TITLE = "What each region rests on"
QUESTION = "Where it looks"
LONGEST, SMALL = 512, 256
"""The longest side of a picture and of a map, in pixels."""
STRENGTH = 0.7
"""How much of the colour is seen of a class that is laid over the grey picture."""


@section
@dataclass(frozen=True, eq=False)
class RegionsSection:
    """Pictures divided by a segmentation model: in colours, each class with its map and what it loses."""

    kind: ClassVar[str] = "regions"
    question: ClassVar[str] = QUESTION

    pictures: tuple[SegmentedPicture, ...]
    title: str = TITLE

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return len(self.pictures)

    @property
    def summary(self) -> str:
        """The class that needs most of what lies outside its region, in one sentence."""
        most = most_lost_outside([one.evidence for one in self.pictures])
        if most is None:
            return "The model gives no place of these pictures a class."
        lost, number, row = most
        one = self.pictures[number]
        if lost < NOTABLE:
            return "Every class rests on its own region: without all else it loses next to nothing."
        whole = float(one.evidence.whole[0, row])
        return (
            f"In {one.seen.picture.name} the probability of {one.labels[row]} falls from {whole:.0%} to "
            f"{whole - lost:.0%} in its region when all that lies outside is taken away."
        )

    def to_json(self) -> Json:
        """The pictures; one that cannot be encoded fails alone."""
        preferred = {label: i % len(PALETTE) for i, label in enumerate(dict.fromkeys(_labels(self.pictures)))}
        return {"pictures": [alone(one, lambda one: _picture(one, _colours(one, preferred))) for one in self.pictures]}


def regions_sections(studied: StudiedModel, pictures: Sequence[Seen], comparison: Comparison) -> list[Section]:
    """The section of a segmentation model, as a comparison's answers tell; none of other models."""
    if not any(answers is not None and answers.covers is not None for answers in comparison.answers):
        return []
    seed = comparison.options.seed
    return [made(TITLE, lambda: RegionsSection(segmented(studied, pictures, seed=seed)), QUESTION)]


def _labels(pictures: Sequence[SegmentedPicture]) -> list[str]:
    return [label for one in pictures for label in one.labels]


def _colours(one: SegmentedPicture, preferred: dict[str, int]) -> list[str]:
    """A colour for each class of a picture, no two alike while they last, and mostly the same in all pictures."""
    taken: list[int] = []
    for label in one.labels:
        free = [number for number in range(len(PALETTE)) if number not in taken]
        wanted = preferred[label]
        taken.append(wanted if wanted in free or not free else free[0])
    return [PALETTE[number] for number in taken]


def _picture(one: SegmentedPicture, colours: Sequence[str]) -> Json:
    evidence = one.evidence
    lost = evidence.lost[0].tolist()
    return {
        "name": one.seen.picture.name,
        "seen": picture_json(one.seen.image, LONGEST),
        "divided": picture_json(divided(one, colours), LONGEST),
        "rest": rounded(max(0.0, 1.0 - sum(one.covers))),
        "classes": [
            {
                "label": label,
                "colour": colours[row],
                "covers": rounded(one.covers[row]),
                "whole": rounded(float(evidence.whole[0, row])),
                "alone": rounded(float(evidence.alone[0, row])),
                "without": rounded(float(evidence.without[0, row, row])),
                "map": picture_json(one.heatmaps[row].overlay()[0], SMALL) if one.heatmaps else None,
                "lost": [rounded(value) for value in lost[row]],
            }
            for row, label in enumerate(one.labels)
        ],
    }


def divided(one: SegmentedPicture, colours: Sequence[str]) -> Image.Image:
    """The picture in grey, with the region of each class in its colour."""
    grey = np.asarray(one.seen.image.convert("L").convert("RGB"), dtype=np.float32)
    shown = grey.copy()
    for index, colour in zip(one.indices, colours, strict=True):
        region = nearest((one.winners == index).float(), one.seen.space)
        inside = one.seen.sheet.lay(region[None])[0].numpy() >= 0.5
        tint = np.asarray(ImageColor.getrgb(colour), dtype=np.float32)
        shown[inside] = STRENGTH * tint + (1 - STRENGTH) * grey[inside]
    return Image.fromarray(shown.round().astype(np.uint8))
