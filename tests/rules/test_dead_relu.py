"""The way around dead ReLUs beside its definition, written as loops over rows and values."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from featuremaps.rules import Redirected

SPELLINGS = {
    "module": nn.ReLU(),
    "in place": nn.ReLU(inplace=True),
    "functional": F.relu,
    "method": Tensor.relu_,
    "clamp": lambda x: x.clamp(min=0),
}


def by_definition(x: Tensor, above: Tensor, top: float = float("inf")) -> Tensor:
    """The gradient g·[0 < x < top] of each row, or max(g, 0) where all of the row's gradient is zero."""
    sent = torch.zeros_like(x)
    for row in range(len(x)):
        for i in range(x.shape[1]):
            sent[row, i] = above[row, i] if 0 < x[row, i] < top else 0.0
        if all(value == 0 for value in sent[row]):
            for i in range(x.shape[1]):
                sent[row, i] = max(float(above[row, i]), 0.0)
    return sent


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_equals_its_definition_however_the_relu_is_written(spelling: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 6, generator=generator)
    x[1] = -x[1].abs()
    x[3] = -1.0
    above = torch.randn(4, 6, generator=generator)
    above[3] = -1.0  # dead, and nothing would wake it
    leaf = x.clone().requires_grad_()
    with Redirected() as rule:
        output = SPELLINGS[spelling](leaf * 1.0)
    torch.testing.assert_close(output, x.clamp(min=0))
    (sent,) = torch.autograd.grad(output, leaf, above)
    torch.testing.assert_close(sent, by_definition(x, above))
    assert sent[1].any()
    assert not sent[3].any()
    assert rule.replaced["relu"] == 1


def test_a_relu6_at_its_top_is_off_too() -> None:
    x, above = torch.tensor([[7.0, 8.0], [7.0, 3.0]]), torch.tensor([[1.0, -2.0], [1.0, 1.0]])
    leaf = x.clone().requires_grad_()
    with Redirected():
        output = F.relu6(leaf)
    (sent,) = torch.autograd.grad(output, leaf, above)
    torch.testing.assert_close(sent, by_definition(x, above, 6.0))
