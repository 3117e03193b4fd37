"""Differences are those within classes, and reading tells nothing of a picture from the picture itself."""

import numpy as np
import pytest

from featuremaps.shortcuts.early_reading import Reader, within
from featuremaps.shortcuts.estimates import paired, stratified, welch
from featuremaps.shortcuts.strata import above_chance, effects


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


def test_chance_deals_an_attribute_out_anew_within_labels() -> None:
    random = np.random.default_rng(0)
    labels, present = np.repeat([0, 1, 2], [12, 7, 2]), np.zeros(21, bool)
    present[[0, 3, 5, 12, 13, 20]] = True  # the last label has too few to say anything
    values = random.exponential(size=21) + labels * 10.0
    centred = within(values[:, None], labels)[:19, 0]
    dealt = [np.concatenate([random.permutation(present[labels == k]) for k in (0, 1)]) for _ in range(40_000)]
    sums = np.array([centred[each].sum() for each in dealt])
    order = np.concatenate([np.argsort(-centred[:12])[[0, 1, 4]], 12 + np.argsort(-centred[12:])[[0, 2]]])
    present[:19] = np.isin(np.arange(19), order)
    score, likely = above_chance(values[:, None], present[:, None], labels)
    own = centred[present[:19]].sum()
    np.testing.assert_allclose(score[0, 0], own / sums.std(), atol=0.03)
    assert 1 <= likely[0, 0] / (2 * np.mean(sums >= own)) < 2  # no bolder than chance itself


@pytest.mark.parametrize("pictures", [8, 12, 60])
@pytest.mark.parametrize("kind", ["bell", "heavy", "answers"])
def test_chance_is_named_as_seldom_as_is_said(kind: str, pictures: int) -> None:
    """Also with few pictures, with a few far out, and where a model is so sure that its answers are nearly all alike."""
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], pictures)
    draws = {"bell": random.normal, "heavy": lambda size: random.standard_t(1.5, size)}
    draws["answers"] = lambda size: 13.8 * np.sign(random.random(size) - 0.1)
    below = {0.05: 0, 1e-3: 0}
    for _ in range(40):
        values = draws[kind](size=(2 * pictures, 1)) + labels[:, None] * 5
        present = random.random((2 * pictures, 2000)) < 0.3
        _, likely = above_chance(values, present, labels)
        below = {level: count + int((likely < level).sum()) for level, count in below.items()}
    assert below[0.05] / 80_000 < 0.07
    assert below[1e-3] / 80_000 < 2e-3
    if kind == "bell":
        assert below[0.05] / 80_000 > 0.03


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


def test_within_labels_an_interval_is_welchs_and_wide_where_few_were_seen() -> None:
    random = np.random.default_rng(0)
    values, present = random.random(40), np.arange(40) % 3 == 0
    one, other = stratified(values, present, np.zeros(40, int)), welch(values[present], values[~present])
    assert one is not None
    assert other is not None
    np.testing.assert_allclose((one.value, *one.interval), (other.value, *other.interval))
    covered = 0
    for _ in range(400):
        labels = np.repeat(np.arange(4), 6)
        has = np.tile([True, True, False, False, False, False], 4)
        found = stratified(random.normal(0.1, 0.2, 24) + 0.1 * labels + 0.3 * has, has, labels)
        assert found is not None
        covered += found.interval.low <= 0.3 <= found.interval.high
    assert covered / 400 > 0.93
    assert stratified(values, np.ones(40, bool), np.zeros(40, int)) is None
