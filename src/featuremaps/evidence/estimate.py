"""A mean over pictures, and how sure it is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A mean over `of` pictures with its 95 % interval; NaN where it is undefined, `why` then says the reason."""

    mean: float
    low: float
    high: float
    of: int
    why: str = ""

    def __str__(self) -> str:
        if not self.of:
            return f"undefined ({self.why})"
        return f"{self.mean:.3g}" if self.of < 2 else f"{self.mean:.3g} ({self.low:.3g} to {self.high:.3g})"
