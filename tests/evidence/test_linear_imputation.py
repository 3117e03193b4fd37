"""ROAD's linear imputation against the dense system, written from the paper, and against grad-cam's."""

import numpy as np
import pytest
import torch
from torch import Tensor

from featuremaps.errors import MethodError
from featuremaps.evidence import linear_imputation
from featuremaps.evidence.fills import Filling
from featuremaps.evidence.linear_imputation import impute

NEIGHBOURS = {(y, x): 1 / 6 if y == 0 or x == 0 else 1 / 12 for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)}


def dense(picture: Tensor, removed: Tensor) -> Tensor:
    """Every removed place is the weighted mean of the neighbours that it has: one dense system, solved exactly."""
    colours, height, width = picture.shape
    matrix = torch.eye(height * width, dtype=torch.float64)
    right = picture.reshape(colours, -1).T.clone()
    for y in range(height):
        for x in range(width):
            if not removed[y, x]:
                continue
            here = y * width + x
            right[here] = 0
            inside = {
                (y + b, x + a): w for (b, a), w in NEIGHBOURS.items() if 0 <= y + b < height and 0 <= x + a < width
            }
            for (v, u), weight in inside.items():
                matrix[here, v * width + u] -= weight / sum(inside.values())
    return torch.linalg.solve(matrix, right).T.reshape(picture.shape)


def scattered(*size: int, share: float, seed: int = 0) -> Tensor:
    return torch.rand(size, generator=torch.Generator().manual_seed(seed)) < share


def noise(*size: int) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def round_hole(height: int, width: int, radius: float) -> Tensor:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (y - height / 3) ** 2 + (x - width / 2) ** 2 < radius**2


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (1, 8), (5, 1), (2, 3)])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.6, 0.9])
def test_solves_the_dense_system(size: tuple[int, int], share: float) -> None:
    pictures, removed = 3 + noise(2, 3, *size), scattered(2, 4, *size, share=share)
    removed[..., 0, 0] = False
    filled = impute(pictures, removed)
    for i in range(2):
        for j in range(4):
            torch.testing.assert_close(filled[i, j], dense(pictures[i], removed[i, j]), rtol=0, atol=1e-9)


def test_wide_holes_with_few_places_left() -> None:
    picture = noise(1, 2, 23, 30)
    for removed in (round_hole(23, 30, 11), ~round_hole(23, 30, 2), torch.arange(690).reshape(23, 30) > 0):
        filled = impute(picture, removed[None, None])[0, 0]
        torch.testing.assert_close(filled, dense(picture[0], removed), rtol=0, atol=1e-9)


def test_single_precision_is_far_closer_than_the_noise() -> None:
    pictures = noise(1, 3, 60, 61)
    for removed in (round_hole(60, 61, 25), ~round_hole(60, 61, 6), scattered(60, 61, share=0.9)):
        single = impute(pictures.float(), removed[None, None])
        assert single.dtype == torch.float32
        assert float((single - impute(pictures, removed[None, None])).abs().max()) < 1e-3


def test_a_slope_goes_on_through_a_hole() -> None:
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(50.0), indexing="ij")
    picture = (2 * y - x)[None, None].double()
    torch.testing.assert_close(impute(picture, round_hole(40, 50, 12)[None, None])[0], picture, rtol=0, atol=1e-7)


def test_nothing_left_is_the_mean_colour() -> None:
    pictures = noise(2, 3, 9, 12)
    filled = impute(pictures, torch.ones(2, 1, 9, 12, dtype=torch.bool))[:, 0]
    torch.testing.assert_close(filled, pictures.mean((2, 3), keepdim=True).expand_as(pictures), rtol=0, atol=1e-12)


def test_each_set_of_places_is_filled_alone() -> None:
    pictures, removed = noise(3, 3, 20, 20), scattered(3, 4, 20, 20, share=0.7)
    filled = impute(pictures, removed)
    for i in range(3):
        for j in range(4):
            alone = impute(pictures[i : i + 1], removed[i : i + 1, j : j + 1])[0, 0]
            torch.testing.assert_close(filled[i, j], alone, rtol=0, atol=1e-11)


def test_noise_is_the_same_for_every_picture_and_step() -> None:
    pictures, removed = noise(2, 3, 12, 12), scattered(2, 3, 12, 12, share=0.5)
    added = Filling(pictures, seed=4)(removed, "linear") - impute(pictures, removed)
    assert added.abs().max() < 0.06
    assert float(added[:, :, :, removed.all(0).all(0)].std()) == pytest.approx(0.01, rel=0.5)
    for i in range(2):
        for j in range(3):
            gone = removed[i, j]
            assert not added[i, j][:, ~gone].any()
            everywhere = Filling(pictures[:1], seed=4)(torch.ones(1, 1, 12, 12, dtype=torch.bool), "linear")[0, 0]
            expected = everywhere - pictures[0].mean((1, 2), keepdim=True)
            torch.testing.assert_close(added[i, j][:, gone], expected[:, gone], rtol=0, atol=1e-12)
    assert not torch.equal(Filling(pictures, seed=5)(removed, "linear"), Filling(pictures, seed=4)(removed, "linear"))


@pytest.mark.filterwarnings("ignore:__array_wrap__")
def test_as_grad_cam() -> None:
    road = pytest.importorskip("pytorch_grad_cam.metrics.road")
    pictures = noise(1, 3, 48, 64).float()
    for removed in (round_hole(48, 64, 20), scattered(48, 64, share=0.6), ~round_hole(48, 64, 5)):
        expected = road.NoisyLinearImputer(noise=0)(pictures[0], (~removed).float())
        torch.testing.assert_close(impute(pictures, removed[None, None])[0, 0], expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("size", [(30,), (4, 5, 6)])
def test_signals_and_volumes_are_refused(size: tuple[int, ...]) -> None:
    with pytest.raises(MethodError, match=r"fill='linear' is for pictures .*Use fill='zero', 'mean' or 'blur'\."):
        Filling(noise(2, 3, *size))(torch.zeros(2, 1, *size, dtype=torch.bool), "linear")


@pytest.mark.parametrize("size", [(30,), (14, 13, 12)])
def test_signals_and_volumes_are_blurred(size: tuple[int, ...]) -> None:
    from scipy.ndimage import gaussian_filter

    inputs = noise(2, 3, *size)
    blurred = Filling(inputs)(torch.ones(2, 1, *size, dtype=torch.bool), "blur")[:, 0]
    expected = [
        [gaussian_filter(colour, min(size) / 10, mode="mirror", truncate=2.5) for colour in each] for each in inputs
    ]
    torch.testing.assert_close(blurred, torch.tensor(np.array(expected)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 90), (90, 2), (3, 60), (33, 31)])
def test_holes_from_end_to_end_of_any_shape(size: tuple[int, int]) -> None:
    removed = torch.ones(size, dtype=torch.bool)
    removed[0, 0] = removed[-1, -1] = False
    picture = noise(1, 2, *size)
    torch.testing.assert_close(
        impute(picture, removed[None, None])[0, 0], dense(picture[0], removed), rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("size", [(1, 2000), (3, 700), (129, 127), (128, 128)])
def test_wide_holes_cost_little_more_than_narrow_ones(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    cycles, cycle = [], linear_imputation._cycle

    def counted(wanted: Tensor, scales: list[linear_imputation.Scale], kernel: Tensor) -> Tensor:
        cycles.append(tuple(wanted.shape[2:]) == size)
        return cycle(wanted, scales, kernel)

    monkeypatch.setattr(linear_imputation, "_cycle", counted)
    ends = torch.ones(size, dtype=torch.bool)
    ends[0, 0] = ends[-1, -1] = False
    for removed in (ends, scattered(*size, share=0.5), scattered(*size, share=0.95)):
        cycles.clear()
        impute(noise(1, 1, *size), removed[None, None])
        assert sum(cycles) <= 28


def test_pictures_of_one_colour_stay_as_they_are() -> None:
    random = torch.Generator().manual_seed(0)
    pictures = (2 * torch.rand(20, 3, 1, 1, generator=random) - 0.7).expand(-1, -1, 96, 96)
    removed = torch.zeros(20, 2, 96, 96, dtype=torch.bool)
    removed[:, 0, 20:48, 30:51] = True
    removed[:, 1] = ~removed[:, 0]
    torch.testing.assert_close(
        impute(pictures, removed), pictures[:, None].expand(-1, 2, -1, -1, -1), rtol=0, atol=1e-4
    )
