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


def above_chance(
    values: Float[np.ndarray, "picture *rest"],
    present: Bool[np.ndarray, "picture attribute"],
    labels: Int[np.ndarray, " picture"],
) -> tuple[Float[np.ndarray, "attribute *rest"], Float[np.ndarray, "attribute *rest"]]:
    """How far those with each attribute are above chance, in standard deviations, and how likely that is, both ways.

    Chance deals out an attribute anew within every label: the sum of `values` with it has the mean, variance and
    skewness of sums drawn without replacement (Wishart 1952), which hold for few pictures and for values that are
    nearly all alike. Its tail is the gamma curve's with this skewness (Pearson's third kind), or the bell curve's where
    that is heavier. 0 and 1 where there is nothing to compare.
    """
    from scipy.special import gammaincc, ndtr

    shape, flat = (present.shape[1], *values.shape[1:]), values.reshape(len(values), -1)
    total, variance, third = np.zeros((3, present.shape[1], flat.shape[1]))
    for label in np.unique(labels):
        rows = labels == label
        here, has = flat[rows].astype(np.float64), present[rows].astype(np.float64)
        here -= here.mean(0)
        count, having = len(here), has.sum(0)[:, None]
        if count < 3:
            continue
        share = having * (count - having) / (count * (count - 1))
        total += has.T @ here
        variance += share * (here**2).sum(0)
        third += share * (count - 2 * having) / (count - 2) * (here**3).sum(0)
    known = variance > 1e-20
    deviation = np.sqrt(np.where(known, variance, 1.0))
    scores = np.where(known, total / deviation, 0.0)
    bent = np.clip(third / deviation**3 * np.sign(scores), 1e-3, None)
    size, far = 4 / bent**2, np.abs(scores)
    likely = np.minimum(2 * np.maximum(ndtr(-far), gammaincc(size, size + far * np.sqrt(size))), 1.0)
    return scores.reshape(shape), np.where(known, likely, 1.0).reshape(shape)
