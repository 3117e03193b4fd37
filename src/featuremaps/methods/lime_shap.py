"""LIME and Kernel SHAP: hide random pieces of the picture, and explain the scores by a linear model of the pieces.

The pieces of a signal are stretches of time, those of a volume supervoxels; see `segments`.
"""

import math
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from featuremaps.methods.baselines import Baseline, baseline_of
from featuremaps.methods.channel_weights import divided
from featuremaps.methods.chunking import checked, in_chunks, kept_scores
from featuremaps.methods.random_numbers import uniform
from featuremaps.methods.registry import method
from featuremaps.methods.segments import Labels, Segmentation, segment_means, segmented
from featuremaps.methods.shapes import Inputs, PixelMap, Score

PieceBaseline = Literal["zero", "mean", "blur", "segment"]
Measure = Literal["probability", "score"]
Coalitions = Bool[Tensor, "batch sample segment"]
Weights = Float[Tensor, "batch sample"]
Coefficients = Float[Tensor, "batch segment"]


@method(paper="Ribeiro et al. 2016, Why should I trust you? (LIME), eq. 1-2 and algorithm 1", level="pixel")
def lime(
    inputs: Inputs,
    score: Score,
    probability: Score,
    generator: torch.Generator,
    *,
    samples: int = 1000,
    segments: int = 50,
    segmentation: Segmentation = "slic",
    baseline: PieceBaseline = "segment",
    measure: Measure = "probability",
    width: float = 0.25,
    penalty: float = 1.0,
    chunk: int = 0,
) -> PixelMap:
    """Each piece's coefficient in a ridge regression of the class probability on which pieces are shown.

    Each of `samples` copies hides every one of about `segments` pieces with probability ½ (the first hides none).
    A copy weighs exp(−d² / 2·width²), d the cosine distance of what it shows from showing everything; `penalty` is
    the ridge's. A hidden piece has its own mean colour (`"segment"`, as in the authors' code; a stretch of a signal the
    mean of the whole) or a `baseline`.
    `chunk` copies run at a time (0: chosen for the device).
    """
    labels, count = _pieces(inputs, segments, segmentation)
    checked("samples", samples, "how many copies with hidden pieces are scored", least=1)
    checked("width", width, "the width of the kernel over cosine distances", least=1e-3)
    checked("penalty", penalty, "the weight of the ridge penalty", least=0)
    shown = uniform((samples, count), generator) < 0.5
    shown[0] = True
    coalitions = shown.to(inputs.device) & present(labels, count)[:, None]
    empty = piece_stand_in(inputs, labels, count, baseline)
    values = coalition_scores(
        inputs, empty, labels, coalitions, probability if measure == "probability" else score, chunk, "lime"
    )
    closeness = (coalitions.sum(2) / present(labels, count).sum(1)[:, None]).double().sqrt()
    weights = (-((1 - closeness) ** 2) / (2 * width**2)).exp()
    return painted(ridge(coalitions, weights, values, penalty), labels).to(inputs)


@method(paper="Lundberg & Lee 2017, A unified approach to interpreting model predictions, theorem 2", level="pixel")
def kernel_shap(
    inputs: Inputs,
    score: Score,
    generator: torch.Generator,
    *,
    samples: int = 1000,
    segments: int = 50,
    segmentation: Segmentation = "slic",
    baseline: PieceBaseline = "zero",
    chunk: int = 0,
) -> PixelMap:
    """Each piece's Shapley value: its mean contribution to the score, over all orders in which pieces can be shown.

    The values of all pieces add up to the score minus the baseline's score, exactly. They are fitted to `samples`
    copies that show some of about `segments` pieces, drawn from the Shapley kernel together with their complements
    (Covert & Lee 2021), and are exact where all 2^segments combinations fit into `samples`. `chunk` copies run at a
    time (0: chosen for the device).
    """
    labels, count = _pieces(inputs, segments, segmentation)
    exact = 2**count <= samples
    if not exact:
        meaning = f"how many copies with hidden pieces are scored, more than there are pieces ({count})"
        checked("samples", samples, meaning, least=count + 1)
    known = present(labels, count)
    coalitions = all_coalitions(known) if exact else paired_coalitions(known, samples, generator)
    weights = shapley_kernel(coalitions, known) if exact else inputs.new_ones(coalitions.shape[:2])
    empty = piece_stand_in(inputs, labels, count, baseline)
    with torch.no_grad():
        nothing = score(empty).double()[:, None]
        total = score(inputs).double()[:, None] - nothing
    values = coalition_scores(inputs, empty, labels, coalitions, score, chunk, "kernel_shap") - nothing
    return painted(constrained(coalitions, weights.double(), values, total, known), labels).to(inputs)


def present(labels: Labels, count: int) -> Bool[Tensor, "batch segment"]:
    """Which pieces a picture has."""
    known = torch.zeros((len(labels), count), dtype=torch.bool, device=labels.device)
    return known.scatter_(1, labels.flatten(1), True)


def piece_stand_in(inputs: Inputs, labels: Labels, count: int, baseline: PieceBaseline) -> Inputs:
    """As `baseline_of`; with `"segment"` every piece has its own mean colour.

    A stretch of a signal has the mean of the whole: it is shorter than most of what is in a signal, whose course its
    own mean would follow.
    """
    if baseline != "segment":
        plain: Baseline = baseline
        return baseline_of(inputs, plain)
    if inputs.ndim == 3:
        return baseline_of(inputs, "mean")
    where = labels.flatten(1)[:, None].expand(-1, inputs.shape[1], -1)
    return segment_means(inputs, labels, count).gather(2, where).view_as(inputs)


def coalition_scores(
    inputs: Inputs, empty: Inputs, labels: Labels, coalitions: Coalitions, score: Score, chunk: int, doing: str
) -> Float[Tensor, "batch sample"]:
    """The scores of copies that show the pieces of a coalition and hide the others."""
    where = labels.flatten(1)[:, None]
    scores = torch.zeros(coalitions.shape[:2], dtype=torch.float64, device=inputs.device)
    for part in in_chunks(coalitions.shape[1], inputs, chunk, f"{doing}: hiding pieces"):
        shown = coalitions[:, part].to(inputs)
        masks = shown.gather(2, where.expand(-1, shown.shape[1], -1)).unflatten(2, labels.shape[1:])
        scores[:, part] = kept_scores(inputs, empty, masks, score).to(scores)
    return scores


def ridge(coalitions: Coalitions, weights: Weights, values: Weights, penalty: float) -> Coefficients:
    """The coefficients of a weighted ridge regression with an intercept that is not penalised."""
    shown = coalitions.double()
    shares = (weights / weights.sum(1, keepdim=True))[..., None]
    shown = shown - (shares * shown).sum(1, keepdim=True)
    values = values - (shares[..., 0] * values).sum(1, keepdim=True)
    weighted = (weights[..., None] * shown).mT
    gram = weighted @ shown + penalty * torch.eye(shown.shape[2], device=shown.device, dtype=shown.dtype)
    fitted: Tensor = torch.linalg.pinv(gram, hermitian=True) @ (weighted @ values[..., None])
    return fitted[..., 0]


def constrained(
    coalitions: Coalitions,
    weights: Weights,
    values: Weights,
    total: Float[Tensor, "batch 1"],
    known: Bool[Tensor, "batch segment"],
) -> Coefficients:
    """The weighted least squares fit of the values by sums over coalitions, whose coefficients add up to `total`.

    What is fitted is the deviation from equal shares of the total, among vectors that add up to 0; so the sum holds
    whatever the samples are.
    """
    shown, pieces = coalitions.double(), known.double()
    number = pieces.sum(1, keepdim=True)
    equal = total * pieces / number
    level = torch.diag_embed(pieces) - pieces[:, :, None] * pieces[:, None] / number[..., None]
    weighted = level @ (weights[..., None] * shown).mT
    rest = values[..., None] - shown @ equal[..., None]
    inverse: Tensor = torch.linalg.pinv(weighted @ shown @ level, hermitian=True)
    return equal + (level @ inverse @ (weighted @ rest))[..., 0]


def all_coalitions(known: Bool[Tensor, "batch segment"]) -> Coalitions:
    """Every choice of pieces but none and all of them."""
    count = known.shape[1]
    numbers = torch.arange(1, 2**count - 1, device=known.device)
    return ((numbers[:, None] >> torch.arange(count, device=known.device)) % 2 == 1) & known[:, None]


def shapley_kernel(coalitions: Coalitions, known: Bool[Tensor, "batch segment"]) -> Weights:
    """The weight of a coalition of s out of n pieces, (n − 1) / (C(n, s)·s·(n − s)); 0 for none and all of them."""
    size, number = coalitions.sum(2).double(), known.sum(1, keepdim=True).double()
    choices = (torch.lgamma(number + 1) - torch.lgamma(size + 1) - torch.lgamma(number - size + 1)).exp()
    return divided(number - 1, choices * size * (number - size))


def paired_coalitions(known: Bool[Tensor, "batch segment"], samples: int, generator: torch.Generator) -> Coalitions:
    """Coalitions drawn from the Shapley kernel, each followed by its complement; one draw serves all pictures.

    The kernel's weight of all coalitions of s out of n pieces together is in proportion to 1 / (s·(n − s)).
    """
    pairs, count = samples // 2, known.shape[1]
    places, keys = uniform((pairs,), generator), uniform((pairs, count), generator)
    number = known.sum(1, keepdim=True)
    sizes = torch.arange(1, max(2, count), device=known.device)
    weight = torch.where(sizes < number, 1 / (sizes * (number - sizes).clamp_min(1)), 0.0)
    shares = divided(weight.cumsum(1), weight.sum(1, keepdim=True))
    drawn = places.to(shares).expand(len(known), -1).contiguous()
    size = (torch.searchsorted(shares.contiguous(), drawn, right=True) + 1).minimum((number - 1).clamp_min(1))
    ranked = torch.where(known[:, None], keys.to(shares), torch.inf).argsort(dim=2, stable=True).argsort(dim=2)
    chosen = (ranked < size[..., None]) & known[:, None]
    return torch.stack([chosen, known[:, None] & ~chosen], 2).flatten(1, 2)


def painted(coefficients: Coefficients, labels: Labels) -> PixelMap:
    """Every pixel with the value of its piece."""
    return coefficients.gather(1, labels.flatten(1)).view_as(labels)[:, None]


def _pieces(inputs: Inputs, segments: int, segmentation: Segmentation) -> tuple[Labels, int]:
    most = math.prod(inputs.shape[2:])
    checked("segments", segments, "about how many pieces the picture is cut into", least=1, most=most)
    return segmented(inputs, segments, segmentation)
