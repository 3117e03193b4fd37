"""What every canvas keeps to, and finding one by name."""

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from canvas_samples import SHAPES, seeded, slow_gradient, weighted
from featuremaps.draw.canvas import CANVASES, Canvas, Shape, canvas_settings, find_canvas
from featuremaps.draw.cppn import CppnCanvas
from featuremaps.draw.fourier import FourierCanvas
from featuremaps.draw.maco import MacoCanvas
from featuremaps.draw.pixels import PixelCanvas
from featuremaps.errors import OptionError
from method_samples import unchecked

EVERY: dict[str, Canvas] = {
    "fourier": FourierCanvas(),
    "pixels": PixelCanvas(),
    "mirror": PixelCanvas(squash="mirror"),
    "maco": MacoCanvas(),
    "cppn": CppnCanvas(width=5, depth=3),
}
every = pytest.mark.parametrize("canvas", EVERY.values(), ids=EVERY)


def in_float64(parameters: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(parameter.double() for parameter in parameters)


@every
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pictures_of_any_shape_have_values_0_to_1(canvas: Canvas, shape: Shape) -> None:
    parameters = canvas.start(2, shape, seeded())
    assert all(len(parameter) == 2 and parameter.dtype == torch.float32 for parameter in parameters)
    for scale in (1, 100):
        picture = canvas.picture(tuple(parameter * scale for parameter in parameters), shape)
        assert picture.shape == (2, *shape)
        assert picture.dtype == torch.float32
        assert 0 <= float(picture.min()) < float(picture.max()) <= 1


@every
def test_seeds_repeat_and_rows_differ(canvas: Canvas) -> None:
    shape = (3, 9, 8)
    one, again, other = (canvas.picture(canvas.start(2, shape, seeded(seed)), shape) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.allclose(one, other)
    assert not torch.allclose(one[0], one[1])


@every
def test_a_row_depends_on_its_own_numbers_alone(canvas: Canvas) -> None:
    shape = (3, 9, 8)
    parameters = in_float64(canvas.start(3, shape, seeded()))
    together = canvas.picture(parameters, shape)
    for row in range(3):
        alone = canvas.picture(tuple(parameter[row : row + 1] for parameter in parameters), shape)
        torch.testing.assert_close(together[row], alone[0], rtol=0, atol=1e-12)


@every
@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 6, 4), (2, 3, 3)], ids=str)
def test_gradients_are_finite_differences_and_reach_every_number(canvas: Canvas, shape: Shape) -> None:
    parameters = in_float64(canvas.start(2, shape, seeded()))
    value = weighted(canvas, shape, 2)
    expected = slow_gradient(value, parameters)
    for parameter in parameters:
        parameter.requires_grad_()
    found = torch.autograd.grad(value(parameters), parameters)
    for quick, slow in zip(found, expected, strict=True):
        torch.testing.assert_close(quick, slow, rtol=1e-5, atol=1e-7)
        assert bool((quick != 0).all())


@every
def test_adam_reaches_a_given_picture_more_or_less(canvas: Canvas) -> None:
    shape = (3, 24, 24)
    down, across = torch.meshgrid(*[torch.linspace(-1, 1, 24)] * 2, indexing="ij")
    aim = torch.stack(((4 * across).sigmoid(), (-4 * across).sigmoid(), (2 * down).sigmoid()))[None]
    parameters = canvas.start(1, shape, seeded())
    for parameter in parameters:
        parameter.requires_grad_()
    optimizer = torch.optim.Adam(parameters, lr=canvas.rate)
    errors = []
    for step in range(150):
        optimizer.param_groups[0]["lr"] = canvas.rate * (1 - step / 150)
        error = (canvas.picture(parameters, shape) - aim).square().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        errors.append(float(error.detach()))
    assert errors[-1] < 0.6 * errors[0]


@pytest.mark.parametrize(("name", "kind"), CANVASES.items(), ids=CANVASES)
def test_canvases_by_name(name: str, kind: type[Canvas]) -> None:
    found = find_canvas(f" {name.upper()} ")
    assert type(found) is kind
    assert isinstance(found, Canvas)
    assert kind(rate=0.25).rate == 0.25
    assert json.loads(json.dumps(canvas_settings(found)))["canvas"] == name


def test_a_canvas_with_options() -> None:
    canvas = MacoCanvas(contrast=0.5)
    assert find_canvas(canvas) is canvas
    begun = canvas_settings(PixelCanvas().from_picture(torch.zeros(3, 2, 2)))
    assert begun == {"canvas": "pixels", "squash": "sigmoid", "deviation": 0.0, "rate": 0.05, "begin": [3, 2, 2]}


def test_a_canvas_of_ones_own() -> None:
    class Plain:
        rate = 0.5

        def start(self, count: int, shape: Shape, generator: torch.Generator) -> tuple[Tensor, ...]:
            return (torch.zeros(count, *shape),)

        def picture(self, parameters: tuple[Tensor, ...], shape: Shape) -> Tensor:
            return parameters[0]

    own = Plain()
    assert find_canvas(own) is own
    assert canvas_settings(own) == {"canvas": "Plain"}


@dataclass(frozen=True)
class NoCanvas:
    rate: float = 0.1


@pytest.mark.parametrize(
    ("canvas", "options", "message"),
    [
        (FourierCanvas, {"decay": -1.0}, "FourierCanvas: decay is a number, 0 or more; got -1.0."),
        (FourierCanvas, {"decay": float("nan")}, "FourierCanvas: decay is a number, 0 or more; got nan."),
        (FourierCanvas, {"contrast": 0.0}, "FourierCanvas: contrast is a number, above 0; got 0.0."),
        (FourierCanvas, {"rate": True}, "FourierCanvas: rate is a number, above 0; got True."),
        (MacoCanvas, {"rate": "fast"}, "MacoCanvas: rate is a number, above 0; got 'fast'."),
        (MacoCanvas, {"contrast": float("inf")}, "MacoCanvas: contrast is a number, above 0; got inf."),
        (
            PixelCanvas,
            {"squash": "sigmiod"},
            "squash='sigmiod' is not known; choose 'sigmoid' or 'mirror'. Did you mean 's",
        ),
        (PixelCanvas, {"deviation": -0.1}, "PixelCanvas: deviation is a number, 0 or more; got -0.1."),
        (CppnCanvas, {"width": 2.5}, "CppnCanvas: width is a whole number, 1 or more; got 2.5."),
        (CppnCanvas, {"depth": 0}, "CppnCanvas: depth is a whole number, 1 or more; got 0."),
    ],
)
def test_errors(canvas: type[Canvas], options: dict[str, object], message: str) -> None:
    with unchecked(), pytest.raises(OptionError, match=re.escape(message)):
        canvas(**options)


def test_no_canvas_of_that_name() -> None:
    words = "there is no canvas 'fourrier'; choose 'cppn', 'fourier', 'maco', 'pixels'. Did you mean 'four"
    with unchecked(), pytest.raises(OptionError, match=words):
        find_canvas("fourrier")


@pytest.mark.parametrize("canvas", [FourierCanvas, NoCanvas(), 3, None])
def test_what_is_no_canvas(canvas: Any) -> None:
    with (
        unchecked(),
        pytest.raises(OptionError, match="a canvas is one of 'cppn', 'fourier', 'maco', 'pixels' or an object"),
    ):
        find_canvas(canvas)
