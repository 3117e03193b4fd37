"""The first minute: what the command line takes beside loading the libraries, and the demo beside 45 seconds.

`python -m benchmarks.run --only startup`. All in fresh processes: processor time, but for the demo, which is timed by
the clock on two cores with nothing compiled yet, as after the install.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file

from benchmarks.case import OURS, Goal
from benchmarks.table import Row

LOADED = """
import torch, torchvision
from safetensors.torch import load_file
model = torchvision.models.squeezenet1_0(weights=None)
model.load_state_dict(load_file({weights!r}))
"""
DEMO_SECONDS, CORES = 45.0, 2


def measured(repeats: int) -> list[Row]:
    """Help and a mistyped option beside `import torch`; one picture explained beside loading torch and the model."""
    with tempfile.TemporaryDirectory() as folder:
        weights, picture = Path(folder) / "squeezenet.safetensors", Path(folder) / "picture.png"
        torch.manual_seed(0)
        save_file(torchvision.models.squeezenet1_0(weights=None).state_dict(), weights)
        Image.effect_noise((320, 240), 60).convert("RGB").save(picture)
        explain = ["explain", str(picture), "-m", "torchvision:squeezenet1_0", "-w", str(weights), "-o", folder]
        cases = (
            ("featuremaps --help", ["--help"], "import torch", "import torch", 0.2),
            ("featuremaps explain, an option mistyped", ["explain", "--lyer"], "import torch", "import torch", 0.2),
            ("one picture, SqueezeNet", explain, "loading it", LOADED.format(weights=str(weights)), 1.25),
        )
        rows = [_row(work, words, name, other, goal, repeats) for work, words, name, other, goal in cases]
        return [*rows, _demo(Path(folder))]


def _demo(folder: Path) -> Row:
    """The demo the first time, on two cores, by the clock."""
    command = [sys.executable, "-m", "featuremaps", "demo", "-o", str(folder / "demo")]
    everything = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(everything)[:CORES])
    start = time.perf_counter()
    try:
        subprocess.run(
            command,
            capture_output=True,
            check=True,
            env=_environment() | {"PYTHONPYCACHEPREFIX": str(folder / "compiled")},
        )
    finally:
        os.sched_setaffinity(0, everything)
    seconds = time.perf_counter() - start
    goal = Goal(1.0, within=True)
    ratio = goal.ratio(seconds, DEMO_SECONDS)
    return Row("the demo", None, OURS, "45 s on 2 cores", seconds, DEMO_SECONDS, 1, ratio, str(goal), goal.met(ratio))


def _row(work: str, words: Sequence[str], name: str, other: str, most: float, repeats: int) -> Row:
    """The first turn fills the disk's cache and compiles what is imported, and is not counted."""
    ours = [sys.executable, "-m", "featuremaps", *words]
    turns = [(_seconds(ours), _seconds([sys.executable, "-c", other])) for _ in range(repeats + 1)][1:]
    own, others = (median(times) for times in zip(*turns, strict=True))
    goal = Goal(most, within=True)
    ratio = goal.ratio(own, others)
    return Row(work, None, OURS, name, own, others, repeats, ratio, str(goal), goal.met(ratio))


def _seconds(command: Sequence[str]) -> float:
    """Processor seconds of a command, with the processes that it starts; in one thread, as a busy machine counts."""
    before = _children()
    subprocess.run(command, capture_output=True, check=False, env=_environment() | {"OMP_NUM_THREADS": "1"})
    return _children() - before


def _environment() -> dict[str, str]:
    """That of users: what was compiled once is kept, whatever it is here."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
