"""ROAD: what is left of the class when removed places are filled in from their neighbours, so that no edge shows."""

from featuremaps.evidence.curves import Order
from featuremaps.evidence.fills import Fill
from featuremaps.evidence.measured import Measured, together
from featuremaps.evidence.registry import measure
from featuremaps.evidence.shapes import CurveOf
from featuremaps.methods.chunking import checked

STEPS = 5
"""Shares of 20, 40, 60 and 80%, which order explanations as nine do (docs/evidence.md) at less than half the cost."""


@measure(
    paper="Rong et al. 2022, ROAD, section 5, MoRF", better="lower", unit="mean probability", family="faithfulness"
)
def road_morf(curve: CurveOf, *, fill: Fill = "linear", steps: int = STEPS) -> Measured:
    """The mean probability of the class with 20, 40, 60 and 80% of the places removed, the most relevant ones first.

    The places go by rank, equal values in reading order. Undefined for a map that is constant or not finite, and for a
    picture of one colour.
    """
    return _mean_inside(curve, "most", fill, steps)


@measure(
    paper="Rong et al. 2022, ROAD, section 5, LeRF", better="higher", unit="mean probability", family="faithfulness"
)
def road_lerf(curve: CurveOf, *, fill: Fill = "linear", steps: int = STEPS) -> Measured:
    """The mean probability of the class with 20, 40, 60 and 80% of the places removed, the least relevant ones first.

    Undefined where `road_morf` is.
    """
    return _mean_inside(curve, "least", fill, steps)


@measure(
    paper="Rong et al. 2022, ROAD, section 5, MoRF and LeRF", better="higher", unit="probability", family="faithfulness"
)
def road(curve: CurveOf, *, fill: Fill = "linear", steps: int = STEPS) -> Measured:
    """Half of what `road_lerf` is above `road_morf`.

    The paper shows both orders side by side; half their difference is how the grad-cam library combines them.
    Undefined where `road_morf` is.
    """
    least, most = road_lerf(curve, fill=fill, steps=steps), road_morf(curve, fill=fill, steps=steps)
    return together([least, most], (least.values - most.values) / 2)


def _mean_inside(curve: CurveOf, order: Order, fill: Fill, steps: int) -> Measured:
    """The mean of a curve without its ends, which are the same for every map."""
    checked("steps", steps, "how many equal steps a curve has, both ends apart", least=2)
    points = curve(order, fill, steps)
    return points.usable.of(points.at(range(1, steps)).mean(1))
