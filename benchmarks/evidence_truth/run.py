"""Tries the trial on worlds with known truth; goes on where it stopped; writes the page.

`python -m benchmarks.evidence_truth.run [--only TEXT] [--page]`
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import featuremaps as fm
from benchmarks.evidence_truth.page import write_page
from benchmarks.evidence_truth.worlds import KINDS, WITHIN, World

RESULTS = Path(__file__).with_name("results.json")
TRIALS = Path("build/evidence_truth")
MASKS = ("pointing_game", "energy_inside")
CHEAP = (
    "deletion", "insertion", "insertion_minus_deletion", "ab_pc", "comprehensiveness", "sufficiency", "single_deletion",
    "infidelity", "average_drop", "average_increase", "complexity", "gini", "entropy", "effective_places",
)  # fmt: skip
COSTLY = (
    "road_morf", "road_lerf", "road", "coherency", "adcc", "flip_agreement", "max_sensitivity", "random_target",
    "parameter_randomisation",
)  # fmt: skip
PARTS = {"cheap": (CHEAP, 8), "costly": (COSTLY, 4)}
"""Measures, and how many pictures of each world they are tried on."""
WORLDS = {"photograph cheap": 10, "linear cheap": 5, "planted cheap": 5, "cue cheap": 3, "photograph costly": 4,
    "xray cheap": 4, "planted costly": 3, "cue costly": 3}  # fmt: skip
"""What is tried, in this order, and how many worlds of each kind."""
SEEDS = 5
SHARES = (0.1, 0.2, 0.5)
OPTIONS: dict[str, dict[str, Any]] = {
    **{name: {"steps": 10} for name in ("deletion", "insertion", "insertion_minus_deletion", "ab_pc")},
    **{name: {"steps": 10, "shares": SHARES} for name in ("comprehensiveness", "sufficiency")},
    **{name: {"steps": 4} for name in ("road_morf", "road_lerf", "road")},
    "max_sensitivity": {"samples": 2},
    "pointing_game": {"tolerance": WITHIN},
}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="worlds and parts whose name has this text")
    parser.add_argument("--page", action="store_true", help="only write the page from what was tried")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = known_results()
    names = [f"{what} {number}" for what, count in WORLDS.items() for number in range(count)]
    for name in [] if options.page else [name for name in names if options.only in name and name not in results]:
        kind, part, number = name.split()
        started = time.perf_counter()
        results[name] = tried(KINDS[kind](int(number)), part, name.replace(" ", "-"))
        RESULTS.write_text(json.dumps(results, indent=0), encoding="utf-8")
        print(f"{name:24} {time.perf_counter() - started:5.0f} s", flush=True)
    write_page(results)


def known_results() -> dict[str, Any]:
    """What was tried before."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


def tried(world: World, part: str, name: str) -> dict[str, Any]:
    """The mean of every measure of every explanation and reference, and the truth about the explanations."""
    measures, count = PARTS[part]
    measures = (*(() if world.masks is None else MASKS), *measures)
    options = {measure: OPTIONS[measure] for measure in measures if measure in OPTIONS}
    trial = world.trial(measures, count, options=options, out=TRIALS / name)
    truth = world.truth(world, trial)
    return {
        "pictures": len(trial.pictures),
        "rows": [" ".join(row) for row in trial.rows],
        "means": {measure: rounded(trial.means[:, i]) for i, measure in enumerate(trial.measures)},
        "truth": {" ".join(row): float(f"{value:.6g}") for row, value in truth.items()},
        "about": dict(world.about),
    }


def rounded(values: np.ndarray) -> list[float | None]:
    """Six digits of each number; None where there is none."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in values]


__all__ = ["SEEDS", "fm"]

if __name__ == "__main__":
    sys.exit(main())
