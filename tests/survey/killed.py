"""Run as a program by test_resuming: kills a survey at every write there is, lets it go on, and compares the bytes.

One process imports everything and makes one survey, so that what is set up on first use is set up once, and the model is
looked at once; every run that is killed is a fork of it, because only a process can be, and goes on in it.
"""

import gc
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import torch
from torch import nn

from featuremaps.models.studied_model import StudiedModel
from featuremaps.survey.engine.options import SurveyOptions
from featuremaps.survey.run import run_survey


@cache
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    ).eval()


def survey(pictures: Path, out: Path) -> None:
    run_survey(StudiedModel(model()), pictures, ["3"], out, SurveyOptions(shard=3, batch_size=2, keep=3, workers=0))


class Killer:
    """Counts every flush and rename; at the one asked for, the process is gone, with half of the file written."""

    def __init__(self, at: int | None) -> None:
        self.at, self.steps = at, 0
        self.replace = os.replace
        os.fsync, os.replace = self._fsync, self._replace  # type: ignore[assignment]

    def _step(self, before: Callable[[], None] = lambda: None) -> None:
        if self.steps == self.at:
            before()
            os.kill(os.getpid(), signal.SIGKILL)
        self.steps += 1

    def _fsync(self, descriptor: int) -> None:
        def tear() -> None:
            with suppress(OSError):  # a folder
                os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)

        self._step(tear)  # nothing is flushed here: the kill is of a process, not of the machine

    def _replace(self, source: Path, target: Path) -> None:
        self._step()
        self.replace(source, target)


def forked(pictures: Path, out: Path, at: int | None) -> int:
    """Run in a process of its own, killed at step `at`; the wait status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            killer = Killer(at)
            survey(pictures, out)
            if at is None:
                (out.parent / "steps").write_text(str(killer.steps))
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def main(pictures: Path, work: Path) -> None:
    os.fsync = lambda descriptor: None  # type: ignore[assignment]
    survey(pictures, work / "first")
    gc.freeze()  # a collection in a fork would copy all that is shared with it
    assert forked(pictures, work / "whole", None) == 0
    whole = contents(work / "whole")
    steps = int((work / "steps").read_text())
    for at in range(steps):
        out = work / f"at{at}"
        status = forked(pictures, out, at)
        assert os.WIFSIGNALED(status), f"step {at} was not reached: {status}"
        survey(pictures, out)
        now = contents(out)
        assert list(now) == list(whole), (at, set(now) ^ set(whole))
        assert [name for name in whole if whole[name] != now[name]] == [], at
    print(f"{steps} kills")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
