"""A progress bar on standard error for anything that takes longer than a second, silent where nobody watches."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

Item = TypeVar("Item")
PATIENCE = 1.0
_shown: list[object] = []  # the bar on the screen; work inside work does not draw a second one
_moved: list[Callable[[int | float], None]] = []  # how the bar of each loop is moved within an item, the innermost last


def track(items: Sequence[Item] | Iterable[Item], doing: str | Callable[[], str]) -> Iterator[Item]:
    """Yield the items; after a second, and only on a terminal, with a bar that says what is being done.

    What a function for `doing` returns is shown anew after each item. See `within`.
    """
    total = len(items) if isinstance(items, Sequence) else None
    if _shown or not sys.stderr.isatty():
        yield from items
        return
    started, number = time.monotonic(), 0
    bar: Progress | None = None
    task: Any = None

    def show(done: int | float) -> None:
        nonlocal bar, task
        if bar is None and not _shown and time.monotonic() - started > PATIENCE:
            bar = _bar()
            bar.start()
            _shown.append(bar)
            task = bar.add_task(_said(doing), total=total)
        if bar is not None:
            bar.update(task, completed=done, description=_said(doing))

    def move(share: int | float) -> None:
        show(number + min(share, 1))

    _moved.append(move)
    try:
        for number, item in enumerate(items):
            show(number)
            yield item
        if bar is not None:
            show(number + 1)
    finally:
        _moved.remove(move)
        if bar is not None:
            bar.stop()
            _shown.remove(bar)


def within(share: int | float) -> None:
    """Move the bar of the innermost loop by `track` into its present item, of which this share is done."""
    if _moved:
        _moved[-1](share)


def _said(doing: str | Callable[[], str]) -> str:
    return doing if isinstance(doing, str) else doing()


@contextmanager
def meter(total: int, doing: str, done: int = 0) -> Iterator[Callable[[Item], Item]]:
    """For a stream that others pull from: call what this gives with each item as it passes.

    Drawn as by `track`, with the rate beside it; `done` items were there before.
    """
    if _shown or not sys.stderr.isatty():
        yield lambda item: item
        return
    started, bar, passed = time.monotonic(), _bar(rate=True), done

    def advance(item: Item) -> Item:
        nonlocal passed
        passed += 1
        if not _shown and time.monotonic() - started > PATIENCE:
            bar.start()
            _shown.append(bar)
        bar.update(task, completed=passed, rate=f"{(passed - done) / (time.monotonic() - started):.0f}/s")
        return item

    task = bar.add_task(doing, total=total, completed=done, rate="")
    try:
        yield advance
    finally:
        bar.stop()
        if bar in _shown:
            _shown.remove(bar)


@contextmanager
def stages(count: int) -> Iterator[Callable[[str], None]]:
    """For long work of `count` stages: call what this gives with what is done next, and it is shown at once.

    On a terminal as a bar, in which the loops of a stage draw none of their own; elsewhere as lines on standard error.
    """
    number = 0
    if _shown or not sys.stderr.isatty():

        def write(doing: str) -> None:
            nonlocal number
            number += 1
            sys.stderr.write(f"{number}/{count} {doing}\n")
            sys.stderr.flush()

        yield write
        return
    bar = _bar(turning=True)
    task = bar.add_task("", total=count)

    def show(doing: str) -> None:
        nonlocal number
        bar.update(task, completed=number, description=doing, refresh=True)
        number += 1

    _shown.append(bar)
    try:
        bar.start()
        yield show
    finally:
        bar.stop()
        _shown.remove(bar)


def _bar(rate: bool = False, turning: bool = False) -> "Progress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    if turning:
        columns = [SpinnerColumn(), *columns[:3], TimeElapsedColumn()]
    if rate:
        columns.insert(3, TextColumn("{task.fields[rate]}"))
    return Progress(*columns, console=Console(stderr=True), transient=True)
