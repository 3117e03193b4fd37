"""Make the pictures of detectors.md: `python docs/detectors.py` trains a small detector and explains it.

Heads on two maps of a bundled network learn, in a minute, where scissors and hammers lie; four scenes are one picture.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.demo.dataset import World
from featuremaps.plotting.method_names import method_name
from featuremaps.plotting.panels import Panel, matrix_figure
from featuremaps.results.heatmaps import Heatmaps, scalings_of

NAMES = ("scissors", "hammer")
STRIDES, LARGE = (8, 16), 72
SCENES, STEPS = 160, 700
METHODS = {"grad_cam": {}, "hires_cam": {}, "d_rise": {"masks": 1000}, "occlusion": {"window": 24, "stride": 12}}


class SmallDetector(nn.Module):
    """Heads on two strides: for each cell a box around it, and the probability of each class, as YOLO's rows."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.backbone = nn.Sequential(*list(network.children())[:-2])  # without the pooling and the dense layer
        self.coarser = nn.Sequential(nn.Conv2d(96, 96, 3, 2, 1), nn.ReLU())
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Conv2d(96, 64, 3, 1, 1), nn.ReLU(), nn.Conv2d(64, 4 + len(NAMES), 1)) for _ in STRIDES
        )

    def raw(self, fine: Tensor) -> list[Tensor]:
        """What each head says of its cells: distances to the box's sides in strides, and class scores."""
        return [head(each) for head, each in zip(self.heads, (fine, self.coarser(fine)), strict=True)]

    def forward(self, x: Tensor) -> Tensor:
        """Middles, widths, heights and probabilities (batch, 4 + classes, rows)."""
        rows = []
        for out, stride in zip(self.raw(self.backbone(x)), STRIDES, strict=True):
            middles = cells(out.shape[2:], stride)
            near, far = out[:, :2].exp() * stride, out[:, 2:4].exp() * stride
            boxes = torch.cat([middles + (far - near) / 2, near + far], 1)
            rows.append(torch.cat([boxes, out[:, 4:].sigmoid()], 1).flatten(2))
        return torch.cat(rows, 2)


def cells(size: torch.Size, stride: int) -> Tensor:
    """The middle (x, y) of each cell, (2, height, width)."""
    y, x = torch.meshgrid(*((torch.arange(length) + 0.5) * stride for length in size), indexing="ij")
    return torch.stack([x, y])


def trained(network: nn.Module) -> SmallDetector:
    """The detector after a minute on scenes of the bundled world; the backbone stays as it is."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # another order of sums trains another detector
    scenes = World(SCENES, {"scissors": 0.5, "hammer": 0.5, "neither": 0.5}, seed=51_000_000)
    drawn = [recipe.drawn() for recipe in scenes.recipes]
    transform = fm.load("demo-fixed").preprocessing.transform
    detector = SmallDetector(network).train()
    detector.backbone.eval().requires_grad_(False)
    with torch.no_grad():
        maps = torch.cat([detector.backbone(transform(scene.picture)[None]) for scene in drawn])
    wanted = [[target(scene, stride) for scene in drawn] for stride in STRIDES]
    optimizer = torch.optim.Adam([weight for weight in detector.parameters() if weight.requires_grad], 2e-3)
    for step in range(STEPS):
        rows = torch.randperm(len(maps), generator=torch.Generator().manual_seed(step))[:24]
        loss = torch.zeros(())
        for out, of_stride in zip(detector.raw(maps[rows]), wanted, strict=True):
            boxes, classes = (torch.stack([of_stride[row][part] for row in rows]) for part in (0, 1))
            inside = classes.amax(1, keepdim=True)
            loss = loss + ((out[:, :4] - boxes).abs() * inside).sum() / inside.sum().clamp(min=1)
            loss = loss + F.binary_cross_entropy_with_logits(out[:, 4:], classes, pos_weight=torch.tensor(4.0)) * 10
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return detector.eval()


def target(scene: object, stride: int) -> tuple[Tensor, Tensor]:
    """For each cell the distances to the object's box (as logarithms of strides), and its class near its middle."""
    mask = scene.mask
    size = torch.Size([length // stride for length in mask.shape])
    boxes, classes = torch.zeros(4, *size), torch.zeros(len(NAMES), *size)
    if not mask.any():
        return boxes, classes
    y, x = np.nonzero(mask)
    left, top, right, bottom = x.min(), y.min(), x.max() + 1, y.max() + 1
    if (max(right - left, bottom - top) > LARGE) != (stride == STRIDES[-1]):
        return boxes, classes
    middles = cells(size, stride)
    sides = torch.stack([middles[0] - left, middles[1] - top, right - middles[0], bottom - middles[1]])
    middle = torch.tensor([(left + right) / 2, (top + bottom) / 2])[:, None, None]
    near = ((middles - middle).abs() < torch.tensor([right - left, bottom - top])[:, None, None] * 0.25).all(0)
    classes[NAMES.index(scene.label)] = near.float()
    return (sides.clamp(min=1) / stride).log(), classes


def street() -> Image.Image:
    """Four scenes that were not trained on, as one picture."""
    world = World(2, {"scissors": 0.5, "hammer": 0.0}, seed=52_000_000)
    whole = Image.new("RGB", (256, 256))
    for number, recipe in enumerate(world.recipes):
        whole.paste(recipe.drawn().picture, (number % 2 * 128, number // 2 * 128))
    return whole


def main() -> None:
    """Write docs/detectors.png and docs/detectors-boxes.png, and say what they show."""
    demo = fm.load("demo-fixed")
    scope = fm.Scope(trained(demo.model), whole_picture(demo), classes=NAMES)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "street.png"
        street().save(path)
        print(scope.predict(path))  # noqa: T201
        comparison = scope.compare(path, list(METHODS), options=METHODS)
        (told,) = scope.boxes(path)
    print(*told.sentences(), sep="\n")  # noqa: T201
    heats = list(comparison.values())
    print(heats[0].how())  # noqa: T201
    rows = []
    for row, title in enumerate(heats[0].headings):
        seen = heats[0].pictures[row]
        (plain,) = heats[0][row].boxed([seen.image])
        overlays = [Panel(heat[row].overlay()[0], method_name(heat.method)) for heat in heats]
        rows.append([Panel(plain, title), *overlays])
    scalings = {
        scaling for heat in heats for scaling in scalings_of(heat if isinstance(heat, Heatmaps) else heat.map(), {})
    }
    figure = matrix_figure(rows, {}, title="what each of the boxes rests on", scalings=scalings)
    write(figure, Path(__file__).with_suffix(".png"))
    write(told.figure(), Path(__file__).with_name("detectors-boxes.png"))


def write(figure: Figure, path: Path) -> None:
    """A figure as a small file, in colours that its bars need too."""
    figure.savefig(path, dpi=75)
    few = Image.open(path).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=3)
    few.save(path, optimize=True)


def whole_picture(demo: fm.Scope) -> object:
    """The bundled networks' normalisation, without their crop to one scene."""
    normalization = demo.preprocessing.normalization()
    mean = [-offset / scale for offset, scale in zip(normalization.offset, normalization.scale, strict=True)]
    return fm.preprocess(mean=mean, std=[1 / scale for scale in normalization.scale])


if __name__ == "__main__":
    main()
