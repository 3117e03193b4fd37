"""The area between the two curves of a map: least relevant places first, and most relevant ones first."""

from featuremaps.evidence.fills import Fill
from featuremaps.evidence.measured import Measured, together
from featuremaps.evidence.registry import measure
from featuremaps.evidence.shapes import CurveOf

STEPS = 20


@measure(
    paper="Blücher et al. 2024, Decoupling pixel flipping, SRG",
    better="higher",
    unit="probability",
    family="faithfulness",
)
def ab_pc(curve: CurveOf, *, fill: Fill = "zero", steps: int = STEPS) -> Measured:
    """The area between the curves: the probability kept by the most relevant places, less that kept without them.

    0 for a random order, and with opposite sign for the opposite order, whatever the fill. Undefined for a map that is
    constant or not finite, and for a picture that equals the fill.
    """
    least, most = curve("least", fill, steps).area(), curve("most", fill, steps).area()
    return together([least, most], least.values - most.values)
