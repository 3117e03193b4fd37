from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from featuremaps.report.encode import picture_uri, quantise


def decode(quantised):
    """What the viewer does, slowly and in Python."""
    integers = np.frombuffer(b64decode(quantised["integers"]), np.dtype(quantised["dtype"]).newbyteorder("<"))
    values = [np.nan if step == quantised["missing"] else step * quantised["scale"] for step in integers.astype(float)]
    return torch.tensor(values, dtype=torch.float64).reshape(quantised["height"], quantised["width"])


@pytest.mark.parametrize(
    ("values", "dtype", "steps"),
    [
        (torch.linspace(-3, 2, 35).reshape(5, 7), "int16", 32767),
        (torch.linspace(0, 2, 35).reshape(5, 7), "uint16", 65535),
        (torch.linspace(-3, 2, 65 * 65).reshape(65, 65), "int8", 127),
        (torch.linspace(0, 2, 65 * 65).reshape(65, 65), "uint8", 255),
        (torch.linspace(-1e30, 1e30, 6).reshape(2, 3), "int16", 32767),
        (torch.linspace(-1e-30, 1e-30, 6).reshape(2, 3), "int16", 32767),
    ],
)
def test_round_trip_within_half_a_step(values, dtype, steps):
    quantised = quantise(values)
    assert quantised["dtype"] == dtype
    error = (decode(quantised) - values.double()).abs().max()
    assert error <= values.abs().max().double() / steps / 2 * (1 + 1e-6)


def test_zero_and_sign_are_exact():
    values = torch.tensor([[0.0, -1e-3], [1e-3, 5.0]])
    assert torch.equal(decode(quantise(values)).sign(), values.double().sign())


@pytest.mark.parametrize("level", [0.0, 4.0, -4.0])
def test_constant_maps(level):
    assert decode(quantise(torch.full((3, 2), level))).allclose(torch.full((3, 2), level).double())


@pytest.mark.parametrize("size", [4, 80])
def test_values_that_are_not_finite_stay_apart(size):
    values = torch.rand(size, size)
    values[0, 0], values[1, 2], values[2, 1] = float("nan"), float("inf"), float("-inf")
    back = decode(quantise(values))
    lost = ~values.isfinite()
    assert torch.equal(back.isnan(), lost)
    assert (back - values.double())[~lost].abs().max() <= values[~lost].max().double() / 127


def test_nothing_finite():
    assert decode(quantise(torch.full((2, 2), float("nan")))).isnan().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_float_type_any_layout_any_graph(dtype):
    values = torch.linspace(-1, 1, 12).reshape(3, 4).to(dtype).requires_grad_()
    assert decode(quantise(values.T)).allclose(values.T.detach().double(), atol=1e-4)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "CMYK"])
def test_a_picture_of_any_mode_becomes_a_data_uri(mode):
    uri = picture_uri(Image.new("RGB", (20, 10), (200, 100, 50)).convert(mode))
    assert uri.startswith("data:image/")
    assert Image.open(BytesIO(b64decode(uri.split(",")[1]))).size == (20, 10)


def test_colours_survive():
    uri = picture_uri(Image.new("RGB", (16, 16), (200, 100, 50)))
    pixel = Image.open(BytesIO(b64decode(uri.split(",")[1]))).convert("RGB").getpixel((8, 8))
    assert max(abs(a - b) for a, b in zip(pixel, (200, 100, 50), strict=True)) <= 3


def test_large_pictures_shrink_and_keep_their_shape():
    uri = picture_uri(Image.new("RGB", (3000, 10)), longest=300)
    assert Image.open(BytesIO(b64decode(uri.split(",")[1]))).size == (300, 1)
