"""The promise under interruption: wherever an exception falls, the model and its surroundings come back."""

import contextlib
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
import torch

import featuremaps as fm
from featuremaps import session
from featuremaps.receptive_field import Dataflow
from method_samples import unchecked
from small_models import CALLS, network, pictures
from snapshots import snapshot

FOLDER = Path(session.__file__).parents[1]
RESTORING = {
    str(FOLDER / name)
    for name in (
        "session/turns.py",
        "session/changes.py",
        "session/held_attributes.py",
        "session/held_tensors.py",
        "session/preserved.py",
        "session/process_state.py",
        "session/torch_modes.py",
        "runtime/capture.py",
        "runtime/backward.py",
        "tail/fx_trace.py",
        "tail/replace_output.py",
        "acceleration/batch_norm_folding.py",
    )
} | {contextlib.__file__}


@pytest.fixture(autouse=True)
def _as_users_run_it() -> Iterator[None]:
    """Without checks of shapes, which would be traced, and which take turns with nobody."""
    with unchecked():
        yield


STOPPED = ("grad_cam", "lrp", "ablation_cam", "occlusion", "maps", "record", "layers", "draw", "project", "detector")


class Lines:
    """A trace function that counts how often each line in the files above is run."""

    def __init__(self) -> None:
        self.seen = Counter[tuple[str, int]]()

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename not in RESTORING:
            return None
        if event == "line":
            self.seen[frame.f_code.co_filename, frame.f_lineno] += 1
        return self


def stopping(file: str, line: int, turn: int) -> Callable[[FrameType, str, Any], Any]:
    """A trace function that raises as a line is run for the `turn`th time; what cannot run it goes untraced."""
    runs, has_line = 0, dict[CodeType, bool]()

    def counted(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal runs
        if event == "line" and frame.f_lineno == line:
            runs += 1
            if runs == turn:
                sys.settrace(None)
                raise KeyboardInterrupt
        return counted

    def entered(frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if code.co_filename != file:
            return None
        if code not in has_line:
            has_line[code] = any(number == line for _, _, number in code.co_lines())
        return counted if has_line[code] else None

    return entered


@contextlib.contextmanager
def traced(lines: Callable[[FrameType, str, Any], Any]) -> Iterator[None]:
    sys.settrace(lines)
    try:
        yield
    finally:
        sys.settrace(None)


@cache
def lines_of(name: str) -> dict[tuple[str, int], int]:
    """The lines that a call on a fresh model runs, so that tracing it is among them, and how often."""
    lines = Lines()
    with traced(lines):
        CALLS[name](fm.Scope(network()), pictures())
    return dict(sorted(lines.seen.items()))


@pytest.mark.slow
@pytest.mark.parametrize("name", STOPPED)
def test_an_exception_at_every_line_of_entering_leaving_and_undoing(name: str) -> None:
    """At the first or the last time that each line runs; of lines that a call before it runs too, every fourth."""
    call, inputs, following = CALLS[name], pictures(), CALLS["grad_cam"]
    expected = following(fm.Scope(network()), inputs)
    turn = STOPPED.index(name)
    seen, known = lines_of(name), {line for earlier in STOPPED[:turn] for line in lines_of(earlier)}
    places = [(*line, (1, count)[number % 2]) for number, (line, count) in enumerate(seen.items())]
    assert len(places) > 100
    tried = [place for number, place in enumerate(places) if place[:2] not in known or number % 4 == turn % 4]
    stopped = 0
    for place in tried:
        model = network()
        before = snapshot(model, inputs)
        try:
            with traced(stopping(*place)):
                call(fm.Scope(model), inputs)
        except KeyboardInterrupt:
            stopped += 1
        assert before.differences(snapshot(model, inputs)) == [], place
        assert torch.allclose(following(fm.Scope(model), inputs), expected, rtol=1e-4, atol=1e-6), place
    assert stopped > len(tried) / 2


class Managers:
    """A trace function that lists whence the functions of `contextlib` are called, and raises as one of them begins."""

    def __init__(self, at: int | None = None) -> None:
        self.at, self.places = at, list[tuple[str, str, int]]()

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        caller = frame.f_back
        if event == "call" and caller is not None and frame.f_code.co_filename == contextlib.__file__:
            self.places.append((frame.f_code.co_name, caller.f_code.co_filename, caller.f_lineno))
            if self.at == len(self.places):
                raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lrp", "grad_cam"])
def test_an_exception_as_a_context_manager_is_made_entered_or_left(name: str) -> None:
    """Python closes one that was not left only when the traceback goes: by then it must have nothing to put back.

    Torch's own among them, that take a mode off around each call of it. At the first and the last time at each place.
    """
    inputs, managers = pictures(), Managers()
    CALLS[name](fm.Scope(network()), inputs)
    with traced(managers):
        CALLS[name](fm.Scope(network()), inputs)
    turns = {place: number for number, place in enumerate(managers.places, 1)}
    turns |= {(*place, 0): number for number, place in reversed(list(enumerate(managers.places, 1)))}
    assert any("torch" in place[1] for place in managers.places)
    stopped = 0
    for turn in sorted(set(turns.values())):
        model = network()
        scope, before = fm.Scope(model), snapshot(model, inputs)
        try:
            with traced(Managers(turn)):
                CALLS[name](scope, inputs)
        except KeyboardInterrupt:
            stopped += 1
        assert before.differences(snapshot(model, inputs)) == [], managers.places[turn - 1]
    assert stopped > 50


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # one that fell into a weak reference
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="timers that interrupt are a matter of POSIX")
def test_two_thousand_interrupts_by_a_timer() -> None:
    model, inputs = network(), pictures()
    scope = fm.Scope(model)
    calls: list[Callable[[fm.Scope, torch.Tensor], torch.Tensor]] = [CALLS["grad_cam"], CALLS["lrp"], CALLS["detector"]]
    expected, lengths = [call(scope, inputs) for call in calls], []
    for call in calls:
        starts = [time.perf_counter()]
        for _ in range(5):  # the shortest is as long as the call takes where nothing else takes the processor
            call(scope, inputs)
            starts.append(time.perf_counter())
        lengths.append(min(end - start for start, end in pairwise(starts)))
    before = snapshot(model, inputs)
    chance, stopped = random.Random(0), 0

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    handler = signal.signal(signal.SIGALRM, interrupt)
    try:
        for number in range(2000):
            try:
                signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-5, 1.1 * lengths[number % 3]))
                calls[number % 3](scope, inputs)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                stopped += 1
            assert before.differences(snapshot(model, inputs)) == [], number
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert stopped > 100
    for call, known in zip(calls, expected, strict=True):
        torch.testing.assert_close(call(scope, inputs), known)


def test_an_operation_of_the_walk_that_is_interrupted_in_its_midst(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it wrote is put back, though torch counts a write only when the operation is through."""
    original = Dataflow.__torch_dispatch__

    def dispatched(flow: Dataflow, func: Any, *given: Any) -> Any:
        output = original(flow, func, *given)
        if func._schema.name == "aten::add_":
            raise KeyboardInterrupt
        return output

    monkeypatch.setattr(Dataflow, "__torch_dispatch__", dispatched)
    model, inputs = network(), pictures()
    before = snapshot(model, inputs)
    with pytest.raises(KeyboardInterrupt):
        fm.Scope(model).layers(inputs)
    assert before.differences(snapshot(model, inputs)) == []
