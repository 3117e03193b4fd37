"""What every question looks up in a survey: a layer, a unit, the labels, a class."""

import numpy as np
import pytest
from tiny_surveys import made_up, rounded, write_survey

from featuremaps.errors import LayerNotFoundError, OptionError, SurveyError
from featuremaps.survey.analysis.class_labels import class_labels, labels_of, number_of
from method_samples import unchecked


def test_the_only_layer_need_not_be_named() -> None:
    one = made_up(np.ones((2, 3)), [0, 1])
    two = write_survey({"conv": rounded(np.ones((2, 3))), "conv2": rounded(np.ones((2, 4)))}, [0, 1])
    assert one.layer_of().name == "conv"
    assert two.layer_of("conv2").channels == 4
    with pytest.raises(LayerNotFoundError, match=r"survey 'made' has 2 layers \(conv, conv2\); say which: layer=…"):
        two.layer_of()
    with pytest.raises(LayerNotFoundError, match="survey 'made' has no layer ''"):
        one.layer_of("")


def test_units_are_channels_that_exist() -> None:
    survey = made_up(np.ones((2, 3)), [0, 1])
    assert survey.unit_of("conv:2") == (survey.layers["conv"], 2)
    with pytest.raises(LayerNotFoundError, match="conv has channels 0 to 2; 3 was asked for"):
        survey.unit_of("conv:3")
    with pytest.raises(LayerNotFoundError, match="'conv' is a layer, and a unit is one channel of it: 'conv:0'"):
        survey.unit_of("conv")


def test_labels_and_classes() -> None:
    survey = made_up(np.ones((3, 2)), [2, -1, 0])
    labels, classes = labels_of(survey)
    assert (labels.tolist(), classes) == ([2, -1, 0], ("0", "1", "2"))
    shown = class_labels(survey, 2)
    assert (shown.label, shown.names) == ("2", ("0.png", "2.png"))
    assert (shown.rows.tolist(), shown.positives.tolist()) == ([0, 2], [True, False])
    assert number_of("cat", ("dog", "cat")) == number_of(1, ("dog", "cat")) == 1
    with pytest.raises(SurveyError, match=r"no class 'cta'\. Did you mean 'cat'\? Its classes are dog, cat\."):
        number_of("cta", ("dog", "cat"))
    with pytest.raises(SurveyError, match="the survey has no class 2; its 2 classes count from 0 to 1"):
        number_of(2, ("dog", "cat"))
    for wrong in (None, 1.0, True):
        with unchecked(), pytest.raises(OptionError, match="a class is given by its name or its number; got"):
            number_of(wrong, ("dog", "cat"))  # type: ignore[arg-type]
