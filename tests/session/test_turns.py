"""Undoing happens once, or once more where it was interrupted; threads take turns; what is beside a model goes with it."""

import gc
from threading import Thread

import pytest
import torch
from torch import nn

from featuremaps.session.turns import Beside, Turn, in_turn, undone


def elsewhere(work: object) -> list[object]:
    """What a function gives in another thread."""
    given: list[object] = []
    thread = Thread(target=lambda: given.append(work()))  # type: ignore[operator]
    thread.start()
    thread.join(10)
    return given


@pytest.mark.parametrize("failure", [None, ValueError, KeyboardInterrupt])
def test_undoing_happens_once_whatever_happens_inside(failure: type[BaseException] | None) -> None:
    undos: list[int] = []

    def work() -> None:
        with undone(lambda: undos.append(1)):
            assert not undos
            if failure is not None:
                raise failure

    if failure is None:
        work()
    else:
        with pytest.raises(failure):
            work()
    assert undos == [1]


def test_undoing_that_is_interrupted_happens_once_more() -> None:
    undos: list[int] = []

    def undo() -> None:
        undos.append(1)
        if len(undos) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), undone(undo):
        pass
    assert undos == [1, 1]


def test_a_turn_is_its_threads_until_it_is_given_back() -> None:
    turn = Turn()
    with turn.taken():
        number = turn.number
        with turn.taken():
            assert turn.number == number  # within a turn it is the same one
        assert turn.is_ours(number)
        assert elsewhere(lambda: turn.is_ours(number)) == [False]
        assert elsewhere(lambda: turn._lock.acquire(blocking=False)) == [False]
    assert not turn.is_ours(number)
    with pytest.raises(ValueError, match="inside"), turn.taken():
        raise ValueError("inside")
    with turn.taken():
        assert turn.number == number + 2
    assert elsewhere(lambda: turn._lock.acquire(blocking=False)) == [True]


def test_what_is_beside_a_model_is_made_once_and_goes_with_it() -> None:
    beside: Beside[list[int]] = Beside()
    model = nn.Identity()
    made = beside.get(model, lambda: [1])
    assert beside.get(model, lambda: [2]) is made
    assert len(beside) == 1
    beside.set(model, [3])
    assert beside.get(model, lambda: [4]) == [3]
    del model
    gc.collect()
    assert len(beside) == 0


def test_calls_within_a_call_have_its_turn_and_the_next_another() -> None:
    part = nn.Linear(1, 1)
    model, around = nn.Sequential(part), nn.Sequential(part, nn.ReLU())
    with in_turn(model) as first:
        with in_turn(model) as inner:
            assert inner == first
        (other,) = elsewhere(lambda: next_turn(nn.Linear(1, 1)))  # a model of its own waits for nobody
        assert other == 1
        waiting = Thread(target=next_turn, args=(around,))  # this one shares a part
        waiting.start()
        waiting.join(0.05)
        assert waiting.is_alive()
    waiting.join(10)
    assert not waiting.is_alive()
    with in_turn(model) as second:
        assert second > first


def next_turn(model: nn.Module) -> int:
    """The number of a turn with a model, taken and given back."""
    with torch.no_grad(), in_turn(model) as number:
        return number
