"""What could be done at best: the same layers trained on scenes that all lack the shortcut, as nobody has them."""

from copy import deepcopy

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from benchmarks.worlds.networks import as_inputs
from benchmarks.worlds.search import digits
from benchmarks.worlds.world import Pictures
from featuremaps.repair.fine_tune import RATE, STEPS
from featuremaps.repair.heads import fitted
from featuremaps.repair.ways import PENALTIES

KEPT = 7
"""So many modules of the network are its first half, after which `how="fine_tune"` trains."""


def best_head(model: nn.Sequential, taught: Pictures, free: Pictures) -> float:
    """How often the last layer trained on `taught` is right, its penalty the best for `free`, on which it is judged."""
    found = []
    known, asked = (_features(model, each) for each in (taught, free))
    labels, head = torch.from_numpy(taught.labels), model[-1]
    for penalty in PENALTIES:
        weight, bias = fitted(known, labels, torch.ones(len(labels)), head.weight.detach(), head.bias.detach(), penalty)
        found.append(((asked @ weight.T + bias).argmax(1).numpy() == free.labels).mean())
    return digits(max(found))


@torch.no_grad()
def _features(model: nn.Sequential, shown: Pictures) -> Float[Tensor, "picture feature"]:
    """What the last layer receives of scenes without any cue."""
    drawn = as_inputs(shown.drawn(np.zeros_like(shown.present)))
    return torch.cat([model[:-1](part) for part in drawn.split(256)])


def trained_further(model: nn.Sequential, taught: Pictures, seed: int, batch: int = 32) -> nn.Sequential:
    """A copy in which all after the first half was trained on, by the steps of a repair's fine-tuning."""
    made, labels = deepcopy(model), torch.from_numpy(taught.labels)
    generator, tail = torch.Generator().manual_seed(seed), made[KEPT:]
    parts = [{"params": [each], "lr": RATE * float(each.detach().square().mean().sqrt())} for each in tail.parameters()]
    optimizer = torch.optim.Adam(parts)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, STEPS)
    with torch.no_grad():
        drawn = as_inputs(taught.drawn(np.zeros_like(taught.present)))
        maps = torch.cat([made[:KEPT](part) for part in drawn.split(256)])
    for _ in range(STEPS):
        rows = torch.randint(len(labels), (batch,), generator=generator)
        optimizer.zero_grad()
        nn.functional.cross_entropy(tail(maps[rows]), labels[rows]).backward()
        optimizer.step()
        schedule.step()
    return made
