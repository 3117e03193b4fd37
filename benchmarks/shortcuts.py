"""How fast every channel is taken out of a dataset, beside full passes, and how fast a large survey is searched.

    python -m benchmarks.shortcuts [--pictures N] [--part ablation|finding] [--threads N]

Ablation: every channel of the last layer of ResNet-18 at 224² (seeded random weights), over `--pictures` pictures,
beside the plain recipe, a full pass of each picture for each channel: some are run, and the rest reckoned by them.
Finding: all that `find_shortcuts` does after its pass over 10,000 pictures × 512 channels × 10 classes.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

import featuremaps as fm
from benchmarks.cases import made
from benchmarks.surveys import clocked
from benchmarks.table import aligned
from featuremaps.shortcuts.find import found_in
from featuremaps.shortcuts.options import ShortcutOptions
from featuremaps.shortcuts.responses import responses

PASSES, BATCH = 8, 16
"""Full passes of a batch that are run for the plain recipe."""
LARGE = (10_000, 512, 10)
ABLATION_GOAL, FINDING_GOAL = 50, 30.0
Row = tuple[str, str, str, str]


class Labelled(Dataset[tuple[Tensor, int]]):
    """Inputs with labels."""

    def __init__(self, inputs: Tensor, labels: Sequence[int], classes: Sequence[str]) -> None:
        self.inputs, self.labels, self.classes = inputs, list(labels), list(classes)

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.inputs[index], self.labels[index]


def ablation(count: int) -> Iterator[Row]:
    """Every channel of the last layer, by the tail and by full passes."""
    model = made("resnet18", torch.device("cpu"))
    names = [f"class {number}" for number in range(1000)]
    inputs = torch.randn(count, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    scope = fm.Scope(model, classes=names, outputs="logits")
    data = Labelled(inputs, [row % 2 for row in range(count)], names[:2])
    with tempfile.TemporaryDirectory() as folder:
        survey = scope.survey(data, "last", Path(folder) / "survey", workers=0)
        found: list[Any] = []
        plain = [clocked(lambda: _without(model, inputs[:BATCH], 0)) for _ in range(PASSES)]
        seconds = clocked(lambda: found.append(scope.channel_effects(survey, per_class=count)))
        plain += [clocked(lambda: _without(model, inputs[:BATCH], 0)) for _ in range(PASSES)]
    effects = found[0]
    channels = effects.changes.shape[1]
    one = float(np.median(plain)) / BATCH
    ratio = one * count * channels / seconds
    change = (_without(model, inputs[:count:2], 7) - model(inputs[:count:2]).softmax(1)).detach().mean(0)[:2]
    off = float(np.abs(effects.changes[0, 7] - change.numpy()).max() / change.abs().max())
    what = f"every channel of {effects.layer} ({channels}) over {count:,} pictures"
    beside = f"a full pass each, {one * count * channels:,.0f} s by {2 * PASSES * BATCH} of them"
    yield what, f"{seconds:.0f} s", beside, f"{ratio:.0f} {_met(ratio >= ABLATION_GOAL, str(ABLATION_GOAL))}"
    yield "the mean change without one of them", f"{off:.1e} of it off at most", "the whole model without it", ""


@torch.no_grad()
def _without(model: nn.Module, inputs: Tensor, channel: int) -> Tensor:
    """The probabilities without a channel: the plain recipe, a hook and a full pass."""

    def zero(module: nn.Module, arguments: Any, output: Tensor) -> Tensor:
        output = output.clone()
        output[:, channel] = 0
        return output

    handle = model.get_submodule("layer4").register_forward_hook(zero)
    try:
        return torch.cat([model(part).softmax(1) for part in inputs.split(BATCH)])
    finally:
        handle.remove()


class Reader(nn.Module):
    """Answers by weighted evidence: each class's own channel, and for the first one another that goes with it."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.maps = nn.Conv2d(channels, channels, 1, groups=channels, bias=False)
        self.head = nn.Linear(channels, classes)
        with torch.no_grad():
            self.maps.weight.fill_(1.0)
            self.head.weight.zero_()
            self.head.bias.zero_()
            self.head.weight[:, 1 : classes + 1] = 1.5 * torch.eye(classes)
            self.head.weight[0, 0] = 4.0

    def forward(self, x: Tensor) -> Tensor:
        """Class scores."""
        scores: Tensor = self.head(self.maps(x).flatten(1))
        return scores


def finding() -> Iterator[Row]:
    """All after the pass, in a survey of made-up activations in which one channel is a shortcut."""
    pictures, channels, classes = LARGE
    random = np.random.default_rng(0)
    labels = np.arange(pictures) % classes
    values = random.random((pictures, channels)).astype(np.float32) * 0.2
    values[np.arange(pictures), 1 + labels] += random.normal(1.5, 0.5, pictures)
    marked = random.random(pictures) < np.where(labels == 0, 0.8, 0.1)
    values[:, 0] += marked * random.normal(1.5, 0.1, pictures)
    names = [f"class {number}" for number in range(classes)]
    data = Labelled(torch.from_numpy(values)[:, :, None, None], labels.tolist(), names)
    scope = fm.Scope(Reader(channels, classes), classes=names, outputs="logits")
    options = ShortcutOptions(per_class=pictures)
    with tempfile.TemporaryDirectory() as folder:
        survey = scope.survey(data, "maps", Path(folder) / "survey", batch_size=1024, workers=0)
        surveyed, studied = survey.made_of(scope._studied), scope._studied
        given: list[Any] = []
        passed = clocked(lambda: given.append(responses(studied, surveyed, "maps", options)))
        found: list[Any] = []
        seconds = clocked(lambda: found.append(found_in(given[0], studied, surveyed, options)))
    right = [each.label for each in found[0]] == names[:1] and (found[0][0].attribute.present == marked[given[0].rows])
    what = f"finding in {pictures:,} pictures × {channels} channels × {classes} classes"
    said = f"{'the planted one' if np.all(right) else 'not the planted one'} of {found[0].tried} attributes"
    yield what, f"{seconds:.1f} s", f"its pass, {passed:.1f} s", _met(seconds <= FINDING_GOAL, f"{FINDING_GOAL:.0f} s")
    yield "what it found", said, "", ""


def _met(met: bool, goal: str) -> str:
    return f"(goal {goal}{'' if met else ', missed'})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shortcuts", description="how fast shortcuts are found")
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--part", action="append", choices=("ablation", "finding"))
    parser.add_argument("--threads", type=int, default=min(4, os.cpu_count() or 1))
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    parts: dict[str, Callable[[], Iterator[Row]]] = {
        "ablation": lambda: ablation(chosen.pictures),
        "finding": finding,
    }
    rows = [row for name in chosen.part or parts for row in parts[name]()]
    print(aligned(("what", "measured", "beside", "ratio"), [list(row) for row in rows]))


if __name__ == "__main__":
    main()
