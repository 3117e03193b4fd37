"""What the test run checks of every call: sizes that agree within it, plain types, and those of inner functions."""

import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread

import pytest
import torch
from beartype import beartype
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import Float
from torch import Tensor

import type_checks
from method_samples import unchecked

checked = type_checks.jaxtyped(typechecker=beartype)


@checked
def outer(
    rows: Float[Tensor, "row 3"], columns: Float[Tensor, "3 column"], wrong: int = 0
) -> Float[Tensor, "row column"]:
    return (rows @ columns)[: len(rows) - wrong]


@checked
def number(value: int) -> int:
    return value


def inner(power: int) -> Callable[..., Tensor]:
    @checked
    def product(
        rows: Float[Tensor, "row 3"], columns: Float[Tensor, "3 column"], wrong: int = 0
    ) -> Float[Tensor, "row column"]:
        return (rows @ columns)[: len(rows) - wrong] ** power

    return product


@pytest.mark.parametrize("multiply", [outer, inner(1)])
def test_sizes_agree_within_a_call_and_not_between_calls(multiply: Callable[..., Tensor]) -> None:
    for rows in (2, 4):
        assert multiply(torch.ones(rows, 3), torch.ones(3, 5)).shape == (rows, 5)
    for arguments in [(torch.ones(2, 4), torch.ones(3, 5)), (torch.ones(2, 3).int(), torch.ones(3, 5)), (1, 2)]:
        with pytest.raises(BeartypeCallHintViolation):
            multiply(*arguments)
    with pytest.raises(BeartypeCallHintViolation, match="return"):
        multiply(torch.ones(4, 3), torch.ones(3, 5), wrong=1)
    with unchecked():
        assert multiply(torch.ones(4, 3), torch.ones(3, 5), wrong=1).shape == (3, 5)


def test_plain_types_and_the_fields_of_a_dataclass() -> None:
    @checked
    @dataclass
    class Pair:
        first: Float[Tensor, " size"]
        second: Float[Tensor, " size"]

    @checked
    class Alike(Pair):
        """Makes nothing of its own."""

    assert number(3) == 3
    assert Alike.__init__ is Pair.__init__
    Pair(torch.ones(2), torch.ones(2))
    for wrong in [lambda: number("3"), lambda: Pair(torch.ones(2), torch.ones(3)), lambda: Alike(1, 2)]:
        with pytest.raises(BeartypeCallHintViolation):
            wrong()


def test_plain_types_are_checked_a_hundred_times_and_shapes_always() -> None:
    @checked
    def defined_once(value: int) -> int:
        return value

    def defined_anew(value: object) -> object:
        @checked
        def give(value: int) -> int:
            return value

        return give(value)  # type: ignore[arg-type]

    for function in (defined_once, defined_anew):
        for _ in range(type_checks.PLAIN_CHECKS):
            with pytest.raises(BeartypeCallHintViolation):
                function("3")  # type: ignore[arg-type]
        assert function("3") == "3"  # type: ignore[arg-type]
    for _ in range(type_checks.PLAIN_CHECKS + 1):
        with pytest.raises(BeartypeCallHintViolation):
            inner(1)(1, 2)  # type: ignore[arg-type]


def test_a_function_that_is_defined_again_is_itself_and_is_checked_once() -> None:
    square, cube = inner(2), inner(3)
    checks = len(type_checks._CHECKS)
    row = torch.full((1, 3), 2.0)
    with pytest.raises(BeartypeCallHintViolation):
        square(row, row)  # what was refused does not run at the next call
    assert [make(row, torch.ones(3, 1)).item() for make in (square, cube, inner(1))] == [36, 216, 6]
    assert len(type_checks._CHECKS) == checks


def test_inner_functions_call_each_other_and_threads_do_not_meet() -> None:
    def counting(start: int) -> Callable[[int], list[int]]:
        @checked
        def count(left: int) -> list[int]:
            return [start, *(counting(start + 1)(left - 1) if left else [])]

        return count

    results: dict[int, list[int]] = {}
    threads = [Thread(target=lambda at=at: results.update({at: counting(at)(50)})) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {at: list(range(at, at + 51)) for at in range(8)}


def test_nothing_that_a_definition_holds_is_kept_alive() -> None:
    def defined(held: Tensor) -> Callable[[int], Tensor]:
        @checked
        def give(number: int, other: Tensor | None = held) -> Tensor:
            return held * number

        return give

    held = torch.ones(3)
    seen = weakref.ref(held)
    assert defined(held)(2).sum() == 6
    del held
    gc.collect()
    assert seen() is None
