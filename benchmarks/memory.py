"""Peak memory of one contestant, in a process that does nothing else.

The resident high-water mark of the process on the CPU (libraries and model included), the most that tensors took
together on a GPU. `python -m benchmarks.memory CASE CONTESTANT BATCH DEVICE THREADS` prints it in bytes.
"""

import resource
import subprocess
import sys
import warnings
from pathlib import Path

import torch

from benchmarks.cases import CASES, entered
from benchmarks.timing import stopped_after


def peak(case: str, contestant: str, batch: int, device: torch.device, threads: int) -> int | None:
    """Bytes a contestant needed at the most, measured in a fresh process; None where it did not get to the end."""
    command = [sys.executable, "-m", "benchmarks.memory", case, contestant, str(batch), str(device), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return int(done.stdout.split()[-1]) if done.returncode == 0 else None


def high_water() -> int:
    """The most memory this process has held so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux `ru_maxrss` begins at what the parent process held
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(case: str, contestant: str, batch: str, device: str, threads: str) -> None:
    """Run the contestant once and print its peak; a slow one is stopped when its passes have begun to repeat."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(int(threads))
    where = torch.device(device)
    model, run = entered(CASES[case], contestant, int(batch), where)
    if where.type == "cuda":
        torch.cuda.reset_peak_memory_stats(where)
    if CASES[case].contestants[contestant].passes:
        stopped_after(run, model, 2)
    else:
        run()
    print(torch.cuda.max_memory_allocated(where) if where.type == "cuda" else high_water())


if __name__ == "__main__":
    main(*sys.argv[1:])
