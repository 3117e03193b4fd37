"""Searches worlds for shortcuts, planted and not, and repairs them; writes `docs/shortcut-worlds.md`.

`python -m benchmarks.worlds [--only TEXT] [--page] [--trial SEED]`
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.worlds import cifar
from benchmarks.worlds.judged import covered, further, right_finding
from benchmarks.worlds.listed import listed
from benchmarks.worlds.page import write_page
from benchmarks.worlds.repairs import closed, repaired
from benchmarks.worlds.search import searched

Search = Callable[[], dict[str, Any]]
RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="worlds whose name has this text")
    parser.add_argument("--page", action="store_true", help="only write the page from what was searched")
    parser.add_argument("--trial", type=int, default=0, help="other seeds, to try changes on; nothing is written")
    options = parser.parse_args()
    torch.set_num_threads(1)
    searches: dict[str, Search] = {name: partial(searched, each) for name, each in listed(options.trial).items()}
    worlds = {name: each for name, each in listed(options.trial).items() if name.startswith("planted")}
    searches |= {name.replace("planted", "repair"): partial(repaired, each) for name, each in worlds.items()}
    if cifar.SHARED.exists():
        first, *others = cifar.GROUPS
        classes = (*others, first) if options.trial else (first, *others)
        seeded = {cue: partial(cifar.searched, cue, 301 + options.trial, classes) for cue in cifar.CUES}
        searches |= {f"CIFAR-10 {cue}": search for cue, search in seeded.items()}
    else:
        print(f"no CIFAR-10 is searched: there is no {cifar.SHARED}")
    if options.trial:
        run(searches, options.only, {}, None)
        return
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    if not options.page:
        run(searches, options.only, results, RESULTS)
    write_page({name: results[name] for name in searches if name in results})


def run(searches: Mapping[str, Search], only: str, results: dict[str, Any], kept: Path | None) -> None:
    """Search what has not been searched, and keep every result at once."""
    for name, search in searches.items():
        if only not in name or name in results:
            continue
        started = time.perf_counter()
        results[name] = search()
        if kept is not None:
            kept.write_text(json.dumps(results, indent=0), encoding="utf-8")
        print(f"{name:60} {time.perf_counter() - started:4.0f} s  {said(results[name])}", flush=True)


def said(result: Mapping[str, Any]) -> str:
    """A result in a line."""
    if "twin" in result:
        made = [
            f"{how} {each['after']:.2f}, {closed(result, each['after']):.0%}{'' if each['repaired'] else ' (cannot)'}"
            for how, each in result.get("repairs", {}).items()
        ]
        return f"{result['before']:.2f} of {result['twin']:.2f}: {'; '.join(made) or 'not found'}"
    found = [right_finding(result, place) is not None for place, cue in enumerate(result["cues"]) if cue["planted"]]
    true = " ".join(f"{cue['own']:+.2f}/{cue['others']:+.2f}" for cue in result["cues"])
    holds = [covered(result, place) for place in range(max(1, len(result["cues"])))]
    return f"right {result['accuracy']:.2f} true {true} found {found} further {len(further(result))} covered {holds}"


if __name__ == "__main__":
    sys.exit(main())
