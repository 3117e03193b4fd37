"""Pixels that begin as a picture, and what keeps them between 0 and 1."""

import re
from typing import Literal

import pytest
import torch

from canvas_samples import seeded
from featuremaps.draw.pixels import EDGE, PixelCanvas
from featuremaps.errors import OptionError


@pytest.mark.parametrize("squash", ["sigmoid", "mirror"])
def test_begins_as_the_picture(squash: Literal["sigmoid", "mirror"]) -> None:
    picture = torch.rand(3, 6, 5, generator=seeded())
    picture[:, 0, 0], picture[:, 1, 1] = 0, 1
    canvas = PixelCanvas(squash=squash).from_picture(picture)
    parameters = canvas.start(2, (3, 6, 5), seeded())
    shown = canvas.picture(parameters, (3, 6, 5))
    torch.testing.assert_close(shown, picture.expand(2, -1, -1, -1), rtol=0, atol=EDGE + 1e-6)
    for parameter in parameters:
        parameter.requires_grad_()
    (gradient,) = torch.autograd.grad(canvas.picture(parameters, (3, 6, 5)).sum(), parameters)
    assert bool((gradient > 0).all())  # black and white can still be changed


def test_what_begins_is_not_the_users_tensor() -> None:
    picture = torch.full((1, 2, 2), 0.5)
    (pixels,) = PixelCanvas(squash="mirror").from_picture(picture).start(1, (1, 2, 2), seeded())
    pixels += 1
    assert bool((picture == 0.5).all())


def test_noise_around_the_picture_where_it_is_asked_for() -> None:
    canvas = PixelCanvas(squash="mirror", deviation=0.1, begin=torch.full((1, 50, 50), 0.5))
    (pixels,) = canvas.start(1, (1, 50, 50), seeded())
    assert float(pixels.std()) == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize(
    ("value", "shown"), [(0.3, 0.3), (1.2, 0.8), (-0.2, 0.2), (2.1, 0.1), (-1.3, 0.7), (0.0, 0.0), (1.0, 1.0)]
)
def test_mirror_folds_at_black_and_white(value: float, shown: float) -> None:
    canvas = PixelCanvas(squash="mirror")
    found = canvas.picture((torch.full((1, 1, 1, 1), value),), (1, 1, 1))
    assert float(found) == pytest.approx(shown, abs=1e-6)


def test_errors() -> None:
    with pytest.raises(OptionError, match=re.escape("with values 0 to 1; got -2 to 255. Undo its normalisation.")):
        PixelCanvas().from_picture(torch.tensor([[[-2.0, 255.0]]]))
    with pytest.raises(OptionError, match="got nan"):
        PixelCanvas().from_picture(torch.tensor([[[0.5, float("nan")]]]))
    canvas = PixelCanvas().from_picture(torch.zeros(3, 4, 5))
    with pytest.raises(OptionError, match=re.escape("(3, 4, 5), and (3, 5, 4) is to be drawn; resize the picture")):
        canvas.start(1, (3, 5, 4), seeded())
