"""Numbers that may be missing, and the means of several."""

import pytest
import torch

from featuremaps.evidence.measured import Measured, mean_of, together


def three() -> list[Measured]:
    first = Measured(torch.tensor([1.0, 2.0, 3.0]))
    return [first, Measured(torch.tensor([3.0, 4.0, 6.0])).where(torch.tensor([True, False, False]), "a"),
            first.where(torch.tensor([True, True, False]), "b").where(torch.tensor([True, True, False]), "c")]  # fmt: skip


def test_the_first_reason_stays() -> None:
    assert three()[2].undefined == ("", "", "b")
    assert three()[2].values.isnan().tolist() == [False, False, True]
    assert three()[2].defined.tolist() == [True, True, False]
    assert three()[2].of(torch.ones(3)).values.isnan().tolist() == [False, False, True]


def test_together_is_defined_where_all_are() -> None:
    both = together(three(), torch.tensor([7.0, 8.0, 9.0]))
    assert both.undefined == ("", "a", "a")
    assert both.values.tolist() == pytest.approx([7, torch.nan, torch.nan], nan_ok=True)


def test_means() -> None:
    assert mean_of(three()).undefined == ("", "a", "a")
    assert mean_of(three()).values.tolist() == pytest.approx([5 / 3, torch.nan, torch.nan], nan_ok=True)
    assert mean_of(three(), where_defined=True).undefined == ("", "", "")
    assert mean_of(three(), where_defined=True).values.tolist() == pytest.approx([5 / 3, 2, 3])
    assert mean_of(three()[1:], where_defined=True).undefined == ("", "", "a")
