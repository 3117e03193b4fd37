"""A small U-Net that finds tools in the bundled scenes, and the picture of segmenters.md.

`python docs/segmenters.py` writes docs/segmenters.png by the weights that are there, `python docs/segmenters.py train`
trains them first in a few minutes. In what it learned from, scissors nearly always lie on plain ground and hammers
among clutter: what does it tell them apart by?
"""

import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import featuremaps as fm
from featuremaps import demo
from featuremaps.demo.dataset import World
from featuremaps.demo.world import Scene
from featuremaps.plotting.files import png_of
from featuremaps.plotting.panels import Panel, matrix_figure
from featuremaps.report.regions import divided

CLASSES = ("background", "scissors", "hammer")
SIDE = 64
SHOWN = (0, 3, 2)
"""Of the bundled scenes: scissors on plain ground, a hammer on plain ground, a hammer among clutter."""
WEIGHTS = Path(__file__).with_suffix(".safetensors")


def block(inputs: int, outputs: int) -> nn.Sequential:
    """Two convolutions, each normalised."""
    parts: list[nn.Module] = []
    for channels in (inputs, outputs):
        parts += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*parts)


class UNet(nn.Module):
    """Pictures (batch, 3, height, width) to class scores (batch, 3, height, width)."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.middle, self.coarse, self.bottom = block(3, 12), block(12, 24), block(24, 32), block(32, 32)
        self.up3, self.up2, self.up1 = block(64, 32), block(56, 24), block(36, 12)
        self.head = nn.Conv2d(12, len(CLASSES), 1)

    def forward(self, x: Tensor) -> Tensor:
        """The class scores."""
        fine = self.fine(x)
        middle = self.middle(nn.functional.max_pool2d(fine, 2))
        coarse = self.coarse(nn.functional.max_pool2d(middle, 2))
        merged = self.bottom(nn.functional.max_pool2d(coarse, 2))
        for skip, merge in ((coarse, self.up3), (middle, self.up2), (fine, self.up1)):
            merged = merge(torch.cat([nn.functional.interpolate(merged, scale_factor=2.0), skip], 1))
        return self.head(merged)


def unet() -> nn.Module:
    """The trained network, for `--model segmenters:unet`."""
    model = UNet()
    model.load_state_dict({name: tensor.float() for name, tensor in load_file(WEIGHTS).items()})
    return model.eval()


def scope() -> fm.Scope:
    """The network with its preprocessing and class names."""
    return fm.Scope(unet(), fm.preprocess(size=(SIDE, SIDE), mean=0.5, std=0.25), CLASSES, name="unet")


def train(count: int = 200, epochs: int = 18) -> None:
    """Learn from so many scenes of each kind, and write the weights in half precision."""
    torch.manual_seed(0)
    world = World(count, {"scissors": 0.97, "hammer": 0.0, "neither": 0.5})
    scenes = [world[i] for i in range(len(world))]
    prepare = fm.preprocess(size=(SIDE, SIDE), mean=0.5, std=0.25)
    pictures = torch.stack([prepare(scene.picture) for scene in scenes])
    truths = torch.stack([truth(scene) for scene in scenes])
    model = UNet().train()
    steps = epochs * (len(pictures) // 32)
    optimiser = torch.optim.AdamW(model.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=steps)
    for epoch in range(epochs):
        for rows in torch.randperm(len(pictures)).split(32)[: len(pictures) // 32]:
            batch, wanted = pictures[rows], truths[rows]
            if torch.rand(()) < 0.5:
                batch, wanted = batch.flip(-1), wanted.flip(-1)
            loss = nn.functional.cross_entropy(model(batch), wanted, weight=torch.tensor([0.3, 1.0, 1.0]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        print(f"epoch {epoch + 1}: loss {float(loss.detach()):.3f}")  # noqa: T201
    halves = {
        name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in model.state_dict().items()
    }
    save_file(halves, WEIGHTS)


def truth(scene: Scene) -> Tensor:
    """The class of each pixel (SIDE, SIDE)."""
    mask = np.asarray(Image.fromarray(scene.mask).resize((SIDE, SIDE)))
    number = CLASSES.index(scene.label) if scene.label in CLASSES else 0
    return torch.from_numpy(mask.astype(np.int64)) * number


def main() -> None:
    """Write docs/segmenters.png: scenes divided, where they speak for the tool, and what it loses."""
    studied = scope()
    scenes = [demo.pictures()[number] for number in SHOWN]
    pictures = [scene.picture for scene in scenes]
    rows = []
    for scene, one in zip(scenes, studied.regions(pictures), strict=True):
        print(demo.name_of(scene), *one.sentences(), sep="\n  ")  # noqa: T201
        label, evidence = one.labels[1], one.evidence
        rows.append(
            [
                Panel(one.heatmaps[1].pictures[0].image, demo.name_of(scene)),
                Panel(divided(one, ["#5B5B5B", "#D55E00"]), f"{label}, {one.covers[1]:.0%} of the picture"),
                Panel(one.heatmaps[1].overlay()[0], f"grad_cam of bottom for {label}"),
                Panel(
                    bars(
                        {
                            "as it is": float(evidence.whole[0, 1]),
                            "without all else": float(evidence.alone[0, 1]),
                            "without the region": float(evidence.without[0, 1, 1]),
                        }
                    ),
                    f"{label} in its region",
                ),
            ]
        )
    figure = matrix_figure(rows, {}, title="What a U-Net's regions rest on")
    Image.open(BytesIO(png_of(figure))).convert("RGB").quantize(192).save(Path(__file__).with_suffix(".png"))


def bars(shares: dict[str, float], side: int = 320) -> Image.Image:
    """Probabilities as bars with their names, on a white square."""
    square = Image.new("RGB", (side, side), "white")
    pen, font = ImageDraw.Draw(square), ImageFont.load_default(24)
    for number, (name, share) in enumerate(shares.items()):
        top = 30 + number * 96
        pen.text((12, top), f"{name}: {share:.2f}", "#222222", font)
        pen.rectangle((12, top + 34, side - 12, top + 50), "#e2e4e1")
        pen.rectangle((12, top + 34, 12 + round(share * (side - 24)), top + 50), "#1f5f8b")
    return square


if __name__ == "__main__":
    if "train" in sys.argv:
        train()
    main()
