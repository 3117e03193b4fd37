"""Sufficiency and comprehensiveness: do the most relevant places do alone, and does the model need them?"""

from math import isfinite

from featuremaps.errors import OptionError
from featuremaps.evidence.fills import Fill
from featuremaps.evidence.measured import Measured
from featuremaps.evidence.registry import measure
from featuremaps.evidence.shapes import CurveOf

STEPS = 20
SHARES = (0.05, 0.1, 0.2, 0.5)
"""The shares of the paper but for 1%: those which lie on the curves of 20 steps, whose passes are made anyway."""


@measure(paper="DeYoung et al. 2020, ERASER, eq. 1", better="higher", unit="probability", family="faithfulness")
def comprehensiveness(
    curve: CurveOf, *, fill: Fill = "zero", shares: tuple[float, ...] = SHARES, steps: int = STEPS
) -> Measured:
    """How much probability goes with the most relevant 5, 10, 20 and 50% of the places, on average.

    Undefined for a map that is constant or not finite, and for a picture that equals the fill.
    """
    points = curve("most", fill, steps)
    at = points.at([0, *_steps(shares, steps)])
    return points.usable.of((at[:, :1] - at[:, 1:]).mean(1))


@measure(paper="DeYoung et al. 2020, ERASER, eq. 2", better="lower", unit="probability", family="faithfulness")
def sufficiency(
    curve: CurveOf, *, fill: Fill = "zero", shares: tuple[float, ...] = SHARES, steps: int = STEPS
) -> Measured:
    """How much probability is missing when only the most relevant 5, 10, 20 or 50% of the places are left, on average.

    Undefined where `comprehensiveness` is.
    """
    points = curve("least", fill, steps)
    at = points.at([0, *(steps - step for step in _steps(shares, steps))])
    return points.usable.of((at[:, :1] - at[:, 1:]).mean(1))


def _steps(shares: tuple[float, ...], steps: int) -> list[int]:
    """The steps of the curve at which these shares are gone."""
    at = {share: round(share * steps) if isfinite(share) else 0 for share in shares}
    off = [f"{share:g}" for share, step in at.items() if not 0 < step < steps or abs(share * steps - step) > 1e-6]
    if off or not shares:
        raise OptionError(
            f"option 'shares' has {', '.join(off) or 'none'}, and the curve has {steps} steps; give multiples of "
            f"{1 / steps:g} between 0 and 1, or more steps."
        )
    return list(at.values())
