"""The climb: it rises, repeats, is led around dead ReLUs, stops where it should, and keeps what it has."""

import pytest
import torch
from torch import Tensor

from featuremaps.draw.ascent import Climb, Course, ascend
from featuremaps.errors import ModelError, OptionError
from method_samples import unchecked

SUMMIT = torch.tensor([[1.0, -2.0], [0.5, 3.0]])


def climbed(how: Climb, values=None, start: Tensor | None = None) -> tuple[Tensor, Course]:
    """Two rows of two numbers, each climbing towards its own summit of height 0."""
    numbers = torch.zeros(2, 2) if start is None else start.clone()

    def to_summit(step: int, rule: object) -> Tensor:
        return -(numbers - SUMMIT).square().sum(1)

    course = ascend([numbers], values(numbers) if values else to_summit, lambda: numbers.sigmoid(), how)
    return numbers, course


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_reaches_the_summit(optimizer) -> None:
    numbers, course = climbed(Climb(steps=300, rate=0.1, optimizer=optimizer, patience=None))
    torch.testing.assert_close(numbers, SUMMIT, rtol=0, atol=1e-2)
    assert not numbers.requires_grad
    assert (course.curve[-1] > course.curve[0]).all()
    assert course.curve.shape == (300, 2)
    assert course.notes() == ()


def test_adam_is_that_of_its_paper() -> None:
    """Kingma & Ba 2015, algorithm 1, with the step sizes of the climb."""
    how = Climb(steps=20, rate=0.1, patience=None)
    numbers, _ = climbed(how)
    slow, first, second = torch.zeros(2, 2), torch.zeros(2, 2), torch.zeros(2, 2)
    for step in range(20):
        gradient = 2 * (slow - SUMMIT)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        mean, spread = first / (1 - 0.9 ** (step + 1)), second / (1 - 0.999 ** (step + 1))
        slow = slow - 0.1 * how.share(step) * mean / (spread.sqrt() + 1e-8)
    torch.testing.assert_close(numbers, slow, rtol=1e-4, atol=1e-5)


def test_a_row_climbs_as_if_it_were_alone() -> None:
    how = Climb(steps=15, patience=None)
    together, _ = climbed(how)
    alone = torch.zeros(1, 2)
    ascend([alone], lambda step, rule: -(alone - SUMMIT[:1]).square().sum(1), lambda: alone, how)
    torch.testing.assert_close(together[:1], alone, rtol=0, atol=0)


def test_steps_rise_then_fall() -> None:
    how = Climb(steps=100)
    shares = [how.share(step) for step in range(100)]
    assert shares[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert shares[5:] == sorted(shares[5:], reverse=True)
    assert 0.1 <= shares[-1] < 0.11


def test_stops_when_nothing_is_gained() -> None:
    _, course = climbed(Climb(steps=2000, rate=0.3, patience=20), start=SUMMIT + 0.01)
    assert course.stopped == "converged"
    assert len(course.curve) < 500
    assert course.notes() == (f"converged after {len(course.curve)} steps",)


def test_a_dead_row_is_led_around_and_said_to_be() -> None:
    """Row 0 begins where its ReLU is off; row 1 does not need help."""

    def values(numbers: Tensor):
        def value(step: int, rule: object) -> Tensor:
            if rule is None:
                return numbers.relu().sum(1)
            with rule:
                return numbers.relu().sum(1)

        return value

    start = torch.tensor([[-0.3, -0.2], [0.1, 0.2]])
    _, course = climbed(Climb(steps=20, rate=0.1, patience=None), values, start)
    assert course.curve[-1, 0] > 0
    assert 0 < course.redirected[0] < 20
    assert course.redirected[1] == 0
    assert course.notes(0) == (f"the gradient was led around dead ReLUs in {int(course.redirected[0])} of 20 steps",)
    assert course.notes(1) == ()
    still, course = climbed(Climb(steps=20, rate=0.1, patience=None, redirect=False), values, start)
    assert torch.equal(still[0], start[0])
    assert course.redirected[0] == 0


def test_a_value_that_is_not_finite_ends_it_with_what_was_there_before() -> None:
    def values(numbers: Tensor):
        return lambda step, rule: -(numbers - SUMMIT).square().sum(1) / (0.0 if step == 7 else 1.0)

    numbers, course = climbed(Climb(steps=20, patience=None), values)
    expected, _ = climbed(Climb(steps=20, patience=None), lambda n: _until(n, 7))
    assert course.stopped == "not finite"
    assert len(course.curve) == 7
    assert torch.equal(numbers, expected)
    assert "no longer finite after 7 steps" in course.notes()[0]
    with pytest.raises(ModelError, match="not finite from the start"):
        climbed(Climb(), lambda n: lambda step, rule: n.sum(1) * float("nan"))


def _until(numbers: Tensor, last: int):
    """The usual values, and Ctrl-C at step `last`."""

    def value(step: int, rule: object) -> Tensor:
        if step == last:
            raise KeyboardInterrupt
        return -(numbers - SUMMIT).square().sum(1)

    return value


def test_ctrl_c_keeps_what_is_there() -> None:
    numbers, course = climbed(Climb(steps=20, patience=None), lambda n: _until(n, 5))
    assert course.stopped == "interrupted"
    assert len(course.curve) == 5
    assert numbers.any()
    assert course.notes() == ("stopped by hand after 5 steps",)
    with pytest.raises(KeyboardInterrupt):
        climbed(Climb(steps=20), lambda n: _until(n, 0))


def test_the_best_is_kept_where_asked_for() -> None:
    """Steps that are too large swing around the summit; each row goes back to where it was highest."""
    how = Climb(steps=40, rate=2.0, patience=None, keep="best")
    numbers, course = climbed(how)
    best = course.curve.amax(0)
    torch.testing.assert_close(-(numbers - SUMMIT).square().sum(1), best)
    last, _ = climbed(Climb(steps=40, rate=2.0, patience=None))
    assert ((numbers - SUMMIT).norm(dim=1) <= (last - SUMMIT).norm(dim=1)).all()


def test_frames_of_the_way() -> None:
    _, course = climbed(Climb(steps=30, frames=10, patience=None))
    assert len(course.frames) == 10
    assert course.frames[0].dtype == torch.uint8
    assert course.frames[0].tolist() == [[128, 128], [128, 128]]


def test_no_gradient_is_said() -> None:
    with pytest.raises(ModelError, match="has no gradient: nothing leads from it back to the picture"):
        climbed(Climb(), lambda n: lambda step, rule: n.detach().sum(1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "1 or more; got 0"),
        ({"rate": 0.0}, "above 0; got 0.0"),
    ],
)
def test_bad_options(options, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Climb(**options)


def test_an_optimizer_that_is_not_there() -> None:
    with unchecked(), pytest.raises(OptionError, match="'sgd' is not known; choose 'adam', 'lbfgs' or 'gradient'"):
        Climb(optimizer="sgd")
