"""How fast a survey goes beside the bare model and FeatureMapVisualizer, and how fast a large one answers.

    python -m benchmarks.surveys [--pictures N] [--part pass|peer|large] [--json FILE]

ResNet-50 at 224² with seeded random weights, its batch norms fitted to the pictures so that classes have channels of
their own; times are of whole calls, the files that a survey writes among them.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset

from benchmarks import specialists
from benchmarks.cases import made
from benchmarks.drawing_peers import MissingPeerError
from benchmarks.table import aligned

BATCH, CLASSES = 16, 4
REAL = ("cat", "truck")
GOALS: dict[specialists.Precision, float] = {"float32": 1.3, "bfloat16": 2.4}
LARGE = (100_000, 2_048, 1_000)
PARTS = ("pass", "peer", "large")
TINTS = ((1.0, 0.25, 0.25), (0.25, 1.0, 0.25), (0.25, 0.25, 1.0), (1.0, 1.0, 0.2))  # a colour for each class
Row = tuple[str, str, str, str]


def clocked(run: Callable[[], Any]) -> float:
    """Seconds of one call."""
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


class Decoded(Dataset[tuple[Tensor, int]]):
    """Pictures that are already the model's input."""

    def __init__(self, count: int) -> None:
        self.inputs = torch.randn(
            count, 3, specialists.SIDE, specialists.SIDE, generator=torch.Generator().manual_seed(0)
        )
        self.targets = [i % CLASSES for i in range(count)]

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.inputs[index], self.targets[index]


def passes(count: int, rounds: int = 3) -> Iterator[Row]:
    """A pass over decoded pictures beside the bare model, over all blocks beside the last, and with decoding."""
    import featuremaps as fm

    model, decoded = made("resnet50", torch.device("cpu")), Decoded(count)
    scope = fm.Scope(model)
    blocks = [f"layer{stage}.{block}" for stage, many in enumerate((3, 4, 6, 3), 1) for block in range(many)]

    def survey(layers: list[str], dataset: object = decoded, owner: fm.Scope = scope, **options: Any) -> None:
        with tempfile.TemporaryDirectory() as out:
            owner.survey(dataset, layers, out, batch_size=BATCH, workers=options.pop("workers", 0), **options)

    @torch.inference_mode()
    def bare() -> None:
        for start in range(0, count, BATCH):
            model(decoded.inputs[start : start + BATCH])

    with tempfile.TemporaryDirectory() as folder:
        pictures = photographs(Path(folder), count)
        seen = fm.Scope(model, specialists.transform())
        runs = {
            "bare": bare,
            "last": lambda: survey(["layer4"]),
            "blocks": lambda: survey(blocks),
            "decoding": lambda: [None for _ in seen.see(str(pictures)).seen],
            "files": lambda: survey(["layer4"], str(pictures), seen, workers=None),
        }
        best = {name: min(clocked(run) for _ in range(rounds)) for name, run in runs.items()}
    rate = {name: f"{count / seconds:.1f} pictures/s" for name, seconds in best.items()}
    slower = max(best["bare"], best["decoding"])
    yield _row("a pass, last layer", rate["last"], "the bare model", best["bare"] / best["last"], 0.95)
    yield _row("a pass, all sixteen blocks", rate["blocks"], "the last layer", best["last"] / best["blocks"], 0.8)
    yield _row("with decoding", rate["files"], "the slower of decoding and model", slower / best["files"], 0.9)


def peer(count: int) -> Iterator[Row]:
    """The time that FeatureMapVisualizer takes for specialists, and whether a trained network's are the same."""
    names = [f"class{number}" for number in range(CLASSES)]
    with tempfile.TemporaryDirectory() as folder:
        pictures = photographs(Path(folder), count)
        model = fitted(made("resnet50", torch.device("cpu")), pictures)
        _, seconds = specialists.by_peer(model, pictures, names)
        for precision, goal in GOALS.items():
            _, taken = specialists.by_survey(model, "layer4", pictures, precision)
            rate = f"{count / taken:.1f} pictures/s"
            yield _row(f"specialists, {precision}", rate, "FeatureMapVisualizer", seconds / taken, goal)
    with tempfile.TemporaryDirectory() as folder:
        model, pictures = specialists.trained(), specialists.photographs(Path(folder), REAL, 100)
        wanted, _ = specialists.by_peer(model, pictures, REAL)
        for precision in GOALS:
            found, _ = specialists.by_survey(model, "features.12", pictures, precision)
            same, many = specialists.overlap(found, wanted), sum(map(len, wanted.values()))
            what = f"specialists of the trained SqueezeNet, {precision}"
            yield what, f"{same:.2f} of {many}", "FeatureMapVisualizer's", _met(same >= 0.95, "0.95")


class Vectors(Dataset[tuple[Tensor, int]]):
    """Made-up activations, a picture a row: channels × 1 × 1."""

    def __init__(self, pictures: int, channels: int, classes: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.values = torch.rand(pictures, channels, generator=generator).half()
        self.targets = [i % classes for i in range(pictures)]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.values[index].float()[:, None, None], self.targets[index]


class Handed(nn.Module):
    """Gives on what it is given."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.maps = nn.Conv2d(channels, channels, 1, groups=channels, bias=False)
        nn.init.ones_(self.maps.weight)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.maps(x)
        return found


def large() -> Iterator[Row]:
    """Opening a survey of 100,000 pictures × 2,048 channels and asking it."""
    import featuremaps as fm

    pictures, channels, classes = LARGE
    with tempfile.TemporaryDirectory() as folder:
        fm.Scope(Handed(channels)).survey(Vectors(*LARGE), ["maps"], folder, batch_size=1024, workers=0)
        _asked(folder, "top")  # the first process reads libraries from the disk
        top, every, areas = (_asked(folder, what) for what in ASKS)
    what = f"{pictures:,} pictures × {channels:,} channels"
    of_all = f"specialists of {classes:,} classes"
    yield (
        what,
        f"{top['seconds']:.3f} s",
        "opening it and one unit's top pictures",
        _met(top["seconds"] <= 0.2, "0.2 s"),
    )
    yield what, f"{every['seconds']:.1f} s", of_all, _met(every["seconds"] <= 20, "20 s")
    yield (
        what,
        f"{every['gib']:.2f} GiB",
        f"peak memory of {of_all}, torch's own included",
        _met(every["gib"] <= 2, "2"),
    )
    yield what, f"{areas['seconds']:.1f} s", f"areas under the curve of all channels × {classes:,} classes", ""


def _asked(folder: str, what: str) -> dict[str, float]:
    """Seconds and peak GiB of a question asked in a process of its own."""
    code = ASKED.format(folder=folder, ask=ASKS[what])
    answer: dict[str, float] = json.loads(subprocess.check_output([sys.executable, "-c", code]))
    return answer


ASKS = {
    "top": 'survey.top("maps:1000", 9)',
    "specialists": "survey.specialists()",
    "separation": "survey.separation()",
}
ASKED = """
import json, time
import featuremaps as fm
from featuremaps.survey import survey as _
start = time.perf_counter()
survey = fm.open_survey({folder!r})
{ask}
seconds = time.perf_counter() - start
from benchmarks.memory import high_water
print(json.dumps(dict(seconds=seconds, gib=high_water() / 2**30)))
"""
"""A question asked in a process of its own, whose peak of memory is then the question's, libraries included."""


def photographs(folder: Path, count: int) -> Path:
    """A folder of JPEGs of 320 × 240, in classes: noise of many scales, so that decoding costs what it costs."""
    chance = np.random.default_rng(0)
    for number in range(count):
        rough = [chance.integers(0, 256, (240 // s, 320 // s, 3), dtype=np.uint8) for s in (4, 20, 80)]
        layers = [np.asarray(Image.fromarray(each).resize((320, 240)), np.float32) for each in rough]
        place = folder / f"class{number % CLASSES}" / f"{number:05d}.jpg"
        place.parent.mkdir(exist_ok=True)
        tinted = sum(layers) / 3 * np.array(TINTS[number % CLASSES], np.float32)
        Image.fromarray(tinted.astype(np.uint8)).save(place, quality=90)
    return folder


def fitted(model: nn.Module, pictures: Path, most: int = 32) -> nn.Module:
    """With the statistics that batch norms find in some of the pictures."""
    transform = specialists.transform()
    chosen = sorted(pictures.rglob("*.jpg"))
    inputs = torch.stack([transform(Image.open(path)) for path in chosen[:: max(1, len(chosen) // most)]])
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
            module.train()
    with torch.no_grad():
        model(inputs)
    return model.eval()


def _row(what: str, rate: str, beside: str, ratio: float, goal: float) -> Row:
    return what, rate, beside, f"{ratio:.2f} {_met(ratio >= goal, str(goal))}"


def _met(met: bool, goal: str) -> str:
    return f"(goal {goal}{'' if met else ', missed'})"


def _measured(part: str, measure: Callable[[], Iterator[Row]]) -> list[Row]:
    """The rows of a part; one that says what to install where a peer is missing."""
    try:
        return list(measure())
    except MissingPeerError as error:
        return [(part, "not measured", str(error), "")]


def main() -> None:
    """Measure, print, and write the file asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.surveys", description="how fast surveys are")
    parser.add_argument("--pictures", type=int, default=1024)
    parser.add_argument("--part", action="append", choices=PARTS)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, default=min(4, os.cpu_count() or 1))
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    parts = {"pass": lambda: passes(chosen.pictures), "peer": lambda: peer(chosen.pictures), "large": large}
    rows = [row for name in chosen.part or PARTS for row in _measured(name, parts[name])]
    print(aligned(("what", "measured", "beside", "ratio"), [list(row) for row in rows]))
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
