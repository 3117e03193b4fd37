"""Tries the trial on worlds with known truth; goes on where it stopped; writes the page.

`python -m benchmarks.evidence_truth.run [--only TEXT] [--page]`
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.evidence_truth.page import write_page
from benchmarks.evidence_truth.worlds import KINDS, WITHIN, World
from featuremaps.evidence.agreement import kendall, resampled
from featuremaps.evidence.standings import SURE

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
FRESH = ("deletion", "insertion", "sufficiency", "single_deletion", "infidelity")
ROAD = ("road_morf", "road_lerf", "road")
PARTS = {"cheap": (CHEAP, 8), "costly": (COSTLY, 4), "fresh": (FRESH, 20), "road": (ROAD, 8)}
"""Measures, and how many pictures of each world they are tried on."""
WORLDS = {
    "planted cheap": range(3),
    "linear cheap": range(3),
    "cue cheap": range(2),
    "photograph cheap": range(10),
    "photograph fresh": range(10, 13),
    "photograph road": range(5),
    "cue seeds": range(1),
    "cue costly": range(1),
    "planted costly": range(1),
    "photograph costly": range(1),
    "xray cheap": range(1),
}
"""What is tried, in this order, and which worlds of each kind."""
SEEDS = 5
RANDOM = ("random", "reference")
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
    names = [f"{what} {number}" for what, numbers in WORLDS.items() for number in numbers]
    for name in [] if options.page else [name for name in names if options.only in name and name not in results]:
        kind, part, number = name.split()
        started = time.perf_counter()
        world = KINDS[kind](int(number))
        results[name] = repeated(world, 8) if part == "seeds" else tried(world, part, name.replace(" ", "-"))
        RESULTS.write_text(json.dumps(results, indent=0), encoding="utf-8")
        print(f"{name:24} {time.perf_counter() - started:5.0f} s", flush=True)
    write_page(results)


def known_results() -> dict[str, Any]:
    """What was tried before."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


def tried(world: World, part: str, name: str) -> dict[str, Any]:
    """The ranks of every explanation, and of a random map, by every measure; and how good the explanations truly are.

    `best` are those that are truly best, or of which this set of pictures does not tell, beyond chance, that they are
    not.
    """
    measures, count = PARTS[part]
    measures = (*(() if world.masks is None else MASKS), *measures)
    options = {measure: OPTIONS[measure] for measure in measures if measure in OPTIONS}
    trial = world.trial(measures, count, options=options, out=TRIALS / name)
    truth = world.truth(world, trial)
    chance = replace(trial, rows=tuple((row[0], "chance") if row == RANDOM else row for row in trial.rows))
    by_picture = np.stack(list(truth.values()))
    sampled = resampled(by_picture[:, None], 0)[:, :, 0]
    best = sampled[:, np.nanmean(by_picture, 1).argmax(), None]
    return {
        "pictures": len(trial.pictures),
        "passes": trial.passes,
        "rows": [" ".join(row) for row in chance.explanations],
        "ranks": {measure: digits(chance.mean_ranks[:, i]) for i, measure in enumerate(trial.measures)},
        "truth": dict(zip(map(" ".join, truth), digits(np.nanmean(by_picture, 1)), strict=True)),
        "as good": [
            " ".join(row) for row, worse in zip(truth, (best > sampled).mean(0) >= SURE, strict=True) if not worse
        ],
        "failed": [" ".join(row) for row in trial.explanations if trial.failed(row)],
        "about": dict(world.about),
    }


def repeated(world: World, count: int) -> dict[str, Any]:
    """Kendall's τ between the orders of every two of five seeds, by the usual measures."""
    orders = []
    for seed in range(SEEDS):
        trial = world.scope.trial(
            world.pictures[:count], world.methods, list(world.layers), world.targets[:count], seed=seed
        )
        orders.append([trial.rank(row).mean for row in trial.explanations])
    taus = [float(kendall(*np.array([pair]).swapaxes(0, 1))[0]) for pair in combinations(orders, 2)]
    return {"taus": digits(np.array(taus))}


def digits(values: np.ndarray) -> list[float]:
    """Five digits of each number."""
    return [float(f"{value:.5g}") for value in values]


if __name__ == "__main__":
    sys.exit(main())
