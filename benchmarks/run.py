"""`make bench`: every case side by side with the peers, as one table of times, ratios and goals.

    python -m benchmarks.run [--quick] [--only NAME] [--json FILE] [--device DEVICE] [--threads N]

All figures of a row come from the same run: contestants take turns, so that a busy machine slows them alike.
"""

import argparse
import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import imports, memory, startup, table, tails, timing
from benchmarks.cases import CASES, SIZE, Case, Pair, entered
from benchmarks.drawing_peers import missing, what_to_install
from benchmarks.table import Row
from benchmarks.timing import Timing

NAMES = ("import", "startup", *CASES, "tails")


@dataclass(frozen=True)
class Plan:
    """How thorough to be: batches, seconds per case, the most repeats, and whether slow peers run in full."""

    device: torch.device
    threads: int
    batches: tuple[int, ...] = (1, 8)
    budget: float = 15.0
    repeats: int = 15
    full: bool = True
    passes: int = 6


def measured(name: str, case: Case, batch: int, plan: Plan) -> Iterator[Row]:
    """A row for each comparison of a case."""
    case = _installed(case)
    timings = _timings(case, batch, plan)
    peaks = {one: memory.peak(name, one, batch, plan.device, plan.threads) for one in case.contestants}
    for pair in case.pairs:
        yield _row(case.title, batch, pair, timings, peaks)


def _installed(case: Case) -> Case:
    """The case without contestants that are not installed; a line on stderr names them, and what they need."""
    kept = dict(case.contestants)
    for name, contestant in case.contestants.items():
        if contestant.peer and missing(contestant.peer):
            print(f"{case.title}: no row for {name}. {what_to_install(contestant.peer)}", file=sys.stderr)
            del kept[name]
    pairs = tuple(pair for pair in case.pairs if pair.own in kept and pair.other in kept)
    return replace(case, contestants=kept if pairs else {}, pairs=pairs)


def _timings(case: Case, batch: int, plan: Plan) -> dict[str, Timing]:
    """The contestants in turns; slow ones once, with turns of the others before and after them."""
    slow = {name: one for name, one in case.contestants.items() if one.passes}
    runs = {name: entered(case, name, batch, plan.device)[1] for name in case.contestants if name not in slow}
    if not slow:
        return timing.interleaved(runs, plan.device, plan.budget, plan.repeats)
    before = timing.interleaved(runs, plan.device, plan.budget / 2, plan.repeats)
    slow_timings = {name: _slow(case, name, batch, plan) for name in slow}
    after = timing.interleaved(runs, plan.device, plan.budget / 2, plan.repeats)
    return slow_timings | {name: timing.together(before[name], after[name]) for name in runs}


def _slow(case: Case, name: str, batch: int, plan: Plan) -> Timing:
    contestant = case.contestants[name]
    model, run = entered(case, name, batch, plan.device)
    if plan.full and batch in contestant.whole:
        return timing.once(run, plan.device)
    return timing.scaled(run, model, contestant.passes * batch, plan.passes)


def _row(work: str, batch: int, pair: Pair, timings: Mapping[str, Timing], peaks: Mapping[str, int | None]) -> Row:
    own, other = timings[pair.own], timings[pair.other]
    ratio = pair.goal.ratio(own.seconds, other.seconds)
    return Row(
        work,
        batch,
        pair.own,
        pair.other,
        own.seconds,
        other.seconds,
        own.runs,
        ratio,
        str(pair.goal),
        pair.goal.met(ratio),
        peaks[pair.own],
        peaks[pair.other],
        agreement(own.maps, other.maps),
        _notes(pair.other, other, own.runs),
    )


def _notes(name: str, other: Timing, runs: int) -> tuple[str, ...]:
    if other.scaled:
        return (f"{name} at this batch: {other.scaled}.",)
    return (f"{name} ran once, in full, between our runs.",) if other.runs == 1 and runs > 1 else ()


def agreement(own: Sequence[Tensor], other: Sequence[Tensor]) -> float | None:
    """The median correlation of two contestants' maps, over all pictures, layers and methods.

    Both are cut at zero and enlarged to the picture first, as grad-cam's are already.
    """
    if not own or len(own) != len(other):
        return None
    pairs = [
        torch.stack([_looked_at(a).flatten(1), _looked_at(b).flatten(1)], 1) for a, b in zip(own, other, strict=True)
    ]
    correlations = torch.stack([torch.corrcoef(both)[0, 1] for pair in pairs for both in pair])
    return correlations.nanmedian().item()


def _looked_at(maps: Tensor) -> Tensor:
    positive = maps.detach().float().cpu().relu()[:, None]
    return torch.nn.functional.interpolate(positive, (SIZE, SIZE), mode="bilinear", align_corners=False)[:, 0]


def machine(plan: Plan) -> str:
    """What this was measured on, in one line."""
    import importlib.metadata as versions

    packages = ("torch", "torchvision", "grad-cam", "captum", "torchcam", "torch-lucent", "featuremapvisualizer")
    installed = {str(each.metadata["Name"]).lower() for each in versions.distributions()}
    found = ", ".join(f"{package} {versions.version(package)}" for package in packages if package in installed)
    if plan.device.type == "cuda":
        where = torch.cuda.get_device_name(plan.device)
    else:
        where = f"{_processor()}, {plan.threads} threads of {os.cpu_count()} cores"
    return f"{where}; Python {platform.python_version()}, {found}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="featuremaps beside its peers")
    parser.add_argument("--quick", action="store_true", help="batch 1, fewer repeats, slow peers only in part")
    parser.add_argument("--only", action="append", choices=NAMES, help="this case only (may be given several times)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file as well")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=min(4, os.cpu_count() or 1))
    return parser.parse_args()


def _plan(chosen: argparse.Namespace) -> Plan:
    device = torch.device(chosen.device)
    if chosen.quick:
        return Plan(device, chosen.threads, batches=(1,), budget=12.0, repeats=5, full=False, passes=3)
    return Plan(device, chosen.threads)


def _rows(names: Sequence[str], plan: Plan) -> Iterator[Row]:
    started = time.perf_counter()
    if "import" in names:
        yield imports.measured(min(plan.repeats, 5))
    if "startup" in names:
        yield from startup.measured(min(plan.repeats, 3))
    for name in names:
        for batch in (CASES[name].batches or plan.batches) if name in CASES else ():
            yield from measured(name, CASES[name], batch, plan)
            print(f"{name}, batch {batch}: done after {time.perf_counter() - started:.0f} s", file=sys.stderr)


def main() -> None:
    """Measure, print, and write the file asked for."""
    warnings.simplefilter("ignore")
    chosen = _arguments()
    plan = _plan(chosen)
    torch.set_num_threads(plan.threads)
    names = chosen.only or NAMES
    print(f"{machine(plan)}\n", flush=True)
    rows: list[Row] = []
    try:
        for row in _rows(names, plan):
            rows.append(row)
    except KeyboardInterrupt:
        print("stopped: the table holds what was measured until then", file=sys.stderr)
        names = [name for name in names if name != "tails"]
    if rows:
        print(table.as_table(rows), end="\n\n", flush=True)
    of_tails = list(tails.measured(plan.device, min(plan.repeats, 5))) if "tails" in names else []
    if of_tails:
        print(tails.as_table(of_tails))
    if chosen.json:
        found: dict[str, Any] = {"machine": machine(plan), "rows": [row.as_dict() for row in rows]}
        chosen.json.write_text(json.dumps(found | {"tails": [row.as_dict() for row in of_tails]}, indent=1))


if __name__ == "__main__":
    main()
