"""A detector beside the model's own prediction: both counted on the same pictures, the difference tested exactly."""

import math
from fractions import Fraction

import numpy as np
import pytest
from tiny_surveys import made_up, survey_of_demo

from featuremaps.errors import SurveyError
from featuremaps.survey.analysis.detector import Detector, Origin
from featuremaps.survey.analysis.detector_vs_model import Rivalry, rivalry
from featuremaps.survey.analysis.fit_detector import detector
from featuremaps.survey.measures.proportions import Counts
from map_samples import PNG, texts


def test_both_are_counted_on_the_same_pictures() -> None:
    truth, ours, theirs = (
        np.array(list(map(bool, row))) for row in ([1, 1, 1, 0, 0], [1, 1, 0, 0, 1], [1, 0, 0, 1, 0])
    )
    found = rivalry(truth, ours, theirs)
    assert found.detector == Counts(2, 1, 1, 1)
    assert found.model == Counts(1, 1, 2, 1)
    assert (found.only_detector, found.only_model) == (2, 1)
    assert found.detector.balanced_accuracy == pytest.approx((2 / 3 + 1 / 2) / 2)


@pytest.mark.parametrize(("ours", "theirs"), [(0, 0), (3, 3), (0, 5), (9, 2), (2, 9), (400, 300)])
def test_the_difference_is_tested_exactly(ours: int, theirs: int) -> None:
    """Against the definition, with whole numbers: the share of all 2ⁿ outcomes that are at least as uneven."""
    total = ours + theirs
    uneven = sum(math.comb(total, k) for k in range(total + 1) if abs(2 * k - total) >= abs(ours - theirs))
    expected = float(Fraction(uneven, 2**total))
    nothing = Counts(1, 1, 1, 1)
    assert Rivalry(nothing, nothing, ours, theirs).p_value == pytest.approx(expected, rel=1e-9)


def test_the_demo_in_both_domains() -> None:
    domains = {
        "photograph": survey_of_demo("demo-fixed", "photograph", 40, 8_000_000),
        "X-ray": survey_of_demo("demo-fixed", "xray"),
    }
    found = detector(survey_of_demo("demo-fixed", "photograph"), "hammer", layer="layer4").against_model(domains)
    assert list(found) == ["photograph", "X-ray"]
    for name, survey in domains.items():
        labels, answers = np.asarray(survey.pictures.labels), survey.predictions().indices
        assert found[name].model.true_positives == int(((labels == 1) & (answers == 1)).sum())
        assert found[name].model.false_positives == int(((labels != 1) & (answers == 1)).sum())
    rows = found.table()
    assert [(row["domain"], row["answer"]) for row in rows][:2] == [("photograph", "detector"), ("photograph", "model")]
    assert all(row["recall_low"] <= row["recall"] <= row["recall_high"] for row in rows)
    assert "X-ray: detector finds 100.0%" in repr(found)
    said = texts(found.figure())
    for words in ("hammer found (recall)", "photograph", "X-ray", "model's own prediction", "balanced accuracy"):
        assert words in said
    assert found._repr_png_().startswith(PNG)


def test_the_model_s_class_is_the_one_of_that_name_or_the_one_given() -> None:
    values, labels = np.array([[0.0], [1.0], [0.0], [1.0]]), [0, 1, 0, 1]
    found = Detector(None, "conv", [0], threshold=0.5, origin=Origin("dog"))
    named = made_up(values, labels, ("cat", "dog"), predicted=[2, 0, 2, 2], model_classes=("dog", "terrier", "cat"))
    assert found.against_model(named)["made"].model.recall.value == 0.5
    assert found.against_model(named, predicted="cat")["made"].model.recall.value == 0.5
    assert found.against_model(named, predicted=1)["made"].model.recall.value == 0.0
    with pytest.raises(SurveyError, match="has 3 outputs, 0 to 2, not 3"):
        found.against_model(named, predicted=3)
    for classes, message in ((("hound", "cat"), "knows hound, cat"), (None, "has outputs without names")):
        other = made_up(values, labels, ("cat", "dog"), predicted=[0, 0, 1, 1], model_classes=classes)
        with pytest.raises(SurveyError, match=f"means 'dog' is not known: the model {message}"):
            found.against_model(other)
    with pytest.raises(SurveyError, match="did not keep the model's own predictions"):
        found.against_model(made_up(values, labels, ("cat", "dog"), model_classes=("cat", "dog")))
