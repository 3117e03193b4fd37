"""Questions of a survey too large to load: 50,000 pictures × 1,024 channels × 1,000 classes, made up."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from featuremaps.survey.analysis.specialists import specialists
from featuremaps.survey.storage.reader import StoredSurvey

ROWS, BLOCKS, CHANNELS, CLASSES = 10_000, int(sys.argv[2]), 1024, 1000
path = Path(sys.argv[1]) / "block.npy"
random = np.random.default_rng(0)
labels = random.integers(0, CLASSES, ROWS * BLOCKS)
if not path.exists():  # made by the run before, which was of a smaller survey
    made = np.lib.format.open_memmap(path, "w+", np.float16, (ROWS, CHANNELS))
    for start in range(0, ROWS, 1000):
        made[start : start + 1000] = np.maximum(random.standard_normal((1000, CHANNELS), dtype=np.float32), 0)
    del made


class MadeUp(StoredSurvey):
    classes = tuple(map(str, range(CLASSES)))
    pictures = SimpleNamespace(labels=labels, sets=None)

    def layer_of(self, name=None):
        return SimpleNamespace(name="layer", channels=CHANNELS)

    def blocks(self, layer, pool):
        block = np.load(path, mmap_mode="r")
        for number in range(BLOCKS):
            rows = slice(number * ROWS, (number + 1) * ROWS)
            values = np.roll(block, 100 * number, 1).astype(np.float32)
            values[np.arange(ROWS), labels[rows]] += 9
            yield rows, values


manifest = SimpleNamespace(each="picture", multi_label=False)
found = specialists(MadeUp(path, manifest), per_image=25, per_class=1)
own = sum(found[number].channels == (number,) for number in range(CLASSES))
# Not ru_maxrss, which a new program inherits from the one that started it.
peak = next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("VmHWM")) / 2**20
print(json.dumps({"gigabytes": peak, "own": own}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read where Linux tells it")
def test_all_specialists_of_a_large_survey_take_no_more_memory_than_those_of_a_small_one(tmp_path: Path) -> None:
    """Every class has one channel that is planted in all its pictures; four blocks more would be 164 MB."""
    found = []
    for blocks in ("2", "6"):
        run = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path), blocks], capture_output=True, check=True)
        found.append(json.loads(run.stdout))
    small, large = found
    assert large["own"] == 1000
    assert large["gigabytes"] < small["gigabytes"] + 0.1
