"""The small network of a world, trained from scratch once and kept by its settings."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from benchmarks.worlds.scenes import LABELS
from benchmarks.worlds.world import World, pictures

CACHE = Path("build/worlds")
BATCH, RATE, DECAY = 64, 4e-3, 0.05


def network(width: int, classes: int = len(LABELS)) -> nn.Sequential:
    """Five convolutions with batch norms, a mean over places and a linear head."""
    layers: list[nn.Module] = []
    for inputs, outputs, stride in ((3, 1 * width, 2), (width, 2 * width, 2), (2 * width, 2 * width, 1)):
        layers += _block(inputs, outputs, stride)
    for inputs, outputs, stride in ((2 * width, 4 * width, 2), (4 * width, 4 * width, 1)):
        layers += _block(inputs, outputs, stride)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, classes))


def _block(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def as_inputs(drawn: UInt8[np.ndarray, "picture side side 3"]) -> Float[Tensor, "picture 3 side side"]:
    """Pictures as the network takes them."""
    return (torch.from_numpy(drawn).movedim(-1, 1) / 255 - 0.45) / 0.25


def trained(world: World, cache: Path = CACHE, *, bare: bool = False) -> nn.Sequential:
    """The world's network, from the cache where it is there; `bare` is its twin, of the same scenes without any cue."""
    kept, model = cache / f"{world.key}{'-bare' if bare else ''}.pt", network(world.width)
    if not kept.exists():
        shown = pictures(world, world.count, world.seed)
        drawn = shown.drawn(np.zeros_like(shown.present) if bare else None)
        fit(model.double(), drawn, torch.from_numpy(shown.labels), world.seed, world.epochs)
        kept.parent.mkdir(parents=True, exist_ok=True)
        torch.save(model.float().state_dict(), kept)
    model.load_state_dict(torch.load(kept, weights_only=True))
    return model.eval()


def fit(
    model: nn.Module,
    drawn: UInt8[np.ndarray, "picture side side 3"],
    labels: Int[Tensor, " picture"],
    seed: int,
    epochs: int,
) -> None:
    """Train by AdamW and one cycle of the learning rate.

    In float64 every processor comes to the same weights; in float32 rounding grows to another network within an epoch.
    """
    precision = next(model.parameters()).dtype
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.reset_parameters()
    steps = len(drawn) // BATCH
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=epochs * steps, pct_start=0.2)
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(drawn)).split(BATCH)[:steps]:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(as_inputs(drawn[rows.numpy()]).to(precision)), labels[rows])
            loss.backward()
            optimizer.step()
            schedule.step()


@torch.no_grad()
def probabilities(
    model: nn.Module, drawn: UInt8[np.ndarray, "picture side side 3"]
) -> Float[np.ndarray, "picture class"]:
    """The answers of a network in its evaluation mode."""
    parts = [model(as_inputs(drawn[start : start + 256])).softmax(1) for start in range(0, len(drawn), 256)]
    shares: Float[np.ndarray, "picture class"] = torch.cat(parts).numpy()
    return shares
