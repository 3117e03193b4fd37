"""Layer-wise relevance propagation and excitation backprop: the score handed back, layer by layer, to the pixels."""

from collections.abc import Sequence

import torch
from torch import Tensor

from featuremaps.errors import OptionError
from featuremaps.methods.registry import method
from featuremaps.methods.shapes import Inputs, Propagate
from featuremaps.rules.composites import COMPOSITES, CompositeName, LrpSettings, PixelBound, winning
from featuremaps.rules.lrp import Excitation, Relevance

Limit = float | int | str | Sequence[float] | Tensor | None


@method(
    paper="Bach et al. 2015, LRP, eq. 58-60; Montavon et al. 2019, LRP: an overview, section 10.3; "
    "Achtibat et al. 2024, AttnLRP, section 3",
    level="pixel",
)
def lrp(
    propagate: Propagate,
    *,
    composite: CompositeName = "epsilon_gamma_box",
    epsilon: float = 1e-6,
    gamma: float = 0.25,
    low: Limit = None,
    high: Limit = None,
) -> Inputs:
    """Layer-wise relevance propagation: the score, shared out among the pixels by what each layer's inputs contribute.

    The sum over the pixels is the score, less what biases and `epsilon` take, which is remarked as "relevance kept by
    biases" (not a number where an operation without a rule lost some). `composite` says which rule a layer
    gets: "epsilon_gamma_box" is z-box for the layer that sees the picture, gamma for the other convolutions, epsilon
    for dense layers; "epsilon_plus" z-plus for convolutions; "epsilon_plus_flat" flat for the first layer;
    "epsilon_alpha2_beta1" α = 2, β = 1 for convolutions; "epsilon", "gamma", "z_plus" one rule for all.

    Attention, gates and layer norm pass relevance by AttnLRP under all of these; class tokens, position embeddings and
    the offset of attention's softmax count as biases there. For vision transformers "attn_lrp" is gamma for
    convolutions and a fifth of it for dense layers, which makes less noise; "cp_lrp" the same with attention's
    probabilities as constants, so that relevance goes through the values alone (Ali et al. 2022).
    `low` and `high` are the lowest and highest values that a preprocessed picture can have, a number or one a
    colour; by default each picture's own.
    """
    for name, value in (("epsilon", epsilon), ("gamma", gamma)):
        if not value >= 0:
            raise OptionError(f"option {name!r} of lrp is zero or more; got {value}.")
    settings = LrpSettings(epsilon, gamma, _limit("low", low), _limit("high", high))
    return propagate(Relevance(COMPOSITES[composite](settings)))


@method(paper="Zhang et al. 2018, Top-down neural attention by excitation backprop, eq. 8, section 3.4", level="pixel")
def excitation_backprop(propagate: Propagate, *, contrastive: bool = False) -> Inputs:
    """Excitation backprop: the probability that each pixel wins when winners are drawn from the score downwards.

    From an output to its inputs in proportion to input times positive weight, biases left out; negative inputs count
    as 0, and at the layer that sees the picture the lowest value of each colour is subtracted, the paper's way with
    values that have a lower bound. The sum over the pixels is 1. The paper stops at an inner layer; this is the same
    chain down to the pixels. `contrastive` subtracts the probability under the class's opposite weights (c-MWP), so
    that what the class shares with the others cancels; it is meant for a dense last layer after the pooling: where
    the classes are maps that are averaged (SqueezeNet), it contrasts each position with itself.
    """
    return propagate(Excitation(winning(contrastive)))


def _limit(name: str, given: Limit) -> PixelBound:
    """A limit of the box as a tensor; text from the command line is read as numbers between commas."""
    if given is None:
        return None
    try:
        values = [float(part) for part in given.split(",")] if isinstance(given, str) else given
        limit = torch.as_tensor(values, dtype=torch.float32)
        return limit[0] if limit.shape == (1,) else limit
    except (ValueError, TypeError, RuntimeError) as error:
        raise OptionError(f"option {name!r} of lrp is a number, or one number a colour; got {given!r}.") from error
