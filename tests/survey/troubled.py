"""Transforms that go wrong in Ray's actors and nowhere else; in a file of their own, which an actor can import."""

import os
import signal
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor


class Troubled:
    """A plain transform that prints itself the same whatever happens to it; `driver` is the process it spares."""

    def __init__(self, marker: Path | None = None, after: int = 0) -> None:
        self.driver, self.marker, self.after, self.calls = os.getpid(), marker, after, 0

    def __repr__(self) -> str:
        return "plain"

    def __call__(self, image: Image.Image) -> Tensor:
        self.calls += 1
        if os.getpid() != self.driver and self.calls > self.after:
            self.go_wrong()
        return torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255  # an actor need not load torchvision

    def go_wrong(self) -> None:
        """Nothing yet."""


class Deadly(Troubled):
    """Kills the first actor that gets past `after` pictures; with no marker every one."""

    def go_wrong(self) -> None:
        if self.marker is not None:
            try:
                self.marker.touch(exist_ok=False)
            except FileExistsError:
                return
        os.kill(os.getpid(), signal.SIGKILL)


class Blind(Troubled):
    """Reads nothing."""

    def go_wrong(self) -> None:
        raise ValueError("no such disk")
