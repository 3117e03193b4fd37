"""Progress bars: on a terminal and after a second only, one at a time, gone whatever happens."""

import io
import os
import subprocess
import sys

import pytest

from featuremaps import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """For the rest of a test, which calls this itself: what a fixture puts there pytest takes away before the test."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    return screen


WATCHED = """
import io, sys, time
from featuremaps import progress

class Terminal(io.StringIO):
    def isatty(self):
        return True

progress.PATIENCE = -1.0
sys.stderr = bar = Terminal()
for _ in progress.track(range(4), "ablating channels"):
    time.sleep(0.2)  # long enough for the bar's own thread to draw
sys.stderr = metered = Terminal()
with progress.meter(8, "surveying pictures", 4) as advance:
    for item in map(advance, range(4)):
        time.sleep(0.2)
print(bar.getvalue(), metered.getvalue(), sep="MARK")
"""
MARK = "between the two"


@pytest.fixture(scope="module")
def watched() -> list[str]:
    """What `track` and `meter` draw on a terminal, in a process of its own."""
    program = [sys.executable, "-c", WATCHED.replace("MARK", MARK)]
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    done = subprocess.run(program, capture_output=True, text=True, check=True, env=env)
    return done.stdout.split(MARK)


def test_a_bar_appears_and_says_what_is_done(watched: list[str]) -> None:
    assert "ablating channels" in watched[0]
    assert "/4" in watched[0]


def test_quick_work_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    assert list(progress.track([1, 2], "quick")) == [1, 2]
    assert screen.getvalue() == ""


def test_work_inside_work_draws_one_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    seen = [(a, b) for a in progress.track(range(2), "outer") for b in progress.track(range(2), "inner")]
    assert seen == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert "outer" in screen.getvalue()
    assert "inner" not in screen.getvalue()


def _fail(error: type[BaseException]) -> None:
    for _ in progress.track(range(3), "failing"):
        raise error


def test_the_bar_goes_when_the_work_fails_or_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch)
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            _fail(error)
    work = progress.track(range(3), "left early")
    next(work)
    work.close()
    assert progress._shown == []


def test_nothing_is_written_where_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    assert list(progress.track(iter([1, 2, 3]), "silent")) == [1, 2, 3]
    assert screen.getvalue() == ""


def test_a_meter_shows_the_rate_and_what_was_there_before(watched: list[str]) -> None:
    assert "surveying pictures" in watched[1]
    assert "8/8" in watched[1]
    assert "/s" in watched[1]


def test_a_meter_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.meter(3, "surveying") as advance:
        assert list(map(advance, "abc")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_stages_are_said_at_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with progress.stages(2) as begin:
        begin("loading")
        assert capsys.readouterr().err == "1/2 loading\n"
        begin("writing")
    assert capsys.readouterr().err == "2/2 writing\n"
    screen = terminal(monkeypatch)
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    with progress.stages(2) as begin:
        begin("loading")
        assert "loading" in screen.getvalue()
        begin("surveying")
        assert list(progress.track(range(2), "inner")) == [0, 1]
        assert "inner" not in screen.getvalue()
        (bar,) = progress._shown
        assert bar.tasks[0].completed == 1  # type: ignore[attr-defined]
    assert progress._shown == []


def test_a_bar_moves_within_an_item(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch)
    progress.within(0.5)  # nothing is on the way: nothing happens
    assert list(progress.track([1], "quick")) == [1]
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    shown = []
    for _ in progress.track(range(2), "slow items"):
        for share in (0.25, 0.5, 3):
            progress.within(share)
            (bar,) = progress._shown
            shown.append(bar.tasks[0].completed)  # type: ignore[attr-defined]
    assert shown == [0.25, 0.5, 1, 1.25, 1.5, 2]
    assert progress._shown == progress._moved == []
