"""How relevance is split: each operand by plain loops, all of it in the end, and to constants none."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from featuremaps.rules.composites import COMPOSITES, Composite, LrpSettings
from featuremaps.rules.lrp_ledger import Ledger
from featuremaps.rules.lrp_splits import Average, Equally, Split, Terms, passed


@pytest.fixture
def signed() -> Composite:
    """Shares of either sign, with a divisor that is hardly moved."""
    return COMPOSITES["epsilon"](LrpSettings(epsilon=1e-12))


def sent(split: Split, output: Tensor, arriving: Tensor, *operands: Tensor) -> tuple[list[Tensor | None], Ledger]:
    """What arrives at each operand of an operation with this output, and the accounts."""
    ledger = Ledger()
    given = passed(split, lambda: output.clone(), ledger, *operands)
    torch.testing.assert_close(given, output)
    wanted = [operand for operand in operands if operand.requires_grad]
    received = iter(torch.autograd.grad(given, wanted, arriving))
    return [next(received) if operand.requires_grad else None for operand in operands], ledger


def random(*shape: int, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=draw, dtype=torch.float64)


def test_factors_get_half_each_and_one_operand_gets_all() -> None:
    first, second, arriving = random(2, 3).requires_grad_(), random(2, 3, seed=1).requires_grad_(), random(2, 3, seed=2)
    (to_first, to_second), ledger = sent(Equally(2), (first * second).detach(), arriving, first, second)
    torch.testing.assert_close(to_first, arriving / 2)
    torch.testing.assert_close(to_second, arriving / 2)
    assert float(ledger.total()) == pytest.approx(0, abs=1e-12)
    (whole,), ledger = sent(Equally(1), first.detach().tanh(), arriving, first)
    torch.testing.assert_close(whole, arriving)


@pytest.mark.parametrize("scale", [1.0, -0.5])
def test_terms_get_relevance_in_proportion(signed: Composite, scale: float) -> None:
    first, second = random(2, 3, 2).requires_grad_(), random(3, 1, seed=1).requires_grad_()  # the second is broadcast
    output, arriving = (first + scale * second).detach(), random(2, 3, 2, seed=2)
    (to_first, to_second), ledger = sent(Terms(scale, signed), output, arriving, first, second)
    expected_first, expected_second = torch.zeros(2, 3, 2).double(), torch.zeros(3, 1).double()
    for a in range(2):
        for b in range(3):
            for c in range(2):
                share = arriving[a, b, c] / output[a, b, c]
                expected_first[a, b, c] = first[a, b, c] * share
                expected_second[b, 0] += scale * second[b, 0] * share
    torch.testing.assert_close(to_first, expected_first)
    torch.testing.assert_close(to_second, expected_second)
    assert float(ledger.total()) == pytest.approx(0, abs=1e-8)


def test_a_constant_keeps_its_share(signed: Composite) -> None:
    first, constant, arriving = random(4).requires_grad_(), random(4, seed=1), random(4, seed=2)
    output = (first + constant).detach()
    (to_first, nothing), ledger = sent(Terms(1.0, signed), output, arriving, first, constant)
    assert to_first is not None
    assert nothing is None
    assert float(ledger.kept["biases"]) == pytest.approx(float((arriving * constant / output).sum()), abs=1e-8)


def test_averaged_values_get_relevance_in_proportion(signed: Composite) -> None:
    values, arriving = random(1, 2, 4, 6).requires_grad_(), random(1, 2, 2, 3, seed=1)
    split = Average(lambda x: F.avg_pool2d(x, 2), signed)
    (back,), ledger = sent(split, F.avg_pool2d(values.detach(), 2), arriving, values)
    expected = torch.zeros_like(values)
    for channel in range(2):
        for row in range(4):
            for column in range(6):
                window = values[0, channel, row // 2 * 2 : row // 2 * 2 + 2, column // 2 * 2 : column // 2 * 2 + 2]
                share = values[0, channel, row, column] / window.sum()
                expected[0, channel, row, column] = share * arriving[0, channel, row // 2, column // 2]
    torch.testing.assert_close(back, expected.detach())
    assert float(ledger.total()) == pytest.approx(0, abs=1e-8)


def test_an_average_remembers_values_that_are_written_over(signed: Composite) -> None:
    values, arriving = random(1, 1, 2, 2), torch.ones(1, 1, 1, 1, dtype=torch.float64)
    x = values.clone().requires_grad_()
    held = x * 1
    output = passed(
        Average(lambda x: x.mean((2, 3), keepdim=True), signed), lambda: values.mean((2, 3), True), Ledger(), held
    )
    with torch.no_grad():
        held.zero_()
    (back,) = torch.autograd.grad(output, held, arriving)
    torch.testing.assert_close(back, values / values.sum())
