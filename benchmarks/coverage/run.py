"""Tries every architecture, one process for each with a time limit; goes on where it stopped; writes the page.

`python -m benchmarks.coverage.run [--only TEXT] [--fresh] [--columns NAMES] [--page]`
"""

import argparse
import json
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import torch

from benchmarks.coverage.cells import COLUMNS, NOT, YES, tried
from benchmarks.coverage.page import write_page
from benchmarks.coverage.zoo import Entry, zoo

RESULTS = Path(__file__).with_name("results.json")
LIMIT = 300
"""Seconds of the processor for one process: those of an architecture together, and again after a column was late."""


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="architectures whose group and name have one of these texts, a|b")
    parser.add_argument("--fresh", action="store_true", help="try again what was tried before")
    parser.add_argument("--columns", default="", help="with --fresh: only these, such as last,grad_cam")
    parser.add_argument("--page", action="store_true", help="only write the page from what was tried")
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.environ.setdefault("KERAS_BACKEND", "torch")
    entries = [entry for entry in zoo() if any(text in entry.key for text in options.only.split("|"))]
    results = known_results()
    columns = options.columns.split(",") if options.columns else COLUMNS
    if unknown := set(columns) - set(COLUMNS):
        parser.error(f"there is no column {', '.join(unknown)}; choose {', '.join(COLUMNS)}")
    for entry in [] if options.page else entries:
        if options.fresh or entry.key not in results:
            started = time.perf_counter()
            cells = cells_of(entry, columns)
            results[entry.key] = {**(results.get(entry.key, {}) if options.columns else {}), **cells}
            RESULTS.write_text(json.dumps(results, ensure_ascii=False, indent=0), encoding="utf-8")
            bad = {column: cell for column, cell in cells.items() if not cell.startswith((YES, NOT))}
            print(f"{entry.group:26} {entry.name:44} {time.perf_counter() - started:5.0f} s", bad or "", flush=True)
    write_page({entry: results[entry.key] for entry in zoo() if entry.key in results})


def known_results() -> dict[str, Mapping[str, str]]:
    """The cells of what was tried before."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


def cells_of(entry: Entry, columns: Sequence[str] = COLUMNS) -> Mapping[str, str]:
    """The cells of one architecture; a column that ran out of time says so, and the others are tried without it."""
    cells: dict[str, str] = {}
    left = [column for column in COLUMNS if column == "loads" or column in columns]
    while left:
        reached, reason = in_process(entry, left)
        cells |= reached
        left = [column for column in left if column not in reached]
        if not reason:
            break
        cells[left.pop(0)] = reason
        if "loads" not in reached:
            break
    return cells


def in_process(entry: Entry, columns: Sequence[str]) -> tuple[dict[str, str], str]:
    """The cells that a process of its own reached, and why it ended before the last of them ("" where it did not)."""
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)

    def try_it() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT + 10))
        for column, cell in tried(entry, columns):
            sending.send((column, cell))

    process = context.Process(target=try_it)
    process.start()
    sending.close()
    cells: dict[str, str] = {}
    with suppress(EOFError):
        while True:
            column, cell = receiving.recv()
            cells[column] = cell
    process.join()
    late = process.exitcode == -signal.SIGXCPU
    killed = f"took more than {LIMIT} s" if late else "the process was killed (memory)"
    return cells, killed if process.exitcode else ""


if __name__ == "__main__":
    sys.exit(main())
