"""Channels are named by numbers from 0, each once; what else is given is said."""

import numpy as np
import pytest

from featuremaps.errors import OptionError, SurveyError
from featuremaps.survey.analysis.channel_numbers import check_channels, checked_channels
from method_samples import unchecked


def test_numbers_of_any_kind_stay_in_their_order() -> None:
    with unchecked():
        assert checked_channels(np.array([5, 0, 3]), "layer4") == [5, 0, 3]
    assert checked_channels(iter((2, 1)), "layer4") == [2, 1]


@pytest.mark.parametrize(
    ("channels", "error", "message"),
    [
        ([], SurveyError, "no channel of 'layer4' was given"),
        ([3, 17, 3], SurveyError, "channel 3 of 'layer4' is given more than once"),
        ([2, -1], SurveyError, "channel -1 of 'layer4': channels are counted from 0"),
        ([1.5], OptionError, r"give the numbers of channels of 'layer4', \[3, 17\] say"),
        (["1"], OptionError, r"channels=\['1'\]"),
    ],
)
def test_what_are_no_channels_is_said(channels: list[int], error: type[Exception], message: str) -> None:
    with unchecked(), pytest.raises(error, match=message):
        checked_channels(channels, "layer4")


def test_the_last_channel_is_one_and_the_next_is_none() -> None:
    check_channels([0, 7], 8, "layer4")
    with pytest.raises(SurveyError, match="has 8 channels, 0 to 7, and channel 8 was asked for"):
        check_channels([0, 8], 8, "layer4")
