"""A progress bar on standard error for anything that takes longer than a second, silent where nobody watches."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

Item = TypeVar("Item")
PATIENCE = 1.0
_shown: list[object] = []  # the bar on the screen; work inside work does not draw a second one


def track(items: Sequence[Item] | Iterable[Item], doing: str | Callable[[], str]) -> Iterator[Item]:
    """Yield the items; after a second, and only on a terminal, with a bar that says what is being done.

    What a function for `doing` returns is shown anew after each item.
    """
    total = len(items) if isinstance(items, Sequence) else None
    if _shown or not sys.stderr.isatty():
        yield from items
        return
    started, bar = time.monotonic(), None
    try:
        for done, item in enumerate(items):
            if bar is None and not _shown and time.monotonic() - started > PATIENCE:
                bar = _bar()
                bar.start()
                _shown.append(bar)
                task = bar.add_task(_said(doing), total=total, completed=done)
            yield item
            if bar is not None:
                bar.update(task, completed=done + 1, description=_said(doing))
    finally:
        if bar is not None:
            bar.stop()
            _shown.remove(bar)


def _said(doing: str | Callable[[], str]) -> str:
    return doing if isinstance(doing, str) else doing()


def _bar() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
