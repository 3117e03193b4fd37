from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from section_samples import noise

from featuremaps.report.sprites import averaged, reduced, rounded, sprite


def decode(found):
    """What the viewer does, slowly and with Pillow."""
    greys = np.array(Image.open(BytesIO(b64decode(found["png"].split(",")[1])))).astype(float)
    greys = greys.reshape(found["count"], found["height"], found["width"])
    values = (greys - found["zero"]) * np.array(found["scales"])[:, None, None]
    if found["missing"] is not None:
        values[greys == found["missing"]] = np.nan
    return torch.from_numpy(values)


@pytest.mark.parametrize("signed", [False, True])
def test_every_map_keeps_its_own_precision(signed):
    maps = noise(5, 6, 7) * torch.tensor([1.0, 1e-6, 1e6, 1e-30, 0.0])[:, None, None]
    maps = maps if signed else maps.relu()
    back = decode(sprite(maps))
    peaks = maps.abs().amax((1, 2), keepdim=True).double()
    assert ((back - maps.double()).abs() <= peaks / (254 if signed else 510) * 1.00001).all()
    assert torch.equal(back.sign()[4], torch.zeros(6, 7).double())


def test_zero_is_exactly_zero():
    maps = noise(8, 9, 9)
    maps[maps.abs() < 0.5] = 0
    assert (decode(sprite(maps))[maps == 0] == 0).all()
    assert (decode(sprite(maps.relu()))[maps <= 0] == 0).all()


def slow_average(map, height, width, parts=630):
    """The mean over each cell's area by counting `parts` points a side."""
    rows = ((torch.arange(height * parts) + 0.5) * map.shape[0] / (height * parts)).long()
    columns = ((torch.arange(width * parts) + 0.5) * map.shape[1] / (width * parts)).long()
    return map[rows][:, columns].reshape(height, parts, width, parts).mean((1, 3))


@pytest.mark.parametrize(("size", "small"), [((12, 8), (4, 4)), ((5, 7), (3, 4)), ((6, 6), (6, 6)), ((9, 1), (2, 1))])
def test_cells_are_means_of_their_area(size, small):
    maps = noise(2, *size).double()
    found = averaged(maps, *small)
    for map, cells in zip(maps, found, strict=True):
        assert torch.allclose(cells, slow_average(map, *small), atol=1e-9)
    assert torch.allclose(found.mean((1, 2)), maps.mean((1, 2)))


def test_a_missing_value_spoils_only_the_cells_that_cover_it():
    maps = torch.ones(1, 8, 8)
    maps[0, 0, 0] = float("nan")
    maps[0, 7, 3] = float("inf")
    back = decode(sprite(maps, 4))[0]
    lost = torch.zeros(4, 4, dtype=torch.bool)
    lost[0, 0] = lost[3, 1] = True
    assert torch.equal(back.isnan(), lost)
    assert torch.allclose(back[~lost], torch.ones(14).double(), rtol=1e-5)


def test_nothing_finite_and_one_cell():
    assert decode(sprite(torch.full((2, 3, 3), float("nan")))).isnan().all()
    assert decode(sprite(torch.full((3, 1, 1), -2.0))).allclose(torch.full((3, 1, 1), -2.0).double(), rtol=1e-5)


@pytest.mark.parametrize(("size", "small"), [((111, 111), (32, 32)), ((64, 32), (32, 16)), ((1, 500), (1, 32))])
def test_the_shape_is_kept(size, small):
    assert reduced(*size, 32) == small
    assert reduced(7, 5, 32) == (7, 5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_any_float_type_with_a_graph(dtype):
    maps = noise(2, 3, 4).to(dtype).requires_grad_()
    assert decode(sprite(maps)).allclose(maps.detach().double(), atol=0.02)


def test_numbers_travel_with_six_digits():
    assert rounded(1 / 3) == 0.333333
    assert rounded(float("nan")) is None
    assert rounded(float("inf")) is None
    assert rounded(None) is None
