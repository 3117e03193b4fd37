"""How alike two heatmaps of a picture are: correlation of values and of ranks, and structural similarity."""

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.evidence.measured import Measured, usable

Values = Float[Tensor, "batch *space"]
OTHER = "the map that it is compared with is the same everywhere, or not finite"
WINDOW = 7
"""The side of the windows in which structure is compared (Wang et al. 2004), less on smaller maps."""


def correlation(first: Values, second: Values) -> Measured:
    """Pearson's correlation, -1 to 1, over the places; undefined where either map is constant or not finite."""
    one, other = (_centred(values.flatten(1)) for values in (first, second))
    length = (one.square().sum(1) * other.square().sum(1)).sqrt()
    return _compared(first, second, ((one * other).sum(1) / length).clamp(-1, 1))


def rank_correlation(first: Values, second: Values) -> Measured:
    """Spearman's correlation of ranks, -1 to 1; equal values share the mean of their ranks."""
    by_rank = correlation(*(_mean_ranks(values).to(first.device) for values in (first, second)))
    return _compared(first, second, by_rank.values)


def similar_structure(first: Values, second: Values) -> Measured:
    """Structural similarity (SSIM) of the maps, each divided by its largest absolute value, -1 to 1 (the same)."""
    from skimage.metrics import structural_similarity

    pairs = zip(*(_by_peak(values).cpu().numpy() for values in (first, second)), strict=True)
    window = min(WINDOW, *(size - 1 + size % 2 for size in first.shape[1:]))
    options = {"data_range": 2, "win_size": window, "use_sample_covariance": False}
    values = [float(structural_similarity(one, other, **options)) for one, other in pairs]
    return _compared(first, second, torch.tensor(values, dtype=torch.float64, device=first.device))


def _compared(first: Values, second: Values, values: Float[Tensor, " batch"]) -> Measured:
    judged = usable(first)
    return judged.where(usable(second).defined, OTHER).of(values.to(judged.values.dtype))


def _centred(values: Float[Tensor, "batch place"]) -> Float[Tensor, "batch place"]:
    exact = values.double()
    return exact - exact.mean(1, keepdim=True)


def _mean_ranks(values: Values) -> Float[Tensor, "batch place"]:
    from scipy.stats import rankdata

    return torch.from_numpy(rankdata(values.detach().flatten(1).double().cpu().numpy(), axis=1))


def _by_peak(values: Values) -> Values:
    exact = values.detach().double()
    return (exact / exact.flatten(1).abs().amax(1).reshape(-1, *[1] * (values.ndim - 1))).nan_to_num(0, 0, 0)
