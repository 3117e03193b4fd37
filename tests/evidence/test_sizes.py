"""Tensors that do not belong together are refused, by every measure, before a number is made of them."""

import pytest
import torch

from evidence_samples import examined, measured, random
from featuremaps.errors import MethodError, OptionError
from featuremaps.evidence.curves import Curves
from featuremaps.evidence.measured import Measured
from featuremaps.evidence.registry import MEASURES, measure
from method_samples import unchecked

MASKED = {name: need for name in MEASURES for need in ("masks", "cells") if need in MEASURES[name].needs}
WITH_INPUTS = [name for name in MEASURES if {"heatmap", "inputs"} <= set(MEASURES[name].needs)]


@pytest.mark.parametrize("name", WITH_INPUTS)
@pytest.mark.parametrize("change", ["one for all", "other size", "colours", "turned"])
def test_maps_of_other_pictures_or_sizes_are_refused(name: str, change: str) -> None:
    needs = examined(random(3, 2, 9, 8))
    maps = needs["heatmap"]
    other = {"one for all": maps[:1], "other size": maps[:, :5, :5], "colours": maps[:, None], "turned": maps.mT}
    with pytest.raises(MethodError, match=r"the size of the inputs .*; got heatmap \(.*inputs \(3, 2, 9, 8\)"):
        measured(name, {**needs, "heatmap": other[change]})


@pytest.mark.parametrize("name", MASKED)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32])
def test_masks_that_are_not_true_and_false_are_refused(name: str, dtype: torch.dtype) -> None:
    """`~` of a mask of whole numbers is nowhere 0, and 255 inside is 255 times the energy."""
    needs = examined(random(3, 2, 9, 8))
    with pytest.raises(MethodError, match=rf"true inside \(torch.bool\); got {dtype}.*> 0"):
        measured(name, needs | {MASKED[name]: needs[MASKED[name]].to(dtype)})
    with pytest.raises(MethodError, match="of the size of the inputs"):
        measured(name, needs | {MASKED[name]: needs[MASKED[name]][:1]})


def test_a_curve_of_another_map_is_refused() -> None:
    with pytest.raises(MethodError, match=r"a curve takes .*got heatmap \(1, 9, 8\), inputs \(3, 2, 9, 8\)"):
        Curves(random(3, 2, 9, 8), lambda x: x.flatten(1).sum(1)).of(random(1, 9, 8))


def test_what_is_said_is_a_number_or_a_text_for_each_picture() -> None:
    with unchecked():
        assert Measured(torch.tensor([1, 2])).values.dtype == torch.float32
    with_reason = Measured(torch.tensor([1.0, 2.0]), ("", "why"))
    assert with_reason.values.isnan().tolist() == [False, True]
    for values, texts in ((torch.zeros(2, 2), ()), (torch.zeros(2), ("why",))):
        with unchecked(), pytest.raises(MethodError, match="a number for each picture"):
            Measured(values, texts)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"better": "up"}, {"family": "other"}])
def test_an_end_or_family_that_there_is_not_is_refused(wrong: dict[str, str]) -> None:
    facts = {"paper": "p", "better": "higher", "unit": "u", "family": "sanity"} | wrong
    with unchecked(), pytest.raises(OptionError, match="is not known; choose"):
        measure(**facts)  # type: ignore[arg-type]
