"""How much more of something pictures have with an attribute than without, compared among pictures of one class."""

import numpy as np
from jaxtyping import Bool, Float, Int


def effects(
    values: Float[np.ndarray, "picture *rest"],
    present: Bool[np.ndarray, "picture attribute"],
    labels: Int[np.ndarray, " picture"],
    *,
    least: int = 2,
) -> tuple[Float[np.ndarray, "attribute *rest"], Float[np.ndarray, "attribute *rest"]]:
    """The mean difference of `values` with and without each attribute, within labels, and its standard error.

    Strata are weighed as Mantel and Haenszel (1959) do, with · without / all, so that large balanced ones count most.
    A label counts where `least` of its pictures have the attribute and as many have not.
    """
    shape = (present.shape[1], *values.shape[1:])
    total, variance, weight = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    flat = values.reshape(len(values), -1)
    rest = (slice(None), *[None] * (values.ndim - 1))
    for label in np.unique(labels):
        rows = labels == label
        here, has = flat[rows].astype(np.float64), present[rows].astype(np.float64)
        counts = has.sum(0)
        without = len(has) - counts
        counted = (counts >= least) & (without >= least)
        if not counted.any():
            continue
        n1, n0 = np.where(counted, counts, 1)[:, None], np.where(counted, without, 1)[:, None]
        mean1, mean0 = has.T @ here / n1, (1 - has).T @ here / n0
        var1 = np.maximum(has.T @ here**2 / n1 - mean1**2, 0) * n1 / np.maximum(n1 - 1, 1)
        var0 = np.maximum((1 - has).T @ here**2 / n0 - mean0**2, 0) * n0 / np.maximum(n0 - 1, 1)
        share = np.where(counted, counts * without / len(has), 0.0)[rest]
        total += share * (mean1 - mean0).reshape(shape)
        variance += share**2 * (var1 / n1 + var0 / n0).reshape(shape)
        weight += share
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / weight, np.sqrt(variance) / weight


def p_values(
    values: Float[np.ndarray, "attribute *rest"], errors: Float[np.ndarray, "attribute *rest"]
) -> Float[np.ndarray, "attribute *rest"]:
    """How likely differences as large are by chance, both ways (normal approximation); 1 where there are none."""
    from scipy.special import ndtr

    with np.errstate(invalid="ignore", divide="ignore"):
        scores = np.abs(values) / np.maximum(errors, 1e-12)
    likely: Float[np.ndarray, attribute * rest] = np.where(np.isfinite(scores), 2 * ndtr(-scores), 1.0)
    return likely
