"""Sanity checks: a map that explains a model changes with its weights, its labels and the class asked for."""

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.evidence.measured import Measured, mean_of, usable
from featuremaps.evidence.registry import measure
from featuremaps.evidence.shapes import ClassIndices, ExplainClass, ExplainRandomised, Heatmap, Randomisation
from featuremaps.evidence.similarity import OTHER, rank_correlation, similar_structure

ALIKE = 0.5
SAME_CLASS = 0.9
BINS = 100
SHOWS_THE_PICTURE = (
    "the map stays much the same when the model's weights are random: it shows the picture rather than the model"
)
ONE_CLASS = "the model has a single class, and there is no other to ask for"
ONE_BIN = "the map's values all lie in one bin of the histogram"
NO_LAYER = "the model has no layer whose weights could be made random"


@measure(
    paper="Adebayo et al. 2018, Sanity checks, section 3",
    better="lower",
    unit="rank correlation",
    limit=ALIKE,
    family="sanity",
    failure=SHOWS_THE_PICTURE,
)
def parameter_randomisation(
    heatmap: Heatmap, explain_randomised: ExplainRandomised, *, order: Randomisation = "cascading"
) -> Measured:
    """The mean Spearman's correlation between the map and those of the model with random weights.

    Cascading makes layer after layer random from the output down; single makes one at a time. Passed up to 0.5, where a
    quarter of the variance of ranks is the same (.5²): the picture itself makes some places strong, and on `demo-fixed`
    guided backprop has .59, Eigen-CAM of layer3 .50 and twelve others at most .36. Undefined for a map that is constant
    or not finite; random layers whose map is are left out.
    """
    return _mean_similarity(heatmap, explain_randomised, order, by_rank=True)


@measure(paper="Adebayo et al. 2018, Sanity checks, section 3, SSIM", better="lower", unit="SSIM", family="sanity")
def parameter_randomisation_ssim(
    heatmap: Heatmap, explain_randomised: ExplainRandomised, *, order: Randomisation = "cascading"
) -> Measured:
    """The mean structural similarity between the map and those of the model with random weights.

    No verdict: maps of few strong places are alike in all that is empty (on `demo-fixed` LRP has .53, whose ranks have
    −.06). Undefined where `parameter_randomisation` is.
    """
    return _mean_similarity(heatmap, explain_randomised, order, by_rank=False)


@measure(
    paper="Hedström et al. 2024, A fresh look at sanity checks, eMPRT", better="higher", unit="ratio", family="sanity"
)
def emprt(heatmap: Heatmap, explain_randomised: ExplainRandomised) -> Measured:
    """How much more complex the map gets when all weights are random, as a share of its complexity.

    Complexity is the entropy of the histogram of the map's values, in 100 bins from its lowest to its highest: noise in
    the weights should bring noise into the map. No verdict: on `demo-fixed` guided backprop, which changes least, rises
    most among maps of all pixels (2.0), and on a ResNet-20 the complexity of Grad-CAM falls (−.15). Undefined where a
    map is constant or not finite, and where the map has a single filled bin.
    """
    maps = [random for _, random in explain_randomised("cascading")]
    if not maps:
        return _nothing(heatmap, NO_LAYER)
    before, after = _histogram_entropy(heatmap), _histogram_entropy(maps[-1])
    judged = usable(heatmap).where(usable(maps[-1]).defined, OTHER).where(before > 0, ONE_BIN)
    return judged.of((after - before) / before)


@measure(
    paper="Sixt et al. 2020, When explanations lie, random logit test",
    better="lower",
    unit="rank correlation",
    limit=SAME_CLASS,
    family="sanity",
    failure="the map is nearly the same whatever class is asked for",
)
def random_target(
    heatmap: Heatmap,
    explain_class: ExplainClass,
    target: ClassIndices,
    classes: int,
    generator: torch.Generator,
) -> Measured:
    """Spearman's correlation between the map and that of another class, drawn by chance, as far away for each picture.

    Passed up to 0.9: above, four fifths of the variance of ranks (.9²) are the same whatever class is asked for, as of
    Eigen-CAM (1.0), and of guided backprop on a ResNet-20 (.94), where LayerCAM has .85.
    Undefined where a map is constant or not finite, and for a model of one class.
    """
    if classes < 2:
        return _nothing(heatmap, ONE_CLASS)
    step = 1 + int(torch.randint(classes - 1, (), generator=generator, device="cpu"))
    return rank_correlation(heatmap, explain_class((target + step) % classes).detach())


@measure(
    paper="Adebayo et al. 2018, Sanity checks, section 4",
    better="lower",
    unit="rank correlation",
    limit=ALIKE,
    family="sanity",
    failure="a model trained on shuffled labels has much the same map",
)
def random_labels(heatmap: Heatmap, random_label_heatmap: Heatmap) -> Measured:
    """Spearman's correlation between the map and that of the same architecture trained on shuffled labels.

    Passed up to 0.5, for the reason that `parameter_randomisation` gives. Undefined where a map is constant or not
    finite.
    """
    return rank_correlation(heatmap, random_label_heatmap)


def _mean_similarity(
    heatmap: Heatmap, explain_randomised: ExplainRandomised, order: Randomisation, *, by_rank: bool
) -> Measured:
    similarity = rank_correlation if by_rank else similar_structure
    each = [similarity(heatmap, random.detach()) for _, random in explain_randomised(order)]
    if not each:
        return _nothing(heatmap, NO_LAYER)
    return mean_of(each, where_defined=True)


def _nothing(heatmap: Heatmap, reason: str) -> Measured:
    return usable(heatmap).where(torch.zeros(len(heatmap), dtype=torch.bool, device=heatmap.device), reason)


def _histogram_entropy(heatmap: Heatmap) -> Float[Tensor, " batch"]:
    maps = heatmap.detach().flatten(1).double().nan_to_num(0, 0, 0).cpu()
    shares = torch.stack([torch.histc(values, BINS) for values in maps]) / maps.shape[1]
    entropies: Tensor = torch.special.entr(shares).sum(1)
    return entropies.to(usable(heatmap).values)
