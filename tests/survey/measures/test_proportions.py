"""Shares, their intervals, and counts, beside plain loops."""

import math

import numpy as np
import pytest

from featuremaps.errors import SurveyError
from featuremaps.survey.measures.proportions import Counts, Rate, confusion_matrix, counts_at, wilson


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (3, 10), (10, 10), (1, 1), (50, 1000)])
def test_wilson_ends_are_the_shares_that_the_score_test_just_accepts(successes: int, trials: int) -> None:
    """Both ends p solve |share − p| = z √(p (1 − p) / n)."""
    z = 1.959963984540054
    for end in wilson(successes, trials):
        assert abs(successes / trials - end) == pytest.approx(z * math.sqrt(end * (1 - end) / trials), abs=1e-12)


def test_wilson_of_a_published_example() -> None:
    """Newcombe 1998, table I, method 3: 81 of 263 gives 0.2553 to 0.3662, 0 of 20 gives 0 to 0.1611."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_wilson_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    drawn = random.binomial(40, 0.1, 4000)
    inside = [low <= 0.1 <= high for low, high in (wilson(int(k), 40) for k in drawn)]
    assert 0.92 < np.mean(inside) < 0.98


def test_rates_of_nothing_and_of_what_cannot_be() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert math.isnan(Rate(0, 0).value)
    assert str(Rate(0, 0)) == "no pictures"
    assert str(Rate(9, 10)) == "90.0% (9 of 10; 95% interval 59.6% to 98.2%)"
    with pytest.raises(SurveyError, match="11 successes out of 10 trials is no share"):
        wilson(11, 10)
    with pytest.raises(SurveyError, match=r"between 0 and 1 \(0\.95, say\); got 95"):
        wilson(1, 10, 95.0)


def test_counts_at_a_threshold() -> None:
    scores = np.array([0.1, 0.5, 0.5, 0.9])
    positives = np.array([False, True, False, True])
    assert counts_at(scores, positives, 0.5) == Counts(2, 1, 0, 1)
    counts = counts_at(scores, positives, 0.6)
    assert counts == Counts(1, 0, 1, 2)
    assert [counts.recall, counts.false_alarm_rate, counts.precision, counts.accuracy] == [
        Rate(1, 2),
        Rate(0, 2),
        Rate(1, 1),
        Rate(3, 4),
    ]


def test_confusion_matrix_beside_a_loop() -> None:
    random = np.random.default_rng(0)
    truth, predicted = random.integers(0, 4, 200), random.integers(0, 4, 200)
    expected = [[0] * 4 for _ in range(4)]
    for row, column in zip(truth, predicted, strict=True):
        expected[row][column] += 1
    assert confusion_matrix(truth, predicted, 4).tolist() == expected
    assert confusion_matrix(truth[:0], predicted[:0], 2).tolist() == [[0, 0], [0, 0]]
    with pytest.raises(SurveyError, match=r"truth has the classes -1 to 1, and there are 2: 0 to 1\. Leave out"):
        confusion_matrix(np.array([-1, 1]), np.array([0, 0]), 2)
