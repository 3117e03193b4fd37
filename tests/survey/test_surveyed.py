"""What every question looks up in a survey: a layer, a unit, the labels, a class."""

from dataclasses import replace

import numpy as np
import pytest
from stand_in import Layer, made_up

from featuremaps.errors import LayerNotFoundError, SurveyError
from featuremaps.survey.surveyed import Surveyed, labels_of, layer_of, number_of, unit_of


def test_a_survey_in_memory_has_what_the_questions_need() -> None:
    assert isinstance(made_up(np.ones((2, 3)), [0, 1]), Surveyed)


def test_the_only_layer_need_not_be_named() -> None:
    one = made_up(np.ones((2, 3)), [0, 1])
    two = replace(one, layers={"conv": Layer(3), "conv2": Layer(4)})
    assert layer_of(one, None) == "conv"
    assert layer_of(two, "conv2") == "conv2"
    with pytest.raises(LayerNotFoundError, match=r"the survey has 2 layers \(conv, conv2\); say which: layer=…"):
        layer_of(two, None)


def test_units_are_channels_that_exist() -> None:
    survey = made_up(np.ones((2, 3)), [0, 1])
    assert unit_of(survey, "conv:2") == ("conv", 2)
    with pytest.raises(LayerNotFoundError, match="conv has channels 0 to 2, there is no 3"):
        unit_of(survey, "conv:3")
    with pytest.raises(LayerNotFoundError, match="'conv' is a layer, and a unit is one channel of it: 'conv:0'"):
        unit_of(survey, "conv")


def test_labels_and_classes() -> None:
    labels, classes = labels_of(made_up(np.ones((3, 2)), [2, -1, 0]))
    assert (labels.tolist(), classes) == ([2, -1, 0], ("0", "1", "2"))
    assert number_of("cat", ("dog", "cat")) == number_of(1, ("dog", "cat")) == 1
    with pytest.raises(SurveyError, match=r"the survey has no class 'cta'\. Did you mean 'cat'\? It has dog, cat\."):
        number_of("cta", ("dog", "cat"))
    with pytest.raises(SurveyError, match="there is no class 2; they count from 0 to 1"):
        number_of(2, ("dog", "cat"))
