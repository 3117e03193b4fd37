"""What `import featuremaps` costs beside `import torch`, each in fresh interpreters, taking turns."""

import compileall
import importlib.util
import statistics
import subprocess
import sys

from benchmarks.cases import Goal
from benchmarks.table import Row

SCRIPT = """
import time
start = time.perf_counter()
import {module}
seconds = time.perf_counter() - start
print(seconds)
"""


def measured(repeats: int) -> Row:
    """The comparison, as a row; the first turn fills the disk's cache and is not counted.

    Both are compiled to bytecode, as pip leaves them.
    """
    for place in importlib.util.find_spec("featuremaps").submodule_search_locations:  # type: ignore[union-attr]
        compileall.compile_dir(place, quiet=1)
    turns = [(_seconds("featuremaps"), _seconds("torch")) for _ in range(repeats + 1)][1:]
    own, other = (statistics.median(times) for times in zip(*turns, strict=True))
    goal = Goal(1.1, within=True)
    ratio = goal.ratio(own, other)
    return Row("import", None, "featuremaps", "torch", own, other, repeats, ratio, str(goal), goal.met(ratio))


def _seconds(module: str) -> float:
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(module=module)], capture_output=True, check=True)
    return float(done.stdout)
