"""Differences are those within classes, and reading tells nothing of a picture from the picture itself."""

import numpy as np

from featuremaps.shortcuts.early_reading import Reader, within
from featuremaps.shortcuts.estimates import paired, welch
from featuremaps.shortcuts.strata import effects, p_values


def test_effects_are_differences_within_labels_weighed_by_what_can_be_compared() -> None:
    random = np.random.default_rng(0)
    labels, present = np.repeat([0, 1, 2], [30, 20, 5]), random.random(55) < 0.4
    present[50:] = True  # the last label has none without
    values = labels * 10.0 + present * 2.0 + random.normal(size=55)
    total, variance, weight = 0.0, 0.0, 0.0
    for label in (0, 1):
        own, has = values[labels == label], present[labels == label]
        share = has.sum() * (~has).sum() / len(own)
        total += share * (own[has].mean() - own[~has].mean())
        variance += share**2 * (own[has].var(ddof=1) / has.sum() + own[~has].var(ddof=1) / (~has).sum())
        weight += share
    value, error = effects(values[:, None], present[:, None], labels)
    np.testing.assert_allclose((value[0, 0], error[0, 0]), (total / weight, np.sqrt(variance) / weight))
    nothing, _ = effects(values[:, None], np.ones((55, 1), bool), labels)
    assert np.isnan(nothing[0, 0])


def test_p_values_of_nothing_are_uniform() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], 100)
    values = random.normal(size=(200, 1)) + labels[:, None] * 5
    present = random.random((200, 2000)) < 0.3
    likely = p_values(*effects(values, present, labels))[:, 0]
    assert 0.03 < (likely < 0.05).mean() < 0.07


def test_a_picture_is_read_by_others_alone() -> None:
    random = np.random.default_rng(0)
    labels, columns = (
        np.repeat([0, 1], 40),
        random.normal(size=(80, 300)),
    )  # more columns than pictures: all could be learned
    noise = random.normal(size=(80, 1))
    said = Reader(columns, labels, np.random.default_rng(0)).read(noise)
    assert abs(np.corrcoef(within(said, labels)[:, 0], within(noise, labels)[:, 0])[0, 1]) < 0.3
    told = columns[:, :1] + 5 * labels[:, None]
    columns = np.concatenate([columns[:, :3], labels[:, None] * 7.0 + random.normal(size=(80, 1))], 1)
    said = Reader(columns, labels, np.random.default_rng(0)).read(told)
    assert np.corrcoef(within(said, labels)[:, 0], within(told, labels)[:, 0])[0, 1] > 0.95


def test_differences_have_welchs_and_the_paired_interval() -> None:
    from scipy import stats

    random = np.random.default_rng(0)
    first, second = random.random(12), random.random(30) ** 2
    found = welch(first, second)
    interval = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert found is not None
    np.testing.assert_allclose(found.interval, (interval.low, interval.high))
    pairs = paired(first, second[:12])
    interval = stats.ttest_rel(first, second[:12]).confidence_interval(0.95)
    assert pairs is not None
    np.testing.assert_allclose(pairs.interval, (interval.low, interval.high))
    assert welch(first[:1], second) is None
    sure = welch(np.ones(5), np.zeros(5))
    assert sure is not None
    assert sure.interval.low < 1
