"""What a model's first convolution or product is given, after what the model does to its pictures itself."""

import pytest
import torch
from torch import Tensor, nn

from featuremaps.runtime.first_numbers import first_numbers


class Inside(nn.Module):
    """A model that prepares its pictures by a function of its own."""

    def __init__(self, first: nn.Module, function: object) -> None:
        super().__init__()
        self.first, self.function = first, function

    def forward(self, x: Tensor) -> Tensor:
        return self.first(self.function(x)).relu()  # type: ignore[operator]


PICTURE = torch.linspace(0, 255, 3 * 8 * 8).reshape(3, 8, 8)


@pytest.mark.parametrize(
    ("function", "ends"),
    [
        (lambda x: x, (0.0, 255.0)),
        (lambda x: x / 255, (0.0, 1.0)),
        (lambda x: (x / 127.5 - 1).flip(1), (-1.0, 1.0)),
        (lambda x: nn.functional.avg_pool2d(x * 0 + 3, 2), (3.0, 3.0)),
    ],
)
def test_the_ends_of_what_the_first_convolution_is_given(function: object, ends: tuple[float, float]) -> None:
    model = Inside(nn.Conv2d(3, 2, 3), function).eval()
    assert first_numbers(model, PICTURE) == pytest.approx(ends)


def test_a_dense_layer_counts_and_without_any_the_picture_does() -> None:
    assert first_numbers(Inside(nn.Linear(8, 2), lambda x: x - 5).eval(), PICTURE) == (-5.0, 250.0)
    assert first_numbers(nn.Sequential(nn.ReLU()), PICTURE - 5) == (-5.0, 250.0)
