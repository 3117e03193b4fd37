"""Whether what looks like a segmentation's class scores may be heatmaps, as of keypoints or of objects' centres."""

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.layers.model_output import Key, parts_of

OF_BOXES = (2, 4)
"""So many numbers a place are a size or an offset, or the four sides of a box."""
ABSENT, MOSTLY = -1.0, 0.75
"""Scores below this at so large a share of the places say that none of the classes is there."""
FLAT, BELOW, HIGHEST = 0.1, 0.5, 1.5
"""Of a heatmap's peak: so much lies at the middle value, so much below zero; and its peak is no higher than this."""
WAY_OUT = (
    "give target= a function from its output to one score per picture, such as the peak of one channel, "
    "maps[:, 0].amax((1, 2))"
)


def beside_boxes(outputs: object, part: Key | None, dense: Float[Tensor, "batch classes *grid"]) -> str:
    """Why these class maps may be of a detector's centres: there are sizes or offsets beside them; "" where not."""
    beside = [
        each
        for key, each in parts_of(outputs).items()
        if key != part and isinstance(each, Tensor) and each.ndim == dense.ndim == 4 and each.is_floating_point()
    ]
    beside = [each for each in beside if each.shape[2:] == dense.shape[2:] and each.shape[1] != dense.shape[1]]
    boxes = [each.shape[1] for each in beside if each.shape[1] in OF_BOXES]
    if not boxes:
        return ""
    counts = " and ".join(map(str, boxes))
    return (
        f"the class maps are read as a segmentation, and the model gives maps of {counts} numbers a place beside them, "
        "as detectors give sizes and offsets beside heatmaps of centres (CenterNet). If it is one, wrap it so that it "
        f"returns boxes, labels and scores, or {WAY_OUT} of the heatmaps"
    )


def like_heatmaps(dense: Float[Tensor, "batch classes *grid"]) -> str:
    """Why logits of places may be heatmaps of their own each, and no classes that exclude each other; "" where not."""
    values = dense.detach().flatten(2).float()
    if values.shape[1] < 2 or not bool(values.isfinite().all()):
        return ""
    nowhere = bool(((values.amax(1) < ABSENT).float().mean(1) > MOSTLY).all())
    peak, middle, low = values.amax(2), values.median(2).values, values.amin(2)
    peaked = (middle.abs() <= FLAT * peak) & (low >= -BELOW * peak) & (peak > 0) & (peak <= HIGHEST)
    if not nowhere and not bool(peaked.all()):
        return ""
    seen = "negative at most places" if nowhere else "close to zero at most places, with a peak of about 1 each"
    return (
        f"the scores are read as classes of which each place has one, and all are {seen}, as heatmaps of keypoints or "
        f"centres are. If they are such, say outputs='multi_label' (a sigmoid each), or {WAY_OUT}"
    )


def exclude_each_other(probabilities: Float[Tensor, "batch classes *grid"]) -> bool:
    """Whether a place has one class: at most places they add up to one to within rounding, as sigmoids hardly do."""
    off = (probabilities.detach().float().sum(1) - 1).abs()
    return bool((off <= 16 * torch.finfo(probabilities.dtype).eps ** 0.5).float().mean() > 0.5)
