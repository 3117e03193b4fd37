"""Where the pictures stand in a tensor, and a picture's values exchanged with its baseline's."""

import pytest
import torch
from torch import Tensor, nn

from featuremaps.rules.baseline_pairs import by_picture, interleaved, is_constant, swapped


def labelled(shape: tuple[int, ...], axis: int, rows: int) -> Tensor:
    """Every value says which row (picture or baseline) it belongs to."""
    each = shape[axis] // rows
    owner = torch.arange(rows).repeat_interleave(each)
    return owner.view([-1 if place == axis else 1 for place in range(len(shape))]).expand(shape).float()


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((4,), 0), ((4, 3), 0), ((4, 3, 5, 5), 0), ((4, 4, 8), 0), ((12, 3, 7), 0), ((8, 2, 3, 3), 0), ((7, 4, 3), 1)],
)
def test_swapping_exchanges_a_picture_and_its_baseline(shape: tuple[int, ...], axis: int) -> None:
    values = labelled(shape, axis, 4)
    exchanged = swapped(values, 4)
    assert exchanged is not None
    torch.testing.assert_close(exchanged, torch.tensor([1.0, 0.0, 3.0, 2.0])[values.long()])
    found = by_picture(values, 4)
    assert found is not None
    assert torch.equal(found.reshape(4, -1).amax(1), torch.arange(4.0))
    assert torch.equal(found.reshape(4, -1).amin(1), torch.arange(4.0))


def test_a_batch_axis_that_cannot_be_told() -> None:
    for shape in ((), (3,), (7, 3), (2, 4), (7, 4), (0, 3)):
        assert swapped(torch.zeros(shape), 4) is None


def test_interleaving_puts_each_baseline_after_its_picture() -> None:
    pictures, baselines = torch.arange(3.0)[:, None], -torch.arange(3.0)[:, None] - 10
    assert interleaved(pictures, baselines)[:, 0].tolist() == [0.0, -10.0, 1.0, -11.0, 2.0, -12.0]


def test_numbers_and_weights_are_constant() -> None:
    weight, x = nn.Parameter(torch.ones(3)), torch.ones(3, requires_grad=True)
    assert all(map(is_constant, (2.0, None, weight, weight.view(1, 3), weight.detach(), x.detach(), torch.ones(2))))
    assert not is_constant(x)
    assert not is_constant(x * 2)
