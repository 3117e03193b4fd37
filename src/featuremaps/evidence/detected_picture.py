"""What a detector finds in a picture, and for each box where its evidence lies and what it is worth."""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import get_args

import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from featuremaps.acceleration.box_scoring import Scoring
from featuremaps.errors import MethodError, OptionError, TargetError, check_choice
from featuremaps.evidence.copies import CHUNK
from featuremaps.evidence.fills import Fill
from featuremaps.evidence.region_evidence import NOTABLE, RegionEvidence, region_evidence
from featuremaps.explain.compare import compare
from featuremaps.explain.options import ExplainOptions
from featuremaps.explain.request import MethodLike, one_method, request_for, several
from featuremaps.methods import Method
from featuremaps.methods.needs import together
from featuremaps.models.studied_model import StudiedModel
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.outputs.detections import DetectedBox, detections_of
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.method_names import method_name
from featuremaps.plotting.outlines import boxed
from featuremaps.plotting.panels import Panel, counted, matrix_figure
from featuremaps.progress import track
from featuremaps.results.heatmaps import Heatmaps
from featuremaps.results.shown import Shown
from featuremaps.runtime.recording import take
from featuremaps.session import Session
from featuremaps.targets.bound import Bound, Several, Target
from featuremaps.targets.targets import as_target, select

MOST = 20
"""The contents of so many boxes are taken out of a picture, surest first."""
TOGETHER = 2**21
"""Copies with so many pixels in all run together: more would not fit into the memory of a laptop."""
SMALL = 256
"""The longest side of the pictures that are kept of the copies, in pixels."""


@dataclass(frozen=True, eq=False)
class DetectedPicture(Shown):
    """A picture with what a detector finds in it, and what the score of each box rests on.

    `boxes` are surest first; `more` further ones were found, and were not looked at. `evidence` is that of one picture,
    a region for each box: its score on the picture (`whole`), without what lies outside the box (`alone`), and without
    what lies in each of the boxes (`without`, its own on the diagonal). `heatmaps` has a map for each box, or is empty.
    `only_inside` and `without_inside` are the pictures that the detector was given of each box, made small.
    """

    seen: Seen
    boxes: tuple[DetectedBox, ...]
    evidence: RegionEvidence
    heatmaps: tuple[Heatmaps, ...] = ()
    only_inside: tuple[Image.Image, ...] = ()
    without_inside: tuple[Image.Image, ...] = ()
    more: int = 0

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def note(self) -> str:
        """Why what was found should not be trusted, such as that nothing is sure enough; "" where nothing is known."""
        return next((box.note for box in self.boxes if box.note), "")

    def needed(self, row: int) -> int | None:
        """The box beside this one that it loses most without, where that is notable; None where there is none.

        Boxes that overlap are left out: without the one, part of the other is missing too.
        """
        apart = [each for each, other in enumerate(self.boxes) if not _overlap(self.boxes[row].box, other.box)]
        most = max(apart, key=lambda each: float(self.evidence.lost[0, row, each]), default=None)
        return most if most is not None and float(self.evidence.lost[0, row, most]) >= NOTABLE else None

    def sentences(self) -> list[str]:
        """For each box what it scores without all else and without its content, and which other box it needs."""
        told = []
        evidence = self.evidence
        numbers = zip(self.boxes, evidence.whole[0].tolist(), evidence.alone[0].tolist(), strict=True)
        for row, (box, whole, alone) in enumerate(numbers):
            own = float(evidence.without[0, row, row])
            text = (
                f"{box.name} at {box.place}: a score of {whole:.2f}, {alone:.2f} without what lies outside the box, "
                f"{own:.2f} without what lies inside."
            )
            if (other := self.needed(row)) is not None:
                text += f" It needs {self.boxes[other].name}: {float(evidence.without[0, row, other]):.2f} without it."
            told.append(text)
        return [*told, self.note] if self.note else told

    def figure(self, *, most: int = 8) -> Figure:
        """A row for each box: the picture with it, its map, and what is left of its score with one part only.

        Args:
            most: How many boxes are shown, surest first.

        Returns:
            A figure of matplotlib.
        """
        rows = [self._panels(row) for row in range(min(most, len(self)))]
        rest = f" (first {most} of {counted(len(self), 'box')})" if len(self) > most else ""
        title = f"what the boxes of {self.seen.picture.name} rest on{rest}"
        return matrix_figure(rows or [[Panel(self.seen.image, "nothing found")]], {}, title=title)

    def _panels(self, row: int) -> list[Panel]:
        box, evidence = self.boxes[row], self.evidence
        numbers = (float(evidence.alone[0, row]), float(evidence.without[0, row, row]))
        shown = Panel(boxed(self.seen.image, box.box), f"{box.name}: {float(evidence.whole[0, row]):.2f}")
        heat = self.heatmaps[row] if self.heatmaps else None
        maps = [] if heat is None else [Panel(heat.overlay()[0], method_name(heat.method), heat.warnings[0])]
        pictures = zip(("inside", "outside"), numbers, (self.only_inside, self.without_inside), strict=True)
        return [shown, *maps, *(Panel(of[row], f"{part} only: {score:.2f}") for part, score, of in pictures)]

    def __repr__(self) -> str:
        found = ", ".join(f"{box.name} {box.share}" for box in self.boxes) or "nothing"
        more = f" and {self.more} more" if self.more else ""
        return f"<DetectedPicture: {self.seen.picture.name}, {found}{more}>"


def detected(
    studied: StudiedModel,
    pictures: Sequence[Seen],
    method: MethodLike | None = "hires_cam",
    layer: str = "last",
    target: object = None,
    *,
    threshold: float = 0.5,
    fill: Fill = "linear",
    most: int = MOST,
    seed: int = 0,
) -> tuple[DetectedPicture, ...]:
    """What a detector finds in each picture, and what the score of each of its `most` surest boxes rests on.

    `target` is as for `compare`; None for each box with a score of `threshold` or more, the surest where none is.
    `method` on `layer` makes a map of each box, from one forward pass and one backward pass each; none if None. The
    score of a box in a changed picture is that of what fits it best there; see `Detection`. n boxes cost 2·n + 1
    passes.
    Raises `TargetError` for a model that is no detector, and for targets that are no boxes.
    """
    if most < 1:
        raise OptionError(f"most is the number of boxes that are looked at in a picture, 1 or more; got {most}.")
    check_choice("fill", fill, get_args(Fill))
    chosen = None if method is None else _by_target(one_method(method))
    options = ExplainOptions(seed=seed, threshold=threshold)
    classes = replace(studied.class_outputs, threshold=options.threshold)
    found = []
    for number, seen in enumerate(track(pictures, "taking out boxes")):
        targets = [select(as_target(each), [number], len(pictures)) for each in several(target)]
        with studied.session() as session:
            bounds, one = _detected(session, seen, classes, targets, fill, most, seed)
        if chosen is not None and bounds:
            request = request_for(studied, seen.input[None], [chosen.formula], layer, _Known(bounds), options)
            (maps,) = compare(studied.model, [seen], request).values()
            heatmaps = maps if isinstance(maps, Heatmaps) else maps.map()
            one = replace(one, heatmaps=tuple(heatmaps))
        found.append(one)
    return tuple(found)


@dataclass(frozen=True, eq=False)
class _Known(Several):
    """Targets that were bound to the very picture before."""

    bounds: tuple[Bound, ...]

    def bind_each(self, outputs: object, classes: ClassOutputs, batch: int) -> Sequence[Bound]:
        """See `Several`."""
        return self.bounds


def _by_target(method: Method) -> Method:
    if not together(method.needs).target:
        raise MethodError(
            f"{method.name} looks at no target, so its map would be the same for every box. Give another method, such "
            "as hires_cam or d_rise, or None for no maps."
        )
    return method


def _detected(
    session: Session,
    seen: Seen,
    classes: ClassOutputs,
    targets: Sequence[Target | Several],
    fill: Fill,
    most: int,
    seed: int,
) -> tuple[tuple[Bound, ...], DetectedPicture]:
    """What was found in one picture, without maps, and the targets that its boxes are."""
    record = take(session, seen.input[None], targets=targets, classes=classes, gradients=False)
    detections_of(record.outputs, record.classes)  # of another model it says what a detector gives
    if any(bound.boxes is None for bound in record.targets):
        labels = ", ".join(bound.labels[0] for bound in record.targets if bound.boxes is None)
        raise TargetError(f"{labels}: this is no box. Give a label, Detection, Box, or nothing for each box found.")
    by_box = {bound.boxes[0]: bound for bound in record.targets if bound.boxes and bound.boxes[0] is not None}
    ranked = sorted(by_box, key=lambda box: -box.score)
    boxes = tuple(ranked[:most])
    bounds = tuple(by_box[box] for box in boxes)
    inputs = record.inputs.float()
    if not boxes:
        nothing = RegionEvidence(*(torch.zeros(1, *size, device="cpu") for size in ((0,), (0, 0), (0,))))
        return bounds, DetectedPicture(seen, boxes, nothing)

    def read(outputs: object, _: int) -> Tensor:
        copies = detections_of(outputs, record.classes)
        return torch.stack([bound.of_found(copies) for bound in bounds if bound.of_found is not None], 1).float()

    shown: list[Image.Image] = []
    scoring = Scoring(session, inputs, read, nullcontext)

    def score(new: Tensor) -> Tensor:
        shown.extend(_small(seen, copy) for copy in new)
        return scoring(new)

    regions = torch.stack([inside(box.box, inputs.shape[2:]) for box in boxes]).to(inputs.device)[None]
    chunk = max(1, min(CHUNK // 8, TOGETHER // math.prod(inputs.shape[2:])))
    evidence = region_evidence(score, inputs, regions, fill=fill, chunk=chunk, seed=seed)
    without, alone = tuple(shown[1 : len(boxes) + 1]), tuple(shown[len(boxes) + 1 :])
    return bounds, DetectedPicture(seen, boxes, evidence, (), alone, without, len(ranked) - len(boxes))


def inside(box: tuple[float, float, float, float], space: Sequence[int]) -> Bool[Tensor, "height width"]:
    """The pixels of a picture of this size (height, width) that lie in a box, to the nearest edge.

    At least one, but for a box that lies outside or whose edges are no numbers.
    """
    height, width = space
    region = torch.zeros(height, width, dtype=torch.bool, device="cpu")
    if any(math.isnan(edge) for edge in box):
        return region
    left, top, right, bottom = (round(min(max(edge, -2.0), height + width)) for edge in box)
    region[max(0, top) : max(0, top + 1, bottom), max(0, left) : max(0, left + 1, right)] = True
    return region


def _small(seen: Seen, copy: Tensor) -> Image.Image:
    image = seen.preprocessing.seen(copy.detach().float().cpu())
    image.thumbnail((SMALL, SMALL))
    return image


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    return min(one[2], other[2]) > max(one[0], other[0]) and min(one[3], other[3]) > max(one[1], other[1])
