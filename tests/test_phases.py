"""The phases of a strided convolution give its transpose, whatever its kernel, padding and size."""

import pytest
import torch
import torch.nn.functional as F

from featuremaps.phases import Phases


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel", [(7, 7), (3, 5), (1, 2), (4, 4), (11, 11)])
@pytest.mark.parametrize("padding", [(0, 0), (3, 1), (2, 6)])
@pytest.mark.parametrize("size", [(33, 40), (24, 23)])
def test_they_are_the_gradient(
    stride: int, kernel: tuple[int, int], padding: tuple[int, int], size: tuple[int, int]
) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((2, 3, *size), generator=generator, dtype=torch.float64).requires_grad_()
    weight = torch.randn((5, 3, *kernel), generator=generator, dtype=torch.float64)
    y = F.conv2d(x, weight, None, stride, padding)
    towards = torch.randn(y.shape, generator=generator, dtype=torch.float64)
    (wanted,) = torch.autograd.grad(y, x, towards)

    phases = Phases.of(weight, stride, padding, size, (y.shape[2], y.shape[3]))
    assert phases.weight.shape[:2] == (3 * stride**2, 5)
    found = phases(towards, lambda maps: F.conv2d(maps, phases.weight, padding=phases.margin))
    torch.testing.assert_close(found, wanted)
