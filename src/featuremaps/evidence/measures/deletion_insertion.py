"""Deletion and insertion: how the class fares while the places of a heatmap are taken out, or put in."""

from featuremaps.evidence.fills import Fill
from featuremaps.evidence.measured import Measured, together
from featuremaps.evidence.registry import measure
from featuremaps.evidence.shapes import CurveOf

STEPS = 20


@measure(paper="Petsiuk et al. 2018, RISE, section 4.1", better="lower", unit="mean probability", family="faithfulness")
def deletion(curve: CurveOf, *, fill: Fill = "zero", steps: int = STEPS) -> Measured:
    """The mean probability of the class while the most relevant places are taken out first.

    Undefined for a map that is constant or not finite, and for a picture that equals the fill.
    """
    return curve("most", fill, steps).area()


@measure(
    paper="Petsiuk et al. 2018, RISE, section 4.1", better="higher", unit="mean probability", family="faithfulness"
)
def insertion(curve: CurveOf, *, fill: Fill = "blur", steps: int = STEPS) -> Measured:
    """The mean probability of the class while the most relevant places are put in first, into a blurred picture.

    Putting in the most relevant places is taking out the least relevant ones, read backwards: the same area.
    Undefined where `deletion` is.
    """
    return curve("least", fill, steps).area()


@measure(
    paper="Petsiuk et al. 2018, RISE, section 4.1; the difference",
    better="higher",
    unit="probability",
    family="faithfulness",
)
def insertion_minus_deletion(
    curve: CurveOf, *, fill_in: Fill = "blur", fill_out: Fill = "zero", steps: int = STEPS
) -> Measured:
    """Insertion less deletion. Undefined where either is."""
    put_in, taken_out = insertion(curve, fill=fill_in, steps=steps), deletion(curve, fill=fill_out, steps=steps)
    return together([put_in, taken_out], put_in.values - taken_out.values)
