"""What holds for every measure, whatever its formula; a new one is held to it without being listed."""

import inspect
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from evidence_samples import BROKEN, CONSTANT, examined, lowered, measured, random
from featuremaps.errors import MethodError, OptionError
from featuremaps.evidence.measured import Measured
from featuremaps.evidence.registry import MEASURES

NAMES = sorted(MEASURES)
ON_MAPS = [name for name in NAMES if {"heatmap", "curve", "mosaic", "explain_seeded"} & set(MEASURES[name].needs)]
MASKED = [name for name in NAMES if {"masks", "cells"} & set(MEASURES[name].needs)]
CHUNKED = [name for name in NAMES if "chunk" in MEASURES[name].options or "curve" in MEASURES[name].needs]
PERTURBING = [name for name in NAMES if {"curve", "score", "probability"} & set(MEASURES[name].needs)]
COUNTING = ["gini", "entropy", "effective_places", "complexity"]
PICTURES_ONLY = {"road", "road_morf", "road_lerf"}

every_measure = pytest.mark.parametrize("name", NAMES)


def pictures(count: int = 4) -> Tensor:
    return random(count, 2, 9, 8, seed=5)


def same(one: Measured, other: Measured) -> None:
    assert one.undefined == other.undefined
    torch.testing.assert_close(one.values, other.values, rtol=0, atol=1e-10, equal_nan=True)


def useless(heatmap: Tensor) -> Tensor:
    """One map the same everywhere, another with a value that is not finite."""
    heatmap = heatmap.clone()
    heatmap[CONSTANT] = 2.5
    heatmap[BROKEN].view(-1)[3] = torch.nan
    return heatmap


def undefined_alone(result: Measured, *where: int) -> None:
    """Undefined with a reason, and never a number, at these pictures; a number without a reason at all others."""
    for i in range(len(result.values)):
        assert bool(result.undefined[i]) == (i in where), result.undefined
        assert bool(result.values[i].isfinite()) == (i not in where), result.values


@every_measure
def test_is_defined_in_double_precision(name: str) -> None:
    result = measured(name, examined(pictures()))
    undefined_alone(result)
    assert result.values.dtype == torch.float64
    assert len(result.values.unique()) > 1 or MEASURES[name].unit.startswith("share of")


@every_measure
def test_batch_equals_one_by_one(name: str) -> None:
    whole = measured(name, examined(pictures()))
    each = [measured(name, examined(picture[None])) for picture in pictures()]
    same(whole, Measured(torch.cat([single.values for single in each])))


@pytest.mark.parametrize("name", CHUNKED)
def test_size_of_the_chunks_does_not_matter(name: str) -> None:
    whole = measured(name, examined(pictures(), chunk=1000), **chunks(name, 1000))
    for chunk in (1, 9):
        same(measured(name, examined(pictures(), chunk=chunk), **chunks(name, chunk)), whole)


def chunks(name: str, chunk: int) -> dict[str, int]:
    return {"chunk": chunk} if "chunk" in MEASURES[name].options else {}


@every_measure
def test_scale_of_the_map_does_not_matter(name: str) -> None:
    same(measured(name, examined(pictures(), scale=4)), measured(name, examined(pictures())))


@every_measure
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_half_precision_is_measured_in_single(name: str, dtype: torch.dtype) -> None:
    result = measured(name, lowered(examined(pictures()), dtype))
    undefined_alone(result)
    assert result.values.dtype == torch.float32
    expected = measured(name, examined(pictures())).values
    torch.testing.assert_close(
        result.values.double(), expected, rtol=0.05, atol=1e-5 if dtype == torch.float32 else 0.1
    )


@pytest.mark.parametrize("name", ON_MAPS)
def test_useless_maps_are_undefined_with_a_reason(name: str) -> None:
    undefined_alone(measured(name, examined(pictures(), change=useless)), CONSTANT, BROKEN)


def test_every_measure_judges_maps() -> None:
    assert ON_MAPS == NAMES


@pytest.mark.parametrize("name", MASKED)
def test_empty_and_full_masks_are_undefined_with_a_reason(name: str) -> None:
    masks = torch.zeros(4, 9, 8, dtype=torch.bool)
    masks[0, :4], masks[2, :, 2:5], masks[3] = True, True, True
    result = measured(name, examined(pictures(), masks=masks))
    undefined_alone(result, 1, 3)
    assert "empty" in result.undefined[1]
    assert "whole" in result.undefined[3]


@pytest.mark.parametrize("name", PERTURBING)
def test_a_picture_that_cannot_change_is_undefined_with_a_reason(name: str) -> None:
    blank = pictures()
    blank[2] = 0
    noise: Callable[[Tensor], Tensor] = lambda maps: maps + random(*maps.shape[1:], seed=8)  # noqa: E731
    undefined_alone(measured(name, examined(blank, change=noise)), 2)


@pytest.mark.parametrize("name", COUNTING)
def test_order_of_the_places_does_not_matter(name: str) -> None:
    order = torch.randperm(72, generator=torch.Generator().manual_seed(1))
    shuffled = measured(name, examined(pictures(), change=lambda maps: maps.flatten(1)[:, order].reshape(maps.shape)))
    same(shuffled, measured(name, examined(pictures())))


@every_measure
@pytest.mark.parametrize("space", [(30,), (6, 7, 8)])
def test_signals_and_volumes_are_measured_or_refused(name: str, space: tuple[int, ...]) -> None:
    needs = examined(random(3, 2, *space, seed=6))
    if name in PICTURES_ONLY or (name == "flip_agreement" and len(space) == 1):
        with pytest.raises(MethodError, match=r"pictures \(batch, colour, height, width\).* Use \w+"):
            measured(name, needs)
    else:
        undefined_alone(measured(name, needs))


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [(name, "steps", 0) for name in NAMES if "curve" in MEASURES[name].needs and "shares" not in MEASURES[name].options]
    + [(name, "steps", 1) for name in ("road", "road_morf", "road_lerf")]
    + [(name, "samples", 0) for name in ("infidelity", "max_sensitivity", "average_sensitivity")]
    + [("infidelity", "size", 1.5), ("shift_agreement", "shift", 0.6), ("seed_stability", "seeds", 1)]
    + [("single_deletion", "grid", 1), ("pointing_game", "tolerance", -0.1)],
)
def test_options_that_mean_nothing_are_refused(name: str, option: str, value: float) -> None:
    with pytest.raises(OptionError, match=rf"option '{option}' is .*; got {value}\."):
        measured(name, examined(pictures(1)), **{option: value})


@every_measure
def test_docstrings_say_when_there_is_no_number(name: str) -> None:
    assert "Undefined" in (inspect.getdoc(MEASURES[name].formula) or "")
    assert MEASURES[name].paper
    assert MEASURES[name].unit
