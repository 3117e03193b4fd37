"""Localisation: is the map where the object is? Says how far model and method together find it, not why it decided."""

import torch
from torch import Tensor

from featuremaps.evidence.measured import Measured, usable
from featuremaps.evidence.registry import measure
from featuremaps.evidence.shapes import Heatmap, Masks
from featuremaps.methods.chunking import checked

EMPTY_MASK = "the mask is empty"
FULL_MASK = "the mask covers the whole picture"
POSITIVE = "the map has no positive value"


@measure(
    paper="Zhang et al. 2018, Excitation backprop, section 4.1",
    better="higher",
    unit="share of peaks",
    family="localisation",
)
def pointing_game(heatmap: Heatmap, masks: Masks, *, tolerance: float = 15 / 224) -> Measured:
    """1 where the map's peak lies within the mask or close to it, 0 otherwise.

    Close is `tolerance` of the shorter side; the paper takes 15 pixels. Of several equal peaks, the share that does.
    Undefined for a map that is constant or not finite, and for an empty or full mask.
    """
    from scipy.ndimage import distance_transform_edt

    checked("tolerance", tolerance, "how far from the mask a peak may lie, as a share of the shorter side", least=0)
    judged = _judged(heatmap, masks)
    reach = round(tolerance * min(heatmap.shape[1:]))
    distance = torch.stack([torch.from_numpy(distance_transform_edt(mask)) for mask in ~masks.cpu()])
    near = (distance <= reach).flatten(1).to(heatmap.device)
    peaks = heatmap.flatten(1) == heatmap.flatten(1).amax(1, keepdim=True)
    return judged.of(((near & peaks).sum(1) / peaks.sum(1)).to(judged.values.dtype))


@measure(
    paper="Wang et al. 2020, Score-CAM, section 4.3, energy-based pointing game",
    better="higher",
    unit="share",
    family="localisation",
)
def energy_inside(heatmap: Heatmap, masks: Masks) -> Measured:
    """The share of the map's positive values that lies inside the mask.

    Undefined for a map that is constant, not finite or nowhere positive, and for an empty or full mask.
    """
    return _inside(heatmap, masks)


@measure(
    paper="Everingham et al. 2010, PASCAL VOC, eq. 4; the best of all thresholds",
    better="higher",
    unit="share",
    family="localisation",
)
def best_iou(heatmap: Heatmap, masks: Masks) -> Measured:
    """Intersection over union of the mask and the places above a threshold, for the threshold that suits best.

    Undefined for a map that is constant or not finite, and for an empty or full mask.
    """
    judged = _judged(heatmap, masks)
    values, order = heatmap.flatten(1).sort(dim=1, descending=True)
    inside = masks.flatten(1).gather(1, order).cumsum(1).to(judged.values.dtype)
    above = torch.arange(1, values.shape[1] + 1, device=values.device)
    overlap = inside / (above + inside[:, -1:] - inside)
    last = torch.ones_like(values, dtype=torch.bool)
    last[:, :-1] = values[:, :-1] != values[:, 1:]  # no threshold lies between equal values
    return judged.of(overlap.masked_fill(~last, 0).amax(1))


@measure(
    paper="Böhle et al. 2021, Convolutional dynamic alignment networks, section 4",
    better="higher",
    unit="share",
    family="localisation",
)
def grid_pointing_game(mosaic: Heatmap, cells: Masks) -> Measured:
    """The share of a mosaic's positive map that lies in the cell whose picture shows the class explained.

    1 / the number of cells for a map that does not know. Undefined for a map that is constant, not finite or nowhere
    positive, and for an empty or full cell.
    """
    return _inside(mosaic, cells)


def _inside(heatmap: Heatmap, masks: Masks) -> Measured:
    positive = heatmap.clamp(min=0).flatten(1)
    whole = positive.sum(1)
    judged = _judged(heatmap, masks).where(~(whole <= 0), POSITIVE)
    return judged.of(((positive * masks.flatten(1)).sum(1) / whole).to(judged.values.dtype))


def _judged(heatmap: Heatmap, masks: Masks) -> Measured:
    flat: Tensor = masks.flatten(1)
    return usable(heatmap).where(flat.any(1), EMPTY_MASK).where(~flat.all(1), FULL_MASK)
