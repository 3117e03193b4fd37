"""Which channels a detector takes, where it puts its threshold, and what it says when a survey cannot give one."""

import numpy as np
import pytest
import torch
from tiny_surveys import made_up, of_model, survey_of_demo

from featuremaps import demo
from featuremaps.errors import FeatureMapsWarning, LayerNotFoundError, OptionError, SurveyError
from featuremaps.survey.analysis.class_labels import class_labels
from featuremaps.survey.analysis.fit_detector import best_channels, detector
from featuremaps.survey.analysis.separation import channel_areas
from featuremaps.survey.survey import Survey
from method_samples import unchecked


def telling(pictures: int = 90, seed: int = 0, names: tuple[str, ...] = ("cat", "dog", "owl")):
    """Channel 2 tells "dog" well, channel 5 a little, channel 4 the other way round; the rest is noise."""
    random = np.random.default_rng(seed)
    labels = np.arange(pictures) % 3
    values = random.random((pictures, 6))
    values[:, 2] += labels == 1
    values[:, 5] += 0.5 * (labels == 1)
    values[:, 4] -= 0.9 * (labels == 1)
    return made_up(values + 1, labels.tolist(), names)


def test_channels_are_those_with_the_largest_areas_beyond_chance() -> None:
    survey = telling()
    dogs = class_labels(survey, "dog")
    values = survey.vectors("conv")
    slow = [
        np.mean([(a > b) + 0.5 * (a == b) for a in column[dogs.positives] for b in column[~dogs.positives]])
        for column in values.T
    ]
    found = channel_areas(survey, "conv", "mean", survey.pictures.labels, 3)
    np.testing.assert_allclose(found.values[1], slow)
    assert best_channels(survey, dogs, "conv") == [2, 5]
    assert best_channels(survey, dogs, "conv", both_ways=True) == [2, 4, 5]
    assert best_channels(survey, dogs, "conv", most=1) == [2]


def test_only_the_columns_needed_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    survey, asked = telling(), []
    plain = Survey.vectors

    def vectors(self: Survey, layer: str, pool: str = "mean", channels: list[int] | None = None) -> np.ndarray:
        asked.append(channels)
        return plain(self, layer, pool, channels)

    monkeypatch.setattr(Survey, "vectors", vectors)
    detector(survey, "dog", channels=[5, 2])
    assert asked == [[5, 2]]


def test_where_nothing_separates_the_best_is_taken_with_a_warning() -> None:
    random = np.random.default_rng(3)
    survey = made_up(random.random((30, 8)), [i % 2 for i in range(30)], ("cat", "dog"))
    with pytest.warns(FeatureMapsWarning, match=r"no channel of 'conv' separates 'dog' beyond chance on 30 pictures"):
        found = detector(survey, "dog")
    assert len(found.channels) == 1


@pytest.mark.parametrize("rule", ["sum", "single", "logistic"])
def test_the_score_and_the_threshold_are_those_of_the_source(rule: str) -> None:
    survey = telling()
    found = detector(survey, 1, rule=rule)
    values, truth = survey.vectors("conv").astype(np.float64), np.asarray(survey.pictures.labels) == 1
    weights = {"sum": {2: 1.0, 5: 1.0}, "single": {2: 1.0}}.get(rule)
    tested = found.test(survey)
    if weights:
        np.testing.assert_allclose(tested.scores, sum(w * values[:, c] for c, w in weights.items()), rtol=1e-6)
    # Of all thresholds that could be, none has a larger recall minus false alarms.
    gains = [
        ((tested.scores >= t) & truth).sum() / 30 - ((tested.scores >= t) & ~truth).sum() / 60 for t in tested.scores
    ]
    counts = tested.confusion
    assert counts.recall.value - counts.false_alarm_rate.value == pytest.approx(max(gains))
    assert dict(found.origin.shares)["recall"] == counts.recall.value
    assert tested.before["area"] == pytest.approx(tested.area.value)


def test_a_false_alarm_rate_a_recall_or_a_score_as_threshold() -> None:
    survey = telling()
    few = detector(survey, "dog", [5], threshold={"false_alarm": 0.05}).test(survey).confusion
    many = detector(survey, "dog", [5], threshold={"recall": 1.0}).test(survey).confusion
    assert few.false_alarm_rate.value <= 0.05
    assert few.recall.value < 1
    assert many.recall.value == 1.0
    assert float(detector(survey, "dog", [5], threshold=1.5).threshold) == 1.5
    with unchecked():
        assert float(detector(survey, "dog", [5], threshold=np.float32(1.5)).threshold) == 1.5
    for wrong in (
        *("otsu", {"recall": 1.0, "false_alarm": 0.1}, {"precision": 0.5}, {"recall": "0.9"}, {"recall": None}),
        *(float("nan"), 10**39, -(10**400), True, None),
    ):
        with unchecked(), pytest.raises(OptionError, match="threshold="):
            detector(survey, "dog", [5], threshold=wrong)


def test_rounding_the_threshold_to_float32_changes_no_decision() -> None:
    low = np.float16(1.0)
    values = np.array([[low], [low], [np.nextafter(low, np.float16(2))], [np.nextafter(low, np.float16(2))]])
    survey = made_up(values, [0, 0, 1, 1], ("cat", "dog"))
    assert detector(survey, "dog", [0]).test(survey).confusion.accuracy.value == 1.0


def test_a_fit_is_the_same_every_time() -> None:
    survey = survey_of_demo("demo-fixed", "photograph")
    first, second = (detector(survey, "hammer", rule="logistic", layer="layer4") for _ in range(2))
    assert torch.equal(first.weights, second.weights)
    assert torch.equal(first.threshold, second.threshold)


def test_pictures_without_a_label_are_left_out() -> None:
    survey = telling()
    labels = np.asarray(survey.pictures.labels).copy()
    labels[::4] = -1
    partly = made_up(survey.vectors("conv"), labels.tolist(), survey.classes)
    found = detector(partly, "dog", [2])
    assert found.origin.pictures == int((labels >= 0).sum())
    assert len(found.test(partly).names) == int((labels >= 0).sum())


def test_what_a_survey_cannot_give_is_said() -> None:
    survey = telling()
    with pytest.raises(SurveyError, match=r"has no class 'dogs'. Did you mean 'dog'\? Its classes are cat, dog, owl"):
        detector(survey, "dogs")
    with pytest.raises(SurveyError, match="survey 'made' has no class 3; its 3 classes count from 0 to 2"):
        detector(survey, 3)
    with pytest.raises(SurveyError, match="has 6 channels, 0 to 5, and channel 6 was asked for"):
        detector(survey, "dog", [2, 6])
    with pytest.raises(SurveyError, match="no channel of 'conv' was given"):
        detector(survey, "dog", [])
    with pytest.raises(LayerNotFoundError, match=r"no layer 'con'. Did you mean 'conv'"):
        detector(survey, "dog", layer="con")
    with pytest.raises(LayerNotFoundError, match=r"2 layers \(layer2, layer4\); say which"):
        detector(survey_of_demo("demo", "photograph"), "hammer")
    for wrong in (None, 3.0, True, ["dog"]):
        with unchecked(), pytest.raises(OptionError, match=r"a class is given by its name or its number; got"):
            detector(survey, wrong)
    with unchecked():
        assert detector(survey, np.int64(1)).origin.label == "dog"
    with unchecked(), pytest.raises(OptionError, match=r"by='median' is not known; choose 'mean' or 'max'"):
        detector(survey, "dog", by="median")
    with unchecked(), pytest.raises(OptionError, match="rule='average' is not known"):
        detector(survey, "dog", rule="average")
    values = survey.vectors("conv")
    for labels, classes, message in (
        ([0] * 90, ("cat", "dog"), "none of the 90 labelled pictures shows 'dog'"),
        ([1] * 90, ("cat", "dog"), "all show 'dog'"),
        ([-1] * 90, ("cat", "dog"), "none of the 90 pictures of survey 'made' has a label"),
        ([-1] * 90, None, "none of the 90 pictures of survey 'made' has a label"),
    ):
        with pytest.raises(SurveyError, match=message):
            detector(made_up(values, labels, classes), "dog")


def test_a_detector_belongs_to_the_model_that_was_surveyed() -> None:
    survey, other = survey_of_demo("demo-fixed", "photograph"), survey_of_demo("demo", "photograph")
    found = detector(survey, "hammer", [1, 2], layer="layer4")
    with pytest.raises(SurveyError, match=r"'demo-photograph' was made with another model .* than this detector"):
        found.test(other)
    with pytest.raises(SurveyError, match="'demo-photograph' was made with another model than the SmallResNet with"):
        detector(of_model(other, demo.network("demo-fixed")), "hammer", [1, 2], layer="layer4")
    assert found.on(demo.network("demo-fixed")).model is not None
    with pytest.raises(SurveyError, match="was made for a model"):
        found.on(demo.network("demo"))
