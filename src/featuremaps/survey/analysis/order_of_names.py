"""Whether class names stand in another order than the model's outputs: most pictures are called another class then."""

import numpy as np
from jaxtyping import Int

from featuremaps.survey.measures.proportions import Rate

EACH = 5
"""So many pictures a class, on average, are needed to say it: with fewer some order fits by chance."""


def other_order(counts: Int[np.ndarray, "true predicted"], classes: tuple[str, ...]) -> str | None:
    """What is said where another order of the names would be right far more often; None where none would.

    The order is the one to one matching of classes and outputs with most pictures (Kuhn 1955). It counts where the
    interval of its share lies above the other's, and it is right in more than half of the pictures.

    Args:
        counts: How many pictures of a class (row) are called a class (column).
        classes: Their names, one for each row and column.
    """
    from scipy.optimize import linear_sum_assignment

    total = int(counts.sum())
    if len(classes) < 2 or total < EACH * len(classes):
        return None
    rows, columns = linear_sum_assignment(counts, maximize=True)
    right, best = Rate(int(np.trace(counts)), total), Rate(int(counts[rows, columns].sum()), total)
    if best.interval().low <= max(0.5, right.interval().high):
        return None
    moved = [(row, column) for row, column in zip(rows.tolist(), columns.tolist(), strict=True) if row != column]
    moved.sort(key=lambda pair: -counts[pair])
    shown = ", ".join(f"{classes[row]} for what is called {classes[column]}" for row, column in moved[:3])
    return (
        f"with the names in another order {best.value:.0%} would be right and not {right.value:.0%} ({shown}"
        f"{', …' if len(moved) > 3 else ''}): do they stand in the order of the model's outputs, and do numbered "
        "labels count from 0?"
    )
