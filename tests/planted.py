"""Signals, volumes and videos with something planted in them, and small networks that find it."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import featuremaps as fm


@dataclass(frozen=True, eq=False)
class Planted:
    """Inputs, their classes, and where the plant is: a mask (item, *space), empty for the class without one."""

    inputs: Tensor
    labels: Tensor
    masks: Tensor


class Net(nn.Module):
    """Convolutions, their mean over all places, and a dense layer."""

    def __init__(self, *layers: nn.Module, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(*layers)
        channels = [layer.out_channels for layer in layers if isinstance(layer, nn.Conv1d | nn.Conv3d)]
        self.head = nn.Linear(channels[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).flatten(2).mean(2))


def ecg(count: int, seed: int, leads: int = 2, length: int = 192) -> Planted:
    """Beats of a heart in noise; a wide pulse upwards (class 0) or downwards (1) in two of three."""
    random = torch.Generator().manual_seed(seed)
    time = torch.arange(length).float()
    labels = torch.arange(count) % 3
    period, phase = 40 + 20 * torch.rand(count, 1, 1, generator=random), 40 * torch.rand(count, 1, 1, generator=random)
    beats = torch.exp(-(((time - phase) % period - period / 2) ** 2) / 8)
    size = 0.5 + 0.5 * torch.rand(count, leads, 1, generator=random)
    middle = torch.randint(20, length - 20, (count, 1), generator=random)
    pulse = torch.exp(-((time - middle) ** 2) / 50) * torch.tensor([1.5, -1.5, 0.0])[labels][:, None]
    noise = 0.1 * torch.randn(count, leads, length, generator=random)
    masks = ((time - middle).abs() <= 12) & (labels < 2)[:, None]
    return Planted(beats * size + noise + pulse[:, None], labels, masks)


def volumes(count: int, seed: int, space: tuple[int, int, int] = (8, 16, 16)) -> Planted:
    """Noise, with a bright ball in every second volume (class 1)."""
    random = torch.Generator().manual_seed(seed)
    places = torch.stack(torch.meshgrid(*[torch.arange(length).float() for length in space], indexing="ij"))
    middles = torch.stack([torch.randint(2, length - 2, (count,), generator=random) for length in space], 1)
    labels = torch.arange(count) % 2
    balls = ((places - middles[:, :, None, None, None]) ** 2).sum(1) < 2.6**2
    masks = balls & (labels == 1)[:, None, None, None]
    return Planted(0.3 * torch.randn(count, 1, *space, generator=random) + 1.5 * masks[:, None], labels, masks)


def videos(count: int, seed: int, space: tuple[int, int, int] = (5, 16, 16)) -> Planted:
    """A square that moves right (class 0) or left (1) or stands still (2), above or below one that never moves.

    Where it moves is its path from the frame before to the frame after, and a pixel around.
    """
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 3
    inputs = 0.1 * torch.rand(count, 3, *space, generator=random)
    masks = torch.zeros(count, *space, dtype=torch.bool)
    for i, label in enumerate(labels.tolist()):
        start = int(torch.randint(4, 9, (1,), generator=random))
        other = int(torch.randint(0, 13, (1,), generator=random))
        top, still = [(2, 10), (10, 2)][int(torch.randint(0, 2, (1,), generator=random))]
        speed = (2, -2, 0)[label]
        for frame in range(space[0]):
            left = max(0, min(space[2] - 4, start + speed * (frame - 2)))
            inputs[i, :, frame, top : top + 4, left : left + 4] += 0.8
            inputs[i, :, frame, still : still + 4, other : other + 4] += 0.8
            masks[i, frame, max(0, top - 1) : top + 5, max(0, left - 3) : left + 7] = speed != 0
    return Planted(inputs, labels, masks)


def trained(net: Net, planted: Planted, steps: int) -> fm.Scope:
    """The network after so many steps of Adam on 32 items each."""
    optimizer, random = torch.optim.Adam(net.parameters(), 1e-2), torch.Generator().manual_seed(0)
    for _ in range(steps):
        rows = torch.randperm(len(planted.inputs), generator=random)[:32]
        optimizer.zero_grad()
        F.cross_entropy(net(planted.inputs[rows]), planted.labels[rows]).backward()
        optimizer.step()
    return fm.Scope(net.eval())


def ecg_net() -> Net:
    torch.manual_seed(0)
    first, second = nn.Conv1d(2, 12, 7, 2, 3), nn.Conv1d(12, 16, 5, 2, 2)
    return Net(first, nn.ReLU(), second, nn.ReLU(), nn.Conv1d(16, 16, 5, 1, 2), nn.ReLU(), classes=3)


def volume_net() -> Net:
    torch.manual_seed(0)
    first, second = nn.Conv3d(1, 8, 3, 1, 1), nn.Conv3d(8, 12, 3, 1, 1)
    return Net(first, nn.ReLU(), nn.MaxPool3d(2), second, nn.ReLU(), classes=2)


def video_net() -> Net:
    """Convolutions in space and in time in turn, (2+1)D."""
    torch.manual_seed(0)
    space, time = nn.Conv3d(3, 8, (1, 3, 3), (1, 2, 2), (0, 1, 1)), nn.Conv3d(8, 12, (3, 1, 1), 1, (1, 0, 0))
    again, last = nn.Conv3d(12, 12, (1, 3, 3), 1, (0, 1, 1)), nn.Conv3d(12, 12, (3, 1, 1), 1, (1, 0, 0))
    return Net(space, nn.ReLU(), time, nn.ReLU(), again, nn.ReLU(), last, nn.ReLU(), classes=3)


KINDS = {
    "ecg": (ecg_net, ecg, 60),
    "volumes": (volume_net, volumes, 60),
    "videos": (video_net, videos, 220),
}


def scope_of(kind: str) -> fm.Scope:
    """A network of this kind, trained on 240 items."""
    net, items, steps = KINDS[kind]
    return trained(net(), items(240, 0), steps)


BESIDE = 8
"""So many columns to the right of what speaks for it the segmenter's class lies."""


class ContextSegmenter(nn.Module):
    """Gives class 1 ("boat") to places that have something bright so many columns to their left, class 0 to others.

    What speaks for the class lies outside its region; what lies inside is not looked at.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU())
        self.head = nn.Conv2d(2, 2, (1, 2 * BESIDE + 1), padding=(0, BESIDE))
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.zero_()
            self.features[0].weight[0] = 1  # the bright; the second channel is empty
            self.features[0].weight[1] = -1
            self.head.weight[1, 0, 0, 0] = 4
            self.head.bias[0] = 2

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 2, height, width)"""
        return self.head(self.features(x))


def lit() -> Planted:
    """Two pictures of little light with a bright square each, whose place is the mask; it makes the boat beside it."""
    inputs = 0.1 * torch.rand(2, 1, 16, 32, generator=torch.Generator().manual_seed(0))
    masks = torch.zeros(2, 16, 32, dtype=torch.bool)
    masks[0, 4:8, 6:10] = True
    masks[1, 9:12, 12:16] = True
    return Planted(inputs + 0.9 * masks[:, None], torch.ones(2, dtype=torch.long), masks)
