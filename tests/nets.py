"""Small models that several tests share."""

import torch
from torch import Tensor, nn


class Reused(nn.Module):
    """One ReLU called three times, and a layer that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, 2, 1)
        self.conv3 = nn.Conv2d(8, 8, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.spare = nn.Conv2d(8, 8, 3)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv1(x))
        x = self.relu(self.conv2(x))
        x = self.relu(self.conv3(x))
        return self.fc(x.mean((2, 3)))


class Raising(nn.Module):
    """Raises in the middle of its forward pass."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.bn = nn.BatchNorm2d(8)
        self.error = error

    def forward(self, x: Tensor) -> Tensor:
        self.bn(self.conv(x))
        raise self.error


class SqueezeExcite(nn.Module):
    """A convolution gated by what the whole picture shows."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.excite = nn.Conv2d(8, 8, 1)
        self.project = nn.Conv2d(8, 8, 3, padding=1)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x = self.project(x * torch.sigmoid(self.excite(self.squeeze(x))))
        return self.fc(x.amax((2, 3)))


class TinyUNet(nn.Module):
    """Down, up by a transposed convolution, and a skip; gives a map of classes."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 8, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.bottom = nn.Conv2d(8, 8, 3, padding=1)
        self.up = nn.ConvTranspose2d(8, 8, 2, 2)
        self.merge = nn.Conv2d(16, 8, 3, padding=1)
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        fine = torch.relu(self.down(x))
        coarse = torch.relu(self.bottom(self.pool(fine)))
        return self.head(torch.relu(self.merge(torch.cat([fine, self.up(coarse)], 1))))


def plain() -> nn.Sequential:
    """A model that is nothing but a sequence."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    )
