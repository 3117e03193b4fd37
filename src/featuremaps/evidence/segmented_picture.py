"""What a segmentation model finds in a picture, and for each class where its evidence lies and what it is worth."""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from featuremaps.acceleration.box_scoring import Scoring
from featuremaps.errors import OptionError
from featuremaps.evidence.copies import CHUNK
from featuremaps.evidence.region_evidence import NOTABLE, RegionEvidence, region_evidence
from featuremaps.explain.compare import compare
from featuremaps.explain.options import ExplainOptions
from featuremaps.explain.request import MethodLike, one_method, request_for
from featuremaps.models.studied_model import StudiedModel
from featuremaps.outputs.outputs import class_label, in_percent
from featuremaps.outputs.place_scores import PlaceScores, mean_inside, of_class
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.outlines import nearest
from featuremaps.progress import track
from featuremaps.results.heatmaps import Heatmaps
from featuremaps.runtime.recording import take
from featuremaps.session import Session
from featuremaps.targets.segmentation_targets import Region

MOST = 6
"""The regions of so many classes are taken out of a picture, largest first."""


@dataclass(frozen=True, eq=False)
class SegmentedPicture:
    """A picture as a segmentation model divides it, its largest classes first, and what each of them rests on.

    `labels` and `indices` name the classes, `covers` are their shares of the picture, and `winners` (*grid) is the
    class that each of the output's places is given (−1: none). `heatmaps` has a map for each class, or is empty.
    `evidence` is that of one picture, a region for each class; see `RegionEvidence`.
    """

    seen: Seen
    labels: tuple[str, ...]
    indices: tuple[int, ...]
    covers: tuple[float, ...]
    winners: Int[Tensor, "*_grid"]
    evidence: RegionEvidence
    heatmaps: tuple[Heatmaps, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def sentences(self) -> list[str]:
        """For each class what it loses without all else and without its own region, and which other one it needs."""
        told = []
        numbers = zip(
            self.labels, self.covers, self.evidence.whole[0].tolist(), self.evidence.alone[0].tolist(), strict=True
        )
        for row, (label, covers, whole, alone) in enumerate(numbers):
            own = float(self.evidence.without[0, row, row])
            text = (
                f"{label}, {in_percent(covers)} of the picture: {whole:.2f} on average in its region, {alone:.2f} "
                f"without all else, {own:.2f} without the region itself."
            )
            losses = self.evidence.lost[0, row].clone()
            losses[row] = 0
            most = int(losses.argmax())
            if float(losses[most]) >= NOTABLE:
                text += f" It needs {self.labels[most]}: {float(self.evidence.without[0, row, most]):.2f} without that."
            told.append(text)
        return told

    def __repr__(self) -> str:
        named = zip(self.labels, self.covers, strict=True)
        parts = ", ".join(f"{label} {in_percent(covers)}" for label, covers in named)
        return f"<SegmentedPicture: {self.seen.picture.name}, {parts}>"


def segmented(
    studied: StudiedModel,
    pictures: Sequence[Seen],
    method: MethodLike | None = "grad_cam",
    layer: str | None = None,
    *,
    most: int = MOST,
    seed: int = 0,
) -> tuple[SegmentedPicture, ...]:
    """What the model finds in each picture, and what its `most` largest classes rest on.

    `method` on `layer` makes a map for each class, from one forward pass and one backward pass each; none if None. The
    layer is by default the last of the coarsest map size, whose places see most of the picture.
    Raises `TargetError` for a model that gives no scores of places.
    """
    if most < 1:
        raise OptionError(f"most is the number of classes whose regions are taken out, 1 or more; got {most}.")
    chosen = None if method is None else one_method(method)
    found = []
    for seen in track(pictures, "taking regions out"):
        with studied.session() as session:
            one = _segmented(studied, session, seen, most, seed)
        heatmaps: tuple[Heatmaps, ...] = ()
        if chosen is not None and one.labels:
            targets = [Region(index) for index in one.indices]
            where = layer or coarsest(studied, seen)
            request = request_for(
                studied, seen.input[None], [chosen.formula], where, targets, ExplainOptions(seed=seed)
            )
            maps = compare(studied.model, [seen], request).values()
            heatmaps = tuple(each if isinstance(each, Heatmaps) else each.map() for each in maps)
        found.append(SegmentedPicture(seen, one.labels, one.indices, one.covers, one.winners, one.evidence, heatmaps))
    return tuple(found)


def coarsest(studied: StudiedModel, seen: Seen) -> str:
    """The last layer of the coarsest map size, as the model runs on a picture."""
    layers = studied.walk(seen.input[None])
    return min(layers.stages, key=lambda name: math.prod(layers[name].size or ()), default="last")


def _segmented(studied: StudiedModel, session: Session, seen: Seen, most: int, seed: int) -> SegmentedPicture:
    record = take(session, seen.input[None], classes=studied.class_outputs, gradients=False)
    read = PlaceScores(record.outputs, record.classes, 1)
    read.check_covered("their regions are not those of the picture")
    covers: Float[Tensor, " class"] = read.covers[0]
    largest = [index for index in covers.argsort(descending=True, stable=True).tolist() if covers[index] > 0][:most]
    indices = torch.tensor(largest, dtype=torch.long, device=covers.device)
    inside = [read.inside(index[None])[0].float() for index in indices]

    def read_inside(outputs: object, _: int) -> Tensor:
        shares = read.read_probabilities(outputs)
        columns = [
            mean_inside(of_class(shares, index[None].expand(len(shares)), 1), region.expand(len(shares), *region.shape))
            for index, region in zip(indices, inside, strict=True)
        ]
        return torch.stack(columns, 1)

    inputs = record.inputs.float()
    spread = [nearest(region, tuple(inputs.shape[2:])) >= 0.5 for region in inside]
    regions = torch.stack(spread)[None] if spread else inputs.new_zeros((1, 0, *inputs.shape[2:]), dtype=torch.bool)
    score = Scoring(session, inputs, read_inside, nullcontext)
    if spread:
        evidence = region_evidence(
            score, inputs, regions, fill="linear" if inputs.ndim == 4 else "mean", chunk=CHUNK // 4, seed=seed
        )
    else:
        evidence = RegionEvidence(*(torch.zeros(1, *size, device="cpu") for size in ((0,), (0, 0), (0,))))
    names = tuple(class_label(index, record.classes.names) for index in largest)
    return SegmentedPicture(
        seen, names, tuple(largest), tuple(covers[indices].tolist()), read.winners[0].cpu(), evidence
    )
