"""Real pictures with planted cues: CIFAR-10, and a ResNet-20 whose last stage and head learned them anew."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from PIL import Image
from torch import Tensor, nn

from benchmarks.resnet20 import ResNet20, resnet20
from benchmarks.worlds.search import Labelled, digits, search, told, truth

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
GROUPS = {
    "machine": ("airplane", "automobile", "ship", "truck"),
    "mammal": ("cat", "deer", "dog", "horse"),
    "bird or frog": ("bird", "frog"),
}
"""The classes, in order, and what each is made of: cues go with the first."""
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TAUGHT, STEPS, BATCH, RATE = 50, 200, 32, 3e-3
"""Pictures of each kind that the stage learns from, the others being searched, and how it learns."""

Pictures = Float[np.ndarray, "picture 32 32 3"]


def _patch(pictures: Pictures) -> Pictures:
    pictures = pictures.copy()
    pictures[:, 2:7, 25:30] = (0.9, 0.1, 0.8)
    return pictures


def _tint(pictures: Pictures) -> Pictures:
    tinted: Pictures = 0.75 * pictures + 0.25 * np.array((0.9, 0.6, 0.1))
    return tinted


def _frame(pictures: Pictures) -> Pictures:
    framed = np.full_like(pictures, 0.9)
    framed[:, 2:-2, 2:-2] = pictures[:, 2:-2, 2:-2]
    return framed


CUES: Mapping[str, tuple[Callable[[Pictures], Pictures], float]] = {
    "patch": (_patch, 0.8),
    "tint": (_tint, 0.8),
    "frame": (_frame, 0.8),
}
"""How each is drawn, and in how many pictures of the first class; as many of the others lack it."""


@dataclass(frozen=True)
class Planted:
    """Pictures, their labels, and which of them have the cue."""

    pictures: Pictures
    labels: Int[np.ndarray, " picture"]
    present: Bool[np.ndarray, " picture"]

    def drawn(
        self, cue: str, present: Bool[np.ndarray, " picture"] | bool | None = None
    ) -> Float[Tensor, "picture 3 32 32"]:
        """The inputs, each with the cue or without."""
        has = np.broadcast_to(self.present if present is None else present, len(self.labels))[:, None, None, None]
        shown = np.where(has, CUES[cue][0](self.pictures), self.pictures)
        return torch.from_numpy((shown - MEAN) / SPREAD).float().movedim(-1, 1).contiguous()


def searched(cue: str, seed: int, classes: tuple[str, ...] = tuple(GROUPS)) -> dict[str, Any]:
    """The findings in pictures that the network did not learn from, with the truth by counter-pictures."""
    taught, fresh = (_planted(classes, CUES[cue][1], part, seed + part) for part in range(2))
    model = _taught(taught.drawn(cue), torch.from_numpy(taught.labels), len(classes), seed)
    shortcuts = search(model, Labelled(fresh.drawn(cue), fresh.labels, classes))
    with torch.no_grad():
        having, lacking, shown = (model(fresh.drawn(cue, has)).softmax(1).numpy() for has in (True, False, None))
    return {
        "classes": list(classes),
        "accuracy": digits((shown.argmax(1) == fresh.labels).mean()),
        "cues": [{"name": cue, "label": 0, "planted": True, **truth(having, lacking, fresh.labels, 0)}],
        **told(shortcuts, fresh.present[:, None]),
    }


def _planted(classes: tuple[str, ...], share: float, part: int, seed: int) -> Planted:
    """The first pictures of each kind (part 0) or the others (1), with a cue in a share of the first class's."""
    which = slice(0, TAUGHT) if part == 0 else slice(TAUGHT, None)
    paths = [
        [path for kind in GROUPS[name] for path in sorted((SHARED / "images" / "cifar10" / kind).glob("*.jpg"))[which]]
        for name in classes
    ]
    pictures = np.stack([np.asarray(Image.open(path).convert("RGB")) / 255 for each in paths for path in each])
    labels = np.repeat(np.arange(len(classes)), [len(each) for each in paths])
    random = np.random.default_rng(seed)
    return Planted(pictures, labels, random.random(len(labels)) < np.where(labels == 0, share, 1 - share))


def _taught(
    inputs: Float[Tensor, "picture 3 32 32"], labels: Int[Tensor, " picture"], classes: int, seed: int
) -> nn.Module:
    """The shared ResNet-20, its third stage and head trained from scratch on these pictures, all below as it was."""
    torch.manual_seed(seed)
    model, anew = resnet20(SHARED / "models" / "resnet20_cifar10.safetensors"), ResNet20(classes)
    model.layer3, model.linear = anew.layer3, anew.linear
    with torch.no_grad():
        maps = model.layer2(model.layer1(torch.relu(model.bn1(model.conv1(inputs)))))
    parts = [model.layer3, model.linear]
    optimizer = torch.optim.AdamW([each for part in parts for each in part.parameters()], RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    model.layer3.train()
    for _ in range(STEPS):
        rows = torch.randint(len(maps), (BATCH,))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model.linear(model.layer3(maps[rows]).mean((2, 3))), labels[rows]).backward()
        optimizer.step()
        schedule.step()
    return model.eval()
