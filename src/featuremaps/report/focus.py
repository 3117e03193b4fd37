"""How much of a picture a map rests on: the card that says where a model looks, with its narrowest and widest map."""

from collections.abc import Sequence
from statistics import median

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from featuremaps.outputs.outputs import in_percent
from featuremaps.plotting.method_names import method_name
from featuremaps.plotting.panels import counted
from featuremaps.plotting.rendering import ALPHA, SEQUENTIAL, enlarged, overlay, scaled
from featuremaps.report.explanations import ExplainedPicture, Explanations, HeatmapData
from featuremaps.report.first_screen import Card

Focused = tuple[ExplainedPicture, HeatmapData, float]


def half_area(map: Float[Tensor, "height width"]) -> float | None:
    """The least share of a map's cells that hold half of what speaks for the target; None where nothing does.

    0.5 for a map that is the same everywhere, 1 / (height × width) for a single cell.
    """
    strongest = map.detach().double().nan_to_num(0.0, 0.0, 0.0).relu().flatten().sort(descending=True).values
    total = float(strongest.sum())
    if total == 0:
        return None
    return (int((strongest.cumsum(0) < total / 2).sum()) + 1) / len(strongest)


def where_card(shown: Sequence[tuple[ExplainedPicture, HeatmapData]], maps: Sequence[HeatmapData], link: str) -> Card:
    """Where a model looks, by the map of each picture that is shown first; `maps` are all of the report."""
    known = [(picture, map, half_area(map.map)) for picture, map in shown if map.map is not None]
    told = [(picture, map, area) for picture, map, area in known if area is not None]
    focused = sorted(told, key=lambda one: one[2])
    doubts = _doubts(maps)
    calm = f"{counted(len(maps), 'map')}, none with a warning." if maps else "There is no map."
    sentence = " ".join(filter(None, [_sentence(focused), doubts])) or calm
    ends = {in_percent(area): (picture, map) for picture, map, area in (focused[:1] + focused[1:][-1:])}
    captions = [f"{area} {word}" for area, word in zip(ends, ("in the narrowest", "in the widest"), strict=False)]
    laid = [_laid(*one) for one in ends.values()]
    # A single picture is shown with its map beside the card.
    pictures = dict(zip(captions, laid, strict=True)) if len(laid) > 1 else None
    right = False if doubts else None
    return Card("Where does it look?", sentence, pictures, (), Explanations.title, link, right)


def _sentence(focused: Sequence[Focused]) -> str:
    if not focused:
        return ""
    methods = {map.method for _, map, _ in focused}
    name = method_name(methods.pop()) if len(methods) == 1 else "its map"
    middle = in_percent(median(area for _, _, area in focused))
    if len(focused) == 1:
        return f"Half of {name} lies on {middle} of the picture."
    return f"Half of {name} lies on {middle} of a picture (median of {len(focused)})."


def _doubts(maps: Sequence[HeatmapData]) -> str:
    """How many maps carry a warning, and how many are missing; "" where none is."""
    doubtful, failed = sum(bool(map.warnings) for map in maps), sum(map.failure is not None for map in maps)
    parts = [f"{doubtful} {'carries' if doubtful == 1 else 'carry'} a warning"] if doubtful else []
    parts += [f"{failed} could not be made"] if failed else []
    return f"Of {counted(len(maps), 'map')} {' and '.join(parts)}." if parts else ""


def _laid(picture: ExplainedPicture, heatmap: HeatmapData) -> Image.Image:
    assert heatmap.map is not None
    size = (picture.seen.height, picture.seen.width)
    map = enlarged(scaled(heatmap.map.detach().float().cpu(), "max")[None], size)[0]
    return overlay(picture.seen, map, alpha=ALPHA, colormap=SEQUENTIAL)
