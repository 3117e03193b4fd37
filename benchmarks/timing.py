"""Measuring time so that a noisy machine treats every contestant alike: medians of interleaved repeats.

On a GPU the clock is the device's own. Contestants that take minutes run once, or only a few of their passes.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

Run = Callable[[], list[Tensor]]
LEAST, SHORT = 3, 30.0  # so many rounds at least where one takes less than so many seconds
TURN = 1.0  # seconds that a contestant runs before the next one's turn
FIRST_PASSES = 3  # a slow peer's first passes look at the picture itself, the ones after them are all alike


@dataclass(frozen=True)
class Timing:
    """Median seconds over `runs`, the maps that came out, and how the time was scaled, if it was."""

    seconds: float
    runs: int
    maps: list[Tensor]
    scaled: str = ""


class Enough(BaseException):
    """Stops a slow contestant half-way; no `except Exception` inside it may catch this."""


def timed(run: Run, device: torch.device) -> tuple[float, list[Tensor]]:
    """Seconds one run took, and what it gave: between two events on a GPU, by the wall clock elsewhere."""
    if device.type != "cuda":
        start = time.perf_counter()
        maps = run()
        return time.perf_counter() - start, maps
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize(device)
    begin.record()
    maps = run()
    end.record()
    torch.cuda.synchronize(device)
    return begin.elapsed_time(end) / 1000, maps


def interleaved(runs: Mapping[str, Run], device: torch.device, budget: float, most: int) -> dict[str, Timing]:
    """Times of contestants that take turns (a, b, c, a, b, c, …), as often as `budget` seconds allow, at least once.

    A turn is a second of runs, or one run that takes longer, so that caches are as warm for the quick ones as for the
    slow. The first turn warms up and is not counted, except for a contestant that alone uses the budget with it.
    """
    first = {name: timed(run, device) for name, run in runs.items()}
    turn = {name: max(1, int(TURN / max(1e-9, taken))) for name, (taken, _) in first.items() if taken <= budget}
    lasts = max(1e-9, sum(first[name][0] * turn[name] for name in turn))
    rounds = min(most, max(LEAST if lasts <= SHORT else 1, int(budget / lasts)))
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, times in turn.items():
            seconds[name] += [timed(runs[name], device)[0] for _ in range(times)]
    return {
        name: Timing(statistics.median(seconds[name] or [taken]), max(1, len(seconds[name])), maps)
        for name, (taken, maps) in first.items()
    }


def together(before: Timing, after: Timing) -> Timing:
    """What two rows of runs took, each run counted alike."""
    runs = before.runs + after.runs
    seconds = (before.seconds * before.runs + after.seconds * after.runs) / runs
    return Timing(seconds, runs, before.maps)


def once(run: Run, device: torch.device) -> Timing:
    """The time of a single run, for contestants that take minutes."""
    seconds, maps = timed(run, device)
    return Timing(seconds, 1, maps)


def stopped_after(run: Run, model: nn.Module, passes: int) -> list[float]:
    """Seconds between `passes` successive runs of the model inside a slow contestant, which is then stopped.

    The model's layers may be left replaced, as they are inside the contestant.
    """
    marks: list[float] = []

    def mark(module: nn.Module, args: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        marks.append(time.perf_counter())
        if len(marks) > FIRST_PASSES + passes:
            raise Enough

    handle = model.register_forward_pre_hook(mark)
    try:
        run()
    except Enough:
        pass
    finally:
        handle.remove()
    later = marks[FIRST_PASSES:]
    return [after - before for before, after in pairwise(later)]


def scaled(run: Run, model: nn.Module, passes: int, timed_passes: int) -> Timing:
    """The time of `passes` runs of the model by a slow contestant, from `timed_passes` of them."""
    seconds = statistics.median(stopped_after(run, model, timed_passes)) * passes
    return Timing(seconds, 1, [], f"{timed_passes} of its {passes} passes were timed, and scaled")
