"""AUC, DeLong's variance and the Mann-Whitney test, beside counting pairs, and beside the usual libraries."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtri
from sklearn import metrics

from featuremaps.errors import SurveyError
from featuremaps.survey.measures.auc import Areas, areas_of, auc
from featuremaps.survey.measures.proportions import wilson

SAMPLES = 1500


def by_pairs(scores: np.ndarray, positives: np.ndarray) -> tuple[float, float]:
    """AUC and its variance, from the structural components of DeLong et al. 1988, eq. 4 to 6, by loops."""
    own, rest = scores[positives], scores[~positives]

    def psi(x: float, y: float) -> float:
        return 1.0 if y < x else 0.5 if y == x else 0.0

    of_own = [sum(psi(x, y) for y in rest) / len(rest) for x in own]
    of_rest = [sum(psi(x, y) for x in own) / len(own) for y in rest]
    area = sum(of_own) / len(own)
    s10 = sum((v - area) ** 2 for v in of_own) / (len(own) - 1)
    s01 = sum((v - area) ** 2 for v in of_rest) / (len(rest) - 1)
    return area, s10 / len(own) + s01 / len(rest)


@pytest.mark.parametrize("levels", [2, 3, 7, 1000], ids=lambda n: f"{n} different values")
def test_every_class_and_channel_beside_counting_pairs(levels: int) -> None:
    random = np.random.default_rng(levels)
    labels = np.append(random.integers(0, 4, 70), [0, 1, 2, 3, 0, 1, 2, 3])
    values = random.integers(0, levels, (78, 5)).astype(np.float32) + (labels % 2)[:, None]
    found = areas_of(values, labels, 4)
    for channel in range(5):
        for label in range(4):
            area, variance = by_pairs(values[:, channel], labels == label)
            assert found.values[label, channel] == pytest.approx(area, abs=1e-12)
            assert found.variances[label, channel] == pytest.approx(variance, abs=1e-12)


def test_beside_sklearn_and_scipy() -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 3, 500)
    values = (random.normal(0, 1, (500, 4)) + 0.4 * labels[:, None]).round(1)
    found = areas_of(values, labels, 3)
    for channel in range(4):
        for label in range(3):
            own, rest = values[labels == label, channel], values[labels != label, channel]
            test = stats.mannwhitneyu(own, rest, method="asymptotic", use_continuity=False)
            assert found.p_values[label, channel] == pytest.approx(test.pvalue, rel=1e-9)
            expected = metrics.roc_auc_score(labels == label, values[:, channel])
            assert found.values[label, channel] == pytest.approx(expected, abs=1e-12)


def test_one_score_is_the_same_as_a_column() -> None:
    """Beside the interval written out: on the logit scale, the variance averaged with Hanley & McNeil's."""
    random = np.random.default_rng(1)
    positives = random.random(60) < 0.3
    scores = random.normal(0, 1, 60) + positives
    found = auc(scores, positives)
    area, variance = by_pairs(scores, positives)
    m, n = int(positives.sum()), int((~positives).sum())
    a = (area * m + 0.5) / (m + 1)
    q = max(a / (2 - a), 2 * a * a / (1 + a))
    assumed = (a * (1 - a) + (m - 1) * (q - a * a) + (n - 1) * (q - a * a)) / (m * n)
    reach = 1.959963984540054 * ((m * variance + 5 * assumed) / (m + 5)) ** 0.5 / (area * (1 - area))
    assert found.value == pytest.approx(area)
    ends = [1 / (1 + np.exp(-np.log(area / (1 - area)) + side * reach)) for side in (1, -1)]
    assert found.interval == pytest.approx(ends)
    assert str(found) == f"{area:.3f} (95% interval {ends[0]:.3f} to {ends[1]:.3f})"


def test_laws() -> None:
    """Any rising function of the scores changes nothing; the other side's view, or minus the scores, mirrors it."""
    random = np.random.default_rng(2)
    positives = random.random(40) < 0.3
    scores = random.normal(0, 1, 40).round(1)
    plain, bent, turned = auc(scores, positives), auc(np.exp(scores), positives), auc(-scores, ~positives)
    assert bent == plain
    assert (turned.value, *turned.interval) == pytest.approx((plain.value, *plain.interval))
    mirrored = auc(-scores, positives)
    assert mirrored.interval == pytest.approx((1 - plain.interval.high, 1 - plain.interval.low))
    assert mirrored.value == pytest.approx(1 - plain.value)
    assert mirrored.p_value == pytest.approx(plain.p_value)
    narrow, wide = (areas_of(scores[:, None], positives.astype(int), 2).intervals(level) for level in (0.8, 0.99))
    assert wide[0][1] < narrow[0][1] < plain.value < narrow[1][1] < wide[1][1]


def test_values_that_float16_holds_are_ranked_alike() -> None:
    """Negative ones, both zeros, infinities and the smallest steps, beside the same ranks in whole numbers."""
    random = np.random.default_rng(4)
    known = np.array([-np.inf, -65504, -1.5, -1, -6e-8, -0.0, 0.0, 6e-8, 1, 1.001, 65504, np.inf]).astype(np.float16)
    values = known[random.integers(0, 12, 200)].astype(np.float32)
    labels = random.integers(0, 3, 200)
    ranks = np.unique(values, return_inverse=True)[1] + 1e5 + 0.1
    expected, found = areas_of(ranks[:, None], labels, 3), areas_of(values[:, None], labels, 3)
    assert found.values.tolist() == expected.values.tolist()
    assert found.variances.tolist() == expected.variances.tolist()
    assert found.p_values.tolist() == expected.p_values.tolist()


@pytest.mark.parametrize(
    ("own", "rest"), [(5, 5), (5, 20), (5, 200), (200, 5), (10, 40), (300, 10), (20, 20), (20, 300), (60, 120)]
)
@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0])
def test_intervals_cover_the_truth_in_92_of_100_samples(own: int, rest: int, spread: float) -> None:
    """Normal scores, the class's `spread` times as wide as the others', moved so that the true area is known."""
    random = np.random.default_rng(0)
    of_own, of_rest = spread * random.normal(0, 1, (own, 1, SAMPLES)), random.normal(0, 1, (1, rest, SAMPLES))
    for area in (0.3, 0.5, 0.7, 0.85, 0.95, 0.98):
        wins = of_own + ndtri(area) * (1 + spread**2) ** 0.5 > of_rest
        by_own, by_rest = wins.mean(1), wins.mean(0)  # the components of DeLong et al.; there are no ties
        variances = by_own.var(0, ddof=1) / own + by_rest.var(0, ddof=1) / rest
        values = wins.mean((0, 1))
        sizes = (np.array([own]), np.array([rest]))
        low, high = Areas(values[None], variances[None], np.ones((1, SAMPLES)), *sizes).intervals()
        assert ((low <= area) & (high >= area)).mean() >= 0.92, (area, "covered")


def test_fewer_than_five_pictures_have_no_interval_and_that_is_said() -> None:
    for own, rest in ((4, 300), (300, 4), (1, 1)):
        few = auc(np.arange(own + rest) % 7.0, np.arange(own + rest) < own)
        assert 0 <= few.value <= 1
        assert np.isnan(few.interval).all()
        assert str(few) == f"{few.value:.3f} (no interval: fewer than 5 pictures on a side)"
    assert not np.isnan(auc(np.arange(10) % 7.0, np.arange(10) < 5).interval).any()


def test_where_delong_says_nothing_the_interval_is_wilsons() -> None:
    apart = auc(np.arange(12.0), np.arange(12) >= 6)
    assert apart.value == 1.0
    assert apart.interval == pytest.approx(wilson(6, 6))
    assert auc(-np.arange(12.0), np.arange(12) >= 6).interval == pytest.approx(wilson(0, 6))
    alike = auc(np.zeros(12), np.arange(12) >= 6)
    assert (alike.value, alike.p_value) == (0.5, 1.0)
    assert alike.interval == pytest.approx(wilson(3, 6))


def test_where_next_to_nothing_overlaps_the_interval_is_no_wider_than_wilsons() -> None:
    """One pair of 100 · 900 stands the wrong way round: on the logit scale the interval would begin below one half."""
    scores = np.arange(1000.0)
    scores[[899, 900]] = scores[[900, 899]]
    nearly = auc(scores, np.arange(1000) >= 900)
    assert 0.9999 < nearly.value < 1
    assert nearly.interval.low == pytest.approx(wilson(100, 100).low, abs=1e-4)
    mirrored = auc(-scores, np.arange(1000) >= 900)
    assert mirrored.interval.high == pytest.approx(1 - nearly.interval.low)


def test_a_class_without_pictures_or_with_all_of_them_has_no_area() -> None:
    found = areas_of(np.arange(4.0)[:, None], np.zeros(4, np.int64), 2)
    assert np.isnan(found.values).all()
    assert np.isnan(found.p_values).all()
    assert np.isnan(found.intervals()[0]).all()


def test_no_warning_and_no_overflow_with_many_pictures() -> None:
    """200,000 pictures: products of counts pass 2³¹, their squares 2⁵³."""
    labels = np.arange(200_000) % 2
    values = np.arange(200_000, dtype=np.float32)[:, None]
    found = areas_of(values, labels, 2)
    assert found.values[1, 0] == pytest.approx(0.5, abs=1e-5)
    # The two are uniform on the same range: Var = (1/12) / m + (1/12) / n.
    assert found.variances[1, 0] == pytest.approx(1 / 6 / 100_000, rel=1e-3)


def test_what_cannot_be_ranked() -> None:
    with pytest.raises(SurveyError, match="none of the 3 pictures is positive, so nothing can be told apart"):
        auc(np.zeros(3), np.zeros(3, bool))
    with pytest.raises(SurveyError, match="none of the 3 pictures is negative"):
        auc(np.zeros(3), np.ones(3, bool))
    with pytest.raises(SurveyError, match=r"1 of 2 scores are not numbers \(NaN\)"):
        auc(np.array([0.0, np.nan]), np.array([True, False]))
    with pytest.raises(SurveyError, match="channel 1 of those given has values that are not numbers"):
        areas_of(np.array([[0.0, np.nan], [0.0, 1.0]]), np.array([0, 1]), 2)
