"""A mean over pictures, and how sure it is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A mean over `of` pictures with its 95% interval; NaN where it is undefined, `why` then says the reason."""

    mean: float
    low: float
    high: float
    of: int
    why: str = ""

    def __str__(self) -> str:
        if not self.of:
            return f"undefined ({self.why})"
        mean, low, high = map(short, (self.mean, self.low, self.high))
        return mean if self.of < 2 else f"{mean} ({low} to {high})"


def short(number: float) -> str:
    """A number in two or three digits."""
    text = f"{number:.2f}" if 0.095 <= abs(number) < 100 else f"{number:.2g}"
    return text.replace("-", "−")
