"""Localisation against plain loops, and closed forms."""

import pytest
import torch

from evidence_samples import half, measured, random


def blob(*places: tuple[int, int]) -> torch.Tensor:
    mask = torch.zeros(1, 12, 10, dtype=torch.bool)
    for y, x in places:
        mask[0, y, x] = True
    return mask


@pytest.mark.parametrize("tolerance", [0.0, 0.1, 0.2, 0.35])
def test_pointing_game_as_plain_loops(tolerance: float) -> None:
    heatmap = random(12, 12, 10)
    masks = random(12, 12, 10, seed=1) > 2
    masks[:, 0, 0] = True
    actual = measured("pointing_game", {"heatmap": heatmap, "masks": masks}, tolerance=tolerance).values
    for i in range(12):
        peak = int(heatmap[i].argmax())
        inside = [(y, x) for y in range(12) for x in range(10) if masks[i, y, x]]
        reach = round(tolerance * 10)
        hit = any((y - peak // 10) ** 2 + (x - peak % 10) ** 2 <= reach**2 for y, x in inside)
        assert float(actual[i]) == float(hit)


def test_equal_peaks_share_the_point() -> None:
    heatmap = torch.zeros(1, 12, 10)
    heatmap[0, 2, 2:6] = 1
    assert float(measured("pointing_game", {"heatmap": heatmap, "masks": blob((2, 5))}, tolerance=0.0).values) == 0.25
    assert float(measured("pointing_game", {"heatmap": heatmap, "masks": blob((2, 5))}, tolerance=0.1).values) == 0.5


def test_tolerance_is_15_pixels_of_224() -> None:
    heatmap, masks = torch.zeros(2, 224, 300), torch.zeros(2, 224, 300, dtype=torch.bool)
    heatmap[:, 100, 100] = 1
    masks[0, 100, 115] = masks[1, 100, 116] = True
    assert measured("pointing_game", {"heatmap": heatmap, "masks": masks}).values.tolist() == [1, 0]


@pytest.mark.parametrize(("name", "map", "mask"), [("energy_inside", "heatmap", "masks"), ("grid_pointing_game", "mosaic", "cells")])  # fmt: skip
def test_energy_as_plain_loops(name: str, map: str, mask: str) -> None:
    heatmap, masks = random(4, 12, 10), random(4, 12, 10, seed=1) > 0.5
    actual = measured(name, {map: heatmap, mask: masks}).values
    for i in range(4):
        inside = whole = 0.0
        for y in range(12):
            for x in range(10):
                whole += max(0.0, float(heatmap[i, y, x]))
                inside += max(0.0, float(heatmap[i, y, x])) * bool(masks[i, y, x])
        assert float(actual[i]) == pytest.approx(inside / whole, abs=1e-12)


def test_a_map_of_its_cell_alone_and_one_that_does_not_know() -> None:
    cells = torch.zeros(4, 12, 10, dtype=torch.bool)
    cells[0, :6, :5] = cells[1, :6, 5:] = cells[2, 6:, :5] = cells[3, 6:, 5:] = True
    knows = measured("grid_pointing_game", {"mosaic": cells.double(), "cells": cells}).values
    assert knows.tolist() == [1, 1, 1, 1]
    checked = torch.ones(4, 12, 10).double()
    checked[:, :, ::2] = -1
    checked[:, :, 4], checked[:, :, 9] = 1, -1  # as many columns left as right
    not_knowing = measured("grid_pointing_game", {"mosaic": checked, "cells": cells}).values
    assert sum(not_knowing.tolist()) == pytest.approx(1)


def test_best_iou_as_plain_loops() -> None:
    heatmap = (3 * random(4, 12, 10)).round()  # many equal values
    masks = random(4, 12, 10, seed=1) > 0.5
    actual = measured("best_iou", {"heatmap": heatmap, "masks": masks}).values
    for i in range(4):
        best = 0.0
        for threshold in heatmap[i].unique().tolist():
            above = heatmap[i] >= threshold
            best = max(best, float((above & masks[i]).sum() / (above | masks[i]).sum()))
        assert float(actual[i]) == pytest.approx(best, abs=1e-7)


def test_best_iou_of_the_mask_itself_and_of_its_opposite() -> None:
    masks = half(torch.zeros(1, 12, 10))
    masks[0, 0] = False
    assert float(measured("best_iou", {"heatmap": masks.double(), "masks": masks}).values) == 1
    opposite = measured("best_iou", {"heatmap": -masks.double(), "masks": masks}).values
    assert float(opposite) == pytest.approx(50 / 120)  # everything


def test_a_map_without_positive_values_has_no_energy() -> None:
    heatmap, masks = -random(2, 12, 10).abs(), half(torch.zeros(2, 12, 10))
    for name, map, mask in (("energy_inside", "heatmap", "masks"), ("grid_pointing_game", "mosaic", "cells")):
        assert set(measured(name, {map: heatmap, mask: masks}).undefined) == {"the map has no positive value"}
    assert measured("best_iou", {"heatmap": heatmap, "masks": masks}).undefined == ("", "")
