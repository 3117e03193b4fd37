"""The figures of a tested detector are those of scikit-learn, it carries its threshold, and its chart says what it shows."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics
from tiny_surveys import made_up, survey_of_demo

from featuremaps.errors import SurveyError
from featuremaps.survey.analysis.detector import Detector, Origin
from featuremaps.survey.analysis.detector_evaluation import DetectorEvaluation
from featuremaps.survey.analysis.fit_detector import detector
from map_samples import PNG, texts


def on_xrays(rule: str = "sum", label: str = "hammer") -> DetectorEvaluation:
    found = detector(survey_of_demo("demo-fixed", "photograph"), label, rule=rule, layer="layer4")
    return found.test(survey_of_demo("demo-fixed", "xray"))


def small(threshold: float = 2.0) -> DetectorEvaluation:
    """Scores 0 to 5; positives are 2, 4 and 5."""
    return DetectorEvaluation(
        label="cat",
        detector="by hand",
        data="pets",
        names=tuple("abcdef"),
        positives=np.isin(np.arange(6), [2, 4, 5]),
        scores=np.arange(6, dtype=np.float32),
        threshold=threshold,
    )


def test_the_carried_threshold_is_the_source_s() -> None:
    source = survey_of_demo("demo-fixed", "photograph")
    found = detector(source, "hammer", layer="layer4")
    there, here = found.test(source), found.test(survey_of_demo("demo-fixed", "xray"))
    assert there.threshold == here.threshold == float(found.threshold)
    assert here.before["recall"] == there.confusion.recall.value
    assert here.chosen == "largest recall − false-alarm rate (Youden) on 120 pictures of demo-fixed-photograph"
    gain = here.best.counts.recall.value - here.best.counts.false_alarm_rate.value
    assert gain > here.confusion.recall.value - here.confusion.false_alarm_rate.value
    assert here.best.value > here.threshold  # X-rays excite these channels more


@pytest.mark.parametrize("rule", ["sum", "logistic"])
def test_figures_are_those_of_scikit_learn(rule: str) -> None:
    found = on_xrays(rule)
    truth, called = found.positives, found.scores >= found.threshold
    assert found.area.value == pytest.approx(metrics.roc_auc_score(truth, found.scores))
    assert found.precision_recall.average_precision == pytest.approx(
        metrics.average_precision_score(truth, found.scores)
    )
    assert found.confusion.precision.value == pytest.approx(metrics.precision_score(truth, called))
    assert found.confusion.accuracy.value == pytest.approx(metrics.accuracy_score(truth, called))
    [[tn, fp], [fn, tp]] = metrics.confusion_matrix(truth, called)
    counts = found.confusion
    assert (counts.true_positives, counts.false_positives) == (tp, fp)
    assert (counts.false_negatives, counts.true_negatives) == (fn, tn)
    assert found.calibration is not None
    assert found.calibration.brier == pytest.approx(metrics.brier_score_loss(truth, found.probabilities))


def test_a_logistic_fit_says_chances_that_come_true_where_it_was_fitted() -> None:
    source = survey_of_demo("demo-fixed", "photograph")
    for rule in ("logistic", "sum"):
        calibration = detector(source, "scissors", rule=rule, layer="layer4").test(source).calibration
        assert calibration is not None
        assert calibration.expected_error < 0.08


def test_mistakes_are_named_the_worst_first() -> None:
    assert small().mistakes == (("d", 3.0),)
    assert small(5.0).mistakes == (("c", 2.0), ("e", 4.0))


def test_the_table_has_both_thresholds_with_intervals() -> None:
    carried, best = small(3.5).table()
    assert (carried["which"], best["which"]) == ("carried", "best here")
    assert carried["recall"] == pytest.approx(2 / 3)
    assert carried["recall_low"] < carried["recall"] < carried["recall_high"]
    assert carried["false_positives"] == 0
    assert best["recall"] - best["false_alarm_rate"] == pytest.approx(2 / 3)


def test_words_and_files(tmp_path: Path) -> None:
    found = on_xrays()
    assert repr(found).startswith("<DetectorEvaluation: hammer in demo-fixed-xray: AUROC 0.9")
    assert "The best threshold here would be" in str(found)
    png, words, scores, _ = found.save(tmp_path / "new")
    assert png.read_bytes().startswith(PNG)
    summary = json.loads(words.read_text(encoding="utf-8"))
    assert summary["area"]["low"] < summary["area"]["value"] < summary["area"]["high"]
    assert summary["before"]["recall"] > 0.5
    rows = list(csv.DictReader(scores.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 120
    assert sum(int(row["detected"]) for row in rows) == found.confusion.true_positives + found.confusion.false_positives
    assert sum(int(row["hammer"]) for row in rows) == 40


def test_the_chart_shows_scores_curves_confusion_and_calibration() -> None:
    found = on_xrays()
    said = texts(found.figure())
    for words in (
        "Finding hammer in demo-fixed-xray",
        f"threshold brought along: {found.threshold:.3g}",
        f"best here: {found.best.value:.3g}",
        "with hammer (40)",
        "without (80)",
        f"ROC curve: AUROC {found.area.value:.3f}",
        "average precision",
        "Calibration: off by",
        str(found.confusion.true_negatives),
    ):
        assert words in said
    assert "not calibrated" in texts(replace(found, probabilities=None).figure())


def test_the_chart_of_a_detector_that_calls_nothing_positive_or_scores_all_alike() -> None:
    small(99.0).figure().canvas.draw()
    replace(small(), scores=np.zeros(6, np.float32)).figure().canvas.draw()
    assert small(99.0).confusion.recall.value == 0.0


def test_a_class_is_found_by_name_in_another_order() -> None:
    values = np.array([[0.0], [1.0], [0.0], [1.0]])
    source = made_up(values, [0, 1, 0, 1], ("cat", "dog"))
    turned = made_up(values, [1, 0, 1, 0], ("dog", "cat"), name="turned")
    assert detector(source, "dog", [0]).test(turned).confusion.accuracy.value == 1.0


def test_what_cannot_be_tested_is_said() -> None:
    source = made_up(np.eye(4), [0, 1, 0, 1], ("cat", "dog"))
    found = detector(source, "dog", [3])
    with pytest.raises(SurveyError, match="'other' has no class 'dog'"):
        found.test(made_up(np.eye(4), [0, 1, 0, 1], ("cat", "owl"), name="other"))
    with pytest.raises(SurveyError, match="has 2 channels, 0 to 1, and channel 3 was asked for"):
        found.test(made_up(np.eye(4)[:, :2], [0, 1, 0, 1], ("cat", "dog")))
    with pytest.raises(SurveyError, match="none of the 4 labelled pictures shows 'dog'"):
        found.test(made_up(np.eye(4), [0, 0, 0, 0], ("cat", "dog")))
    with pytest.raises(SurveyError, match="names no class"):
        Detector(None, "conv", [1]).test(source)
    by_hand = Detector(None, "conv", [1], origin=Origin(label="dog")).test(source)
    assert by_hand.calibration is None
