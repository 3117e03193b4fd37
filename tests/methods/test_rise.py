"""RISE beside a loop of masks written from its paper."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from featuremaps.errors import MethodError, OptionError
from featuremaps.methods.rise import d_rise, rise
from method_samples import Little, noise, photographs, squeezenet
from perturbation_samples import score_of, seeded


def by_hand(pictures: Tensor, probability, masks: int, cells: int, keep: float, seed: int) -> Tensor:  # type: ignore[no-untyped-def]
    """Mask by mask: a grid enlarged to one cell more than the picture, cut out at a random place."""
    height, width = pictures.shape[2:]
    generator = seeded(seed)
    grids = (torch.rand((masks, cells, cells), generator=generator) < keep).float()
    shifts = torch.rand((masks, 2), generator=generator)
    down, across = math.ceil(height / cells), math.ceil(width / cells)
    result = torch.zeros(len(pictures), 1, height, width)
    for grid, (y, x) in zip(grids, shifts.tolist(), strict=True):
        size = ((cells + 1) * down, (cells + 1) * across)
        large = F.interpolate(grid[None, None], size, mode="bilinear", align_corners=False)[0, 0]
        top, left = int(y * down), int(x * across)
        mask = large[top : top + height, left : left + width]
        result += probability(pictures * mask)[:, None, None, None] * mask / (masks * keep)
    return result


@pytest.mark.parametrize(("cells", "keep", "size"), [(7, 0.5, (16, 16)), (3, 0.2, (17, 11)), (1, 0.9, (5, 8))])
def test_equals_a_loop_over_masks(cells: int, keep: float, size: tuple[int, int]) -> None:
    pictures, probability = noise(2, size), score_of(Little(), [1, 3], probability=True)
    expected = by_hand(pictures, probability, 40, cells, keep, 3)
    found = rise(pictures, probability, seeded(3), masks=40, cells=cells, keep=keep, centre=False, chunk=7)
    assert float(expected.max()) > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def d_rise_by_hand(pictures: Tensor, similarity: Callable[[Tensor], Tensor], masks: int, seed: int) -> Tensor:
    """Petsiuk et al. 2021, eq. 2: each mask counted by how alike the most alike detection behind it is."""
    height, width, generator = pictures.shape[2], pictures.shape[3], seeded(seed)
    grids = (torch.rand((masks, 4, 4), generator=generator) < 0.5).float()
    shifts = torch.rand((masks, 2), generator=generator)
    down, across = math.ceil(height / 4), math.ceil(width / 4)
    result = torch.zeros(2, len(pictures), 1, height, width)
    for grid, (y, x) in zip(grids, shifts.tolist(), strict=True):
        large = F.interpolate(grid[None, None], (5 * down, 5 * across), mode="bilinear", align_corners=False)[0, 0]
        mask = large[int(y * down) :, int(x * across) :][:height, :width]
        for picture in range(len(pictures)):
            for target, alike in enumerate(similarity(pictures[picture : picture + 1] * mask)[0].tolist()):
                result[target, picture, 0] += alike * mask / (masks * 0.5)
    return result


@pytest.mark.parametrize("chunk", [0, 5])
def test_d_rise_equals_a_loop_over_masks_and_boxes(chunk: int) -> None:
    def similarity(new: Tensor) -> Tensor:
        return torch.stack([new.mean((1, 2, 3)).sigmoid(), new.amax((1, 2, 3)).sigmoid()], 1)

    pictures = noise(2, (17, 11))
    found = d_rise(pictures, similarity, seeded(3), masks=30, cells=4, centre=False, chunk=chunk)
    torch.testing.assert_close(found, d_rise_by_hand(pictures, similarity, 30, 3), rtol=1e-4, atol=1e-6)


def test_centred_counts_probabilities_from_their_mean() -> None:
    pictures, probability = noise(2), score_of(Little(), [1, 3], probability=True)
    kept: list[Tensor] = []

    def recorded(new: Tensor) -> Tensor:
        kept.append(probability(new).reshape(2, -1))
        return kept[-1].flatten()

    found = rise(pictures, recorded, seeded(), masks=50)
    mean = torch.cat(kept, 1).mean(1)
    expected = rise(
        pictures, lambda new: probability(new) - mean.repeat_interleave(len(new) // 2), seeded(), masks=50, centre=False
    )
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)
    constant = rise(pictures, lambda new: torch.full((len(new),), 0.7), seeded(), masks=50)
    assert float(constant.abs().max()) < 1e-6


def test_batch_equals_one_by_one_chunks_equal_the_whole_and_a_seed_decides() -> None:
    pictures, probability = noise(3), score_of(Little(), [1, 0, 3], probability=True)
    whole = rise(pictures, probability, seeded(), masks=30, chunk=1000)
    for chunk in (1, 4, 10):
        torch.testing.assert_close(rise(pictures, probability, seeded(), masks=30, chunk=chunk), whole)
    for i, target in enumerate([1, 0, 3]):
        alone = rise(pictures[i, None], score_of(Little(), [target], probability=True), seeded(), masks=30)
        torch.testing.assert_close(alone[0], whole[i], rtol=1e-4, atol=1e-6)
    assert not torch.allclose(rise(pictures, probability, seeded(1), masks=30), whole)


def test_masks_are_streamed() -> None:
    sizes: list[int] = []

    def probability(new: Tensor) -> Tensor:
        sizes.append(len(new))
        return new.mean((1, 2, 3))

    rise(noise(2), probability, seeded(), masks=8, chunk=6)
    assert sizes == [6, 6, 4]


def test_a_model_that_looks_at_one_patch_lights_that_patch_up() -> None:
    pictures = noise(1, (28, 28)).abs()
    found = rise(pictures, lambda new: new[:, :, 16:20, 4:8].mean((1, 2, 3)), seeded(), masks=1500)[0, 0]
    top, left = divmod(int(found.argmax()), 28)
    assert 15 <= top <= 20
    assert 3 <= left <= 8
    far = found.clone()
    far[8:, :16] = 0
    assert float(far.abs().max()) < 0.3 * float(found.max())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"masks": 0}, "'masks' is how many random masks are tried, 1 or more; got 0"),
        ({"cells": 17}, r"'cells' is how many cells of the mask lie along each side \(0: chosen\), 0 to 16; got 17"),
        ({"keep": 0.0}, "'keep' is the share of the cells that are open, 0.001 to 0.999; got 0.0"),
        ({"keep": float("nan")}, "'keep' is .* got nan"),
        ({"chunk": -1}, "'chunk' is how many copies"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, float], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        rise(noise(1), lambda new: new.sum((1, 2, 3)), seeded(), **options)


@pytest.mark.parametrize(
    ("space", "asked", "cells"),
    [
        ((60,), 0, (49,)),
        ((23,), 0, (23,)),  # as many as there are samples
        ((41,), 6, (6,)),
        ((6, 9, 11), 0, (4, 4, 4)),
        ((3, 9, 8), 5, (3, 5, 5)),  # as many as there are slices
    ],
)
def test_signals_and_volumes_equal_a_loop_over_masks(
    space: tuple[int, ...], asked: int, cells: tuple[int, ...]
) -> None:
    inputs = torch.randn(2, 2, *space, generator=seeded(5))

    def probability(new: Tensor) -> Tensor:
        return new.flatten(1)[:, ::3].sum(1).sigmoid()

    found = rise(inputs, probability, seeded(3), masks=20, cells=asked, centre=False, chunk=7)
    generator = seeded(3)
    grids = (torch.rand((20, *cells), generator=generator) < 0.5).float()
    shifts = torch.rand((20, len(space)), generator=generator)
    expected = torch.zeros(2, 1, *space)
    sizes = [math.ceil(size / count) for size, count in zip(space, cells, strict=True)]
    for grid, shift in zip(grids, shifts.tolist(), strict=True):
        wider = tuple((count + 1) * size for count, size in zip(cells, sizes, strict=True))
        mask = F.interpolate(grid[None, None], wider, mode={1: "linear", 3: "trilinear"}[len(space)])[0, 0]
        for axis, (share, size, length) in enumerate(zip(shift, sizes, space, strict=True)):
            mask = mask.narrow(axis, int(share * size), length)
        for row, one in enumerate(inputs):
            expected[row, 0] += probability((one * mask)[None]) * mask / (20 * 0.5)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_detectors_see_pictures() -> None:
    with pytest.raises(MethodError, match=r"d_rise hides parts of pictures .* has shape \(1, 3, 4, 4, 4\)"):
        d_rise(torch.randn(1, 3, 4, 4, 4), lambda new: new.sum((2, 3, 4)), seeded())


def test_finds_the_fox_on_the_real_squeezenet(shared: Path) -> None:
    """It stands in the middle of its photograph, to the left and right is grass."""
    pictures = photographs(shared, (280,), 160)
    found = rise(pictures, score_of(squeezenet(shared), [280], probability=True), seeded(), masks=96)[0, 0]
    middle = found[50:105, 40:125].mean()
    assert float(middle) > 3 * float(found.abs().mean()) / 2
    assert float(middle) > 4 * float(found[:, :20].abs().mean())


def test_one_picture_and_a_batch_agree_to_a_hundred_thousandth() -> None:
    """The probabilities hardly differ between masks, so that the sums are much larger than the map."""
    pictures = noise(5)

    def probability(new: Tensor) -> Tensor:
        return 0.9 + 1e-4 * new.double().flatten(1).mean(1).float()

    together = rise(pictures, probability, seeded(), masks=500)
    alone = torch.cat([rise(picture[None], probability, seeded(), masks=500) for picture in pictures])
    assert float((together - alone).abs().max()) < 1e-5 * float(together.abs().max())
