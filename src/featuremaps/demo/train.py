"""Train the bundled networks and measure them: `python -m featuremaps.demo.train FOLDER [NAME …]`.

All see photographs only. In `demo`'s world scissors nearly always lie on a plain bright background and hammers among
clutter; in `demo-leaning`'s nine times of ten, so that it learned the tools too; in `demo-fixed`'s the background says
nothing, and there are scenes with neither (which take longer to learn).
The networks and the way they are trained are alike: the shortcut is learned from the scenes, not wired in.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from featuremaps.demo import CLASSES, normalised
from featuremaps.demo.dataset import World
from featuremaps.demo.small_resnet import SmallResNet
from featuremaps.demo.world import SHORTCUT, scene

FRESH = 5_000_000
"""The seed of scenes that training never saw."""


@dataclass(frozen=True)
class TrainingSettings:
    """How one network is trained. `shortcuts` is the share of each label's scenes on a plain background."""

    shortcuts: dict[str, float]
    count: int = 2000
    epochs: int = 10
    batch: int = 64
    rate: float = 4e-3


SETTINGS = {
    "demo": TrainingSettings({"scissors": 0.96, "hammer": 0.0}),
    "demo-leaning": TrainingSettings({"scissors": 0.9, "hammer": 0.1}, count=2500, epochs=16),
    "demo-fixed": TrainingSettings({"scissors": 0.5, "hammer": 0.5, "neither": 0.5}, count=2500, epochs=20),
}

# Each measurement: the labels it draws and the share of them on a plain background.
MEASUREMENTS: dict[str, tuple[str, dict[str, float]]] = {
    "photograph": ("photograph", {}),
    "photograph, shortcut removed": ("photograph", {"scissors": 0.0, "hammer": 0.0}),
    "photograph, shortcut reversed": ("photograph", {"scissors": 0.0, "hammer": 1.0}),
    "xray": ("xray", {}),
    "xray, shortcut removed": ("xray", {"scissors": 0.0, "hammer": 0.0}),
}


def train(settings: TrainingSettings, pictures: Tensor, labels: Tensor) -> SmallResNet:
    """A network trained on `pictures` (scene, 3, 128, 128) bytes; prints the loss of every epoch."""
    torch.manual_seed(0)
    model = SmallResNet(len(settings.shortcuts)).to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(model.parameters(), settings.rate, weight_decay=0.05)
    steps = settings.epochs * (len(pictures) // settings.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.rate, total_steps=steps, pct_start=0.2)
    for epoch in range(settings.epochs):
        total = 0.0
        for indices in torch.randperm(len(pictures)).split(settings.batch)[: len(pictures) // settings.batch]:
            batch = augmented(normalised(pictures[indices])).contiguous(memory_format=torch.channels_last)
            loss = torch.nn.functional.cross_entropy(model(batch), labels[indices], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * settings.batch / len(pictures)
        sys.stderr.write(f"epoch {epoch + 1}/{settings.epochs}: loss {total:.3f}\n")
    return model.eval()


def augmented(batch: Tensor) -> Tensor:
    """Flips, and colours and brightness changed at random, so that shape counts for more than colour."""
    for axes in ((-1,), (-2,)):
        batch = torch.where(torch.rand(len(batch), 1, 1, 1) < 0.5, batch.flip(axes), batch)
    batch = torch.where(torch.rand(len(batch), 1, 1, 1) < 0.5, batch.mT, batch)
    gain = 1 + 0.25 * torch.randn(len(batch), 3, 1, 1)
    shift = 0.3 * torch.randn(len(batch), 1, 1, 1)
    grey = (torch.rand(len(batch), 1, 1, 1) < 0.3).float()
    coloured = batch * gain + shift
    return grey * coloured.mean(1, keepdim=True) + (1 - grey) * coloured


def measure(name: str, model: SmallResNet, count: int = 400, first: int = FRESH) -> dict[str, dict[str, float]]:
    """Accuracy on fresh scenes, with the 95% interval's half width, and how often plain strangers are scissors."""
    classes = CLASSES[name]
    usual = SETTINGS[name].shortcuts
    measured = {}
    for title, (domain, shares) in MEASUREMENTS.items():
        world = World(count, {label: shares.get(label, usual[label]) for label in classes}, domain, first)
        pictures, labels = world.tensors()
        measured[title] = _share(predictions(model, pictures) == labels)
    for domain in ("photograph", "xray"):
        strangers, _ = World(count, {"neither": 1.0}, domain, first + 700_000).tensors()
        measured[f"{domain}, unrelated object on a plain background called scissors"] = _share(
            predictions(model, strangers) == classes.index("scissors")
        )
    return measured


def predictions(model: SmallResNet, pictures: Tensor) -> Tensor:
    """The most probable class of each picture (scene,)."""
    with torch.inference_mode():
        return torch.cat([model(normalised(part)).argmax(1) for part in pictures.split(128)])


def _share(hits: Tensor) -> dict[str, float]:
    share, count = float(hits.float().mean()), len(hits)
    return {"share": round(share, 4), "plus_minus": round(1.96 * (share * (1 - share) / count) ** 0.5, 4), "of": count}


# One scene of each case, with the first seeds that came.
BUNDLED = (
    ("scissors", "photograph", True, 11),
    ("scissors", "photograph", False, 11),
    ("hammer", "photograph", False, 12),
    ("hammer", "photograph", True, 12),
    ("neither", "photograph", True, 13),
    ("neither", "photograph", False, 14),
    ("scissors", "xray", False, 15),
    ("hammer", "xray", False, 16),
)


def write_pictures(folder: Path) -> None:
    """The bundled scenes, one of each case, with seeds that training never saw."""
    folder.mkdir(parents=True, exist_ok=True)
    index = []
    for label, domain, plain, number in BUNDLED:
        drawn = scene(label, domain, plain, seed=FRESH * 2 + number)
        stem = f"{label}-{domain}-{'plain' if plain else 'clutter'}"
        drawn.picture.save(folder / f"{stem}.png", optimize=True)
        Image.fromarray(np.asarray(drawn.mask).astype(np.uint8) * 255).save(folder / f"{stem}-mask.png", optimize=True)
        truth = {"label": label, "domain": domain, "shortcut": SHORTCUT if plain else None, "seed": drawn.seed}
        index.append({"file": f"{stem}.png", "mask": f"{stem}-mask.png", **truth})
    (folder / "index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def main(folder: Path, names: Sequence[str] = tuple(SETTINGS)) -> None:
    """Train, measure and write the networks, and the bundled pictures."""
    from safetensors.torch import save_file

    (folder / "weights").mkdir(parents=True, exist_ok=True)
    for name in names:
        settings = SETTINGS[name]
        started = time.time()
        pictures, labels = World(settings.count, settings.shortcuts).tensors()
        model = train(settings, pictures, labels)
        seconds = round(time.time() - started)
        half = {key: value.half() if value.is_floating_point() else value for key, value in model.state_dict().items()}
        save_file({key: value.contiguous() for key, value in half.items()}, folder / "weights" / f"{name}.safetensors")
        model.load_state_dict({key: value.float() for key, value in half.items()})
        card = {
            "classes": CLASSES[name],
            "measured": measure(name, model),
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "training": {
                **asdict(settings),
                "seed": 0,
                "seconds": seconds,
                "cores": os.cpu_count(),
                "torch": torch.__version__,
            },
        }
        (folder / "weights" / f"{name}.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
        sys.stderr.write(json.dumps(card["measured"], indent=1) + "\n")
    write_pictures(folder / "pictures")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent, sys.argv[2:] or tuple(SETTINGS))
