"""ROC, precision-recall and the choice of a threshold, beside plain loops over all thresholds."""

import numpy as np
import pytest
import torch
from sklearn import metrics

from featuremaps.errors import OptionError, SurveyError
from featuremaps.survey.measures.auc import auc
from featuremaps.survey.measures.proportions import Counts, counts_at
from featuremaps.survey.measures.roc import choose_threshold, precision_recall, roc


def made(seed: int, count: int = 80, digits: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties, and which are positive."""
    random = np.random.default_rng(seed)
    positives = np.append(random.random(count - 2) < 0.3, [True, False])
    return (random.normal(0, 1, count) + positives).round(digits).astype(np.float32), positives


def every_threshold(scores: np.ndarray, positives: np.ndarray) -> list[tuple[float, Counts]]:
    """What each score as a threshold gives, falling, from one above all of them."""
    return [(t, counts_at(scores, positives, t)) for t in [np.inf, *sorted(set(scores.tolist()), reverse=True)]]


@pytest.mark.parametrize("seed", range(3))
def test_curves_beside_a_loop_over_thresholds(seed: int) -> None:
    scores, positives = made(seed)
    expected = every_threshold(scores, positives)
    curve = roc(scores, positives)
    assert curve.thresholds.tolist() == pytest.approx([t for t, _ in expected])
    assert curve.recalls.tolist() == [c.recall.value for _, c in expected]
    assert curve.false_alarm_rates.tolist() == [c.false_alarm_rate.value for _, c in expected]
    precise = precision_recall(scores, positives)
    assert precise.thresholds.tolist() == pytest.approx([t for t, _ in expected[1:]])
    assert precise.precisions.tolist() == pytest.approx([c.precision.value for _, c in expected[1:]])
    assert precise.recalls.tolist() == [c.recall.value for _, c in expected[1:]]
    assert precise.precisions[-1] == pytest.approx(precise.prevalence)


def test_average_precision_beside_a_loop_over_steps_of_recall() -> None:
    scores, positives = made(5)
    steps = [(c.recall.value, c.precision.value) for _, c in every_threshold(scores, positives)[1:]]
    expected = sum((recall - before) * precise for (before, _), (recall, precise) in zip([(0, 0), *steps], steps))  # noqa: B905
    assert precision_recall(scores, positives).average_precision == pytest.approx(expected)


def test_the_area_under_the_points_is_the_share_of_pairs() -> None:
    scores, positives = made(7)
    curve = roc(scores, positives)
    area = metrics.auc(curve.false_alarm_rates, curve.recalls)
    assert area == pytest.approx(auc(scores, positives).value)


@pytest.mark.parametrize("seed", range(4))
def test_thresholds_beside_trying_them_all(seed: int) -> None:
    scores, positives = made(seed)
    tried = [counts for _, counts in every_threshold(scores, positives)]
    youden = max(c.recall.value - c.false_alarm_rate.value for c in tried)
    found = choose_threshold(scores, positives)
    assert found.counts.recall.value - found.counts.false_alarm_rate.value == pytest.approx(youden)
    for limit in (0.0, 0.1, 0.25, 1.0):
        few = choose_threshold(scores, positives, false_alarm_rate=limit).counts
        assert few.recall.value == max(c.recall.value for c in tried if c.false_alarm_rate.value <= limit)
        assert few.false_alarm_rate.value <= limit
        many = choose_threshold(scores, positives, recall=limit).counts
        assert many.recall.value >= limit
        assert many.false_alarm_rate.value == min(c.false_alarm_rate.value for c in tried if c.recall.value >= limit)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("options", [{}, {"false_alarm_rate": 0.0}, {"false_alarm_rate": 0.2}, {"recall": 1.0}])
def test_the_threshold_gives_its_counts_and_survives_rounding(seed: int, options: dict[str, float]) -> None:
    scores, positives = made(seed)
    found = choose_threshold(scores, positives, **options)
    assert np.isfinite(found.value)
    shaken = scores * np.float32(1 + 1e-6)
    assert counts_at(scores, positives, found.value) == counts_at(shaken, positives, found.value) == found.counts


def test_the_threshold_is_midway_and_finite() -> None:
    scores, positives = np.array([1.0, 2.0, 4.0, 8.0]), np.array([False, False, True, True])
    assert choose_threshold(scores, positives).value == 3.0
    assert choose_threshold(scores, positives).rule == "largest recall − false-alarm rate (Youden)"
    backwards = choose_threshold(-scores, positives, false_alarm_rate=0.0)
    assert backwards.counts == Counts(0, 0, 2, 2)
    assert -1.0 < backwards.value < -0.999
    everything = choose_threshold(-scores, positives, recall=1.0)
    assert (everything.value, everything.counts) == (-8.0, Counts(2, 2, 0, 0))
    neighbours = np.array([1.0, np.nextafter(1.0, 2.0)])
    assert choose_threshold(neighbours, np.array([False, True])).counts == Counts(1, 0, 0, 1)
    assert choose_threshold(neighbours, np.array([False, True])).value == neighbours[1]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_a_threshold_gives_its_own_counts_in_whatever_type_it_is_applied(kind: type) -> None:
    """Neighbouring scores, tenths that no type holds and ties; compared in the scores' type, in double, and by torch."""
    above = [np.nextafter(kind(0.1), kind(1)), np.nextafter(kind(-7), kind(0))]
    few = np.array([0.1, 0.1, 0.2, 0.3, 0.9, -7, *above], kind)
    random = np.random.default_rng(0)
    for _ in range(60):
        scores = random.choice(few, 8)
        positives = random.permutation(8) < random.integers(1, 8)
        for options in ({}, {"false_alarm_rate": 0.0}, {"false_alarm_rate": 0.4}, {"recall": 1.0}, {"recall": 0.5}):
            found = choose_threshold(scores, positives, **options)
            assert found.counts == counts_at(scores, positives, found.value)
            assert found.counts == counts_at(scores.astype(np.float64), positives, found.value)
            called = (torch.from_numpy(scores) >= found.value).numpy()
            assert found.counts == Counts(
                int((called & positives).sum()), int((called & ~positives).sum()),
                int((~called & positives).sum()), int((~called & ~positives).sum()),
            )  # fmt: skip


def test_a_given_threshold_is_compared_in_the_type_of_the_scores() -> None:
    """Else a picture that scores 0.9 in float32 would not reach 0.9, by a double from NumPy but not by a number."""
    scores, positives = np.array([0.1, 0.9], np.float32), np.array([False, True])
    for threshold in (0.9, np.float64(0.9)):
        assert counts_at(scores, positives, threshold) == Counts(1, 0, 0, 1)


def test_what_cannot_be_chosen() -> None:
    scores, positives = made(0)
    with pytest.raises(OptionError, match="give false_alarm_rate or recall, not both"):
        choose_threshold(scores, positives, false_alarm_rate=0.1, recall=0.9)
    with pytest.raises(OptionError, match="recall is a share, from 0 to 1; got 90"):
        choose_threshold(scores, positives, recall=90.0)
    for question in (roc, precision_recall, choose_threshold):
        with pytest.raises(SurveyError, match="Both kinds are needed"):
            question(scores, np.zeros(len(scores), bool))
        with pytest.raises(SurveyError, match=r"1 of 80 scores are not numbers \(NaN\) or infinite"):
            question(np.append(scores[:-1], np.float32(np.inf)), positives)
