"""What the model makes of the picture seen through its map: average drop and increase, coherency, complexity, ADCC."""

from featuremaps.evidence.measured import Measured, together, usable
from featuremaps.evidence.registry import measure
from featuremaps.evidence.shapes import ExplainAgain, Heatmap, Inputs, Score
from featuremaps.evidence.similarity import correlation

POSITIVE = "the map has no positive value"
EMPTY = "the picture is 0 everywhere"
NO_PROBABILITY = "the probability of the class is not positive"
AGAIN = "the map of the picture seen through its map has no positive value, or is the same everywhere, or not finite"


@measure(
    paper="Chattopadhay et al. 2018, Grad-CAM++, section 5; Poppi et al. 2021",
    better="lower",
    unit="share",
    family="faithfulness",
)
def average_drop(heatmap: Heatmap, inputs: Inputs, probability: Score) -> Measured:
    """The share of the class's probability that is lost when the picture is multiplied by its map.

    The map's positive part is scaled from 0 to 1 first. Undefined for a map that is constant, not finite or nowhere
    positive, for a picture of zeros, and where the probability is not positive.
    """
    whole, seen = _probabilities(heatmap, inputs, probability)
    return together([whole, seen], (whole.values - seen.values).clamp(min=0) / whole.values)


@measure(
    paper="Chattopadhay et al. 2018, Grad-CAM++, section 5",
    better="higher",
    unit="share of pictures",
    family="faithfulness",
)
def average_increase(heatmap: Heatmap, inputs: Inputs, probability: Score) -> Measured:
    """1 where the class is more probable in the picture multiplied by its map than in the picture, 0 otherwise.

    Undefined where `average_drop` is.
    """
    whole, seen = _probabilities(heatmap, inputs, probability)
    return together([whole, seen], (seen.values > whole.values).to(whole.values))


@measure(
    paper="Poppi et al. 2021, Revisiting the evaluation of CAMs, coherency",
    better="higher",
    unit="share",
    family="faithfulness",
)
def coherency(heatmap: Heatmap, inputs: Inputs, explain_again: ExplainAgain) -> Measured:
    """How alike the map and that of the picture multiplied by it are: their correlation, moved from −1…1 to 0…1.

    Undefined for a map that is constant, not finite or nowhere positive, first or again, and for a picture of zeros.
    """
    judged = _judged(heatmap, inputs)
    again = explain_again(_seen_through(heatmap, inputs)).detach()
    alike = correlation(heatmap.clamp(min=0), again.clamp(min=0))
    judged = judged.where(_visible(again).defined, AGAIN)
    return judged.of((1 + alike.values.to(judged.values.dtype)) / 2)


@measure(
    paper="Poppi et al. 2021, Revisiting the evaluation of CAMs, complexity",
    better="lower",
    unit="share",
    family="complexity",
)
def complexity(heatmap: Heatmap) -> Measured:
    """The mean of the map's positive part, scaled from 0 to 1: how much of the picture it shows.

    Undefined for a map that is constant, not finite or nowhere positive.
    """
    judged = _visible(heatmap)
    return judged.of(_scaled(heatmap).flatten(1).mean(1).to(judged.values.dtype))


@measure(
    paper="Poppi et al. 2021, Revisiting the evaluation of CAMs, ADCC",
    better="higher",
    unit="share",
    family="faithfulness",
)
def adcc(heatmap: Heatmap, inputs: Inputs, probability: Score, explain_again: ExplainAgain) -> Measured:
    """The harmonic mean of coherency, 1 − complexity and 1 − average drop; 0 where one of them is.

    Undefined where one of the three is.
    """
    alike = coherency(heatmap, inputs, explain_again)
    shown, drop = complexity(heatmap), average_drop(heatmap, inputs, probability)
    return together([drop, alike, shown], 3 / (1 / alike.values + 1 / (1 - shown.values) + 1 / (1 - drop.values)))


def _scaled(heatmap: Heatmap) -> Heatmap:
    """The positive part of a map, from 0 to 1."""
    positive, space = heatmap.clamp(min=0), tuple(range(1, heatmap.ndim))
    low, high = positive.amin(space, keepdim=True), positive.amax(space, keepdim=True)
    return (positive - low) / (high - low)


def _visible(heatmap: Heatmap) -> Measured:
    return usable(heatmap).where((heatmap > 0).flatten(1).any(1), POSITIVE)


def _judged(heatmap: Heatmap, inputs: Inputs) -> Measured:
    return _visible(heatmap).where((inputs != 0).flatten(1).any(1), EMPTY)


def _seen_through(heatmap: Heatmap, inputs: Inputs) -> Inputs:
    return inputs * _scaled(heatmap).nan_to_num(0)[:, None].to(inputs.dtype)


def _probabilities(heatmap: Heatmap, inputs: Inputs, probability: Score) -> tuple[Measured, Measured]:
    """The probability of the class in each picture, and in the picture multiplied by its map."""
    judged = _judged(heatmap, inputs)
    whole, seen = (
        probability(pictures).detach().to(judged.values.dtype) for pictures in (inputs, _seen_through(heatmap, inputs))
    )
    judged = judged.where(whole > 0, NO_PROBABILITY)
    return judged.of(whole), judged.of(seen)
