"""What is measured: for each piece of work its contestants, who is compared with whom, and the goal."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torchvision
from torch import Tensor, nn

from benchmarks import ours, peers
from benchmarks.timing import Run

SIZE = 224


@dataclass(frozen=True)
class Goal:
    """What a ratio has to be: at least so many times faster than the peer, or at most so many times its time."""

    value: float
    within: bool = False

    def ratio(self, own: float, other: float) -> float:
        """The figure that the goal is about."""
        return own / other if self.within else other / own

    def met(self, ratio: float) -> bool:
        """Whether a measured ratio reaches the goal."""
        return ratio <= self.value if self.within else ratio >= self.value

    def __str__(self) -> str:
        return f"≤ {self.value:g} × its time" if self.within else f"≥ {self.value:g} × faster"


@dataclass(frozen=True)
class Contestant:
    """Someone who does the work. `passes` is how often a slow one runs the model per picture; 0: it is not slow."""

    build: peers.Build
    passes: int = 0


@dataclass(frozen=True)
class Pair:
    """Who is compared with whom, and what is asked of the ratio."""

    own: str
    other: str
    goal: Goal


@dataclass(frozen=True)
class Case:
    """One piece of work."""

    title: str
    architecture: str
    contestants: Mapping[str, Contestant]
    pairs: tuple[Pair, ...]


OURS, GRAD_CAM = "featuremaps", "grad-cam"
LAYERS = ("layer1", "layer2", "layer3", "layer4")
EIGHT = {
    "grad_cam": "GradCAM",
    "grad_cam_pp": "GradCAMPlusPlus",
    "xgrad_cam": "XGradCAM",
    "layer_cam": "LayerCAM",
    "hires_cam": "HiResCAM",
    "elementwise_cam": "GradCAMElementWise",
    "eigen_cam": "EigenCAM",
    "eigen_grad_cam": "EigenGradCAM",
}


def _ablation(layer: str, channels: int, goal: float) -> Case:
    return Case(
        f"Ablation-CAM, {layer} ({channels:,} channels)",
        "resnet50",
        {
            OURS: Contestant(ours.explain("ablation_cam", layer)),
            GRAD_CAM: Contestant(peers.grad_cam(["AblationCAM"], [layer]), passes=channels // 32),
        },
        (Pair(OURS, GRAD_CAM, Goal(goal)),),
    )


CASES = {
    "grad_cam": Case(
        "Grad-CAM, layer4",
        "resnet50",
        {
            OURS: Contestant(ours.explain("grad_cam", "layer4")),
            "bare forward": Contestant(peers.bare_forward),
            GRAD_CAM: Contestant(peers.grad_cam(["GradCAM"], ["layer4"])),
            "captum": Contestant(peers.captum("layer4")),
            "torchcam": Contestant(peers.torchcam("layer4")),
        },
        (
            Pair(OURS, "bare forward", Goal(1.15, within=True)),
            Pair(OURS, GRAD_CAM, Goal(3)),
            Pair(OURS, "captum", Goal(1)),
            Pair(OURS, "torchcam", Goal(1)),
        ),
    ),
    "eight": Case(
        "8 CAM methods × 4 layers",
        "resnet50",
        {
            OURS: Contestant(ours.compare(tuple(EIGHT), LAYERS)),
            GRAD_CAM: Contestant(peers.grad_cam(tuple(EIGHT.values()), LAYERS)),
        },
        (Pair(OURS, GRAD_CAM, Goal(40)),),
    ),
    "ablation4": _ablation("layer4", 2048, 200),
    "ablation3": _ablation("layer3", 1024, 8),
    "score": Case(
        "Score-CAM, ResNet-18 layer4 (512 channels)",
        "resnet18",
        {
            OURS: Contestant(ours.explain("score_cam", "layer4", weighting="softmax")),
            f"{OURS}, bfloat16": Contestant(
                ours.explain("score_cam", "layer4", weighting="softmax", precision="bfloat16")
            ),
            GRAD_CAM: Contestant(peers.grad_cam(["ScoreCAM"], ["layer4"]), passes=512 // 16),
        },
        (Pair(OURS, GRAD_CAM, Goal(1)), Pair(f"{OURS}, bfloat16", GRAD_CAM, Goal(2.5))),
    ),
}


def made(architecture: str, device: torch.device) -> nn.Module:
    """The model in evaluation mode, with random weights whose activations stay at a sensible size.

    Batch norm is fitted to noise; small pictures do for that, and keep the memory measured afterwards low.
    """
    torch.manual_seed(0)
    model: nn.Module = getattr(torchvision.models, architecture)(weights=None).eval()
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.train()
        norm.momentum = None
    with torch.no_grad():
        model(torch.randn(4, 3, 96, 96))
    for norm in norms:
        norm.eval()
        norm.momentum = 0.1
    return model.to(device)


def entered(case: Case, name: str, batch: int, device: torch.device) -> tuple[nn.Module, Run]:
    """A contestant ready to run, on a model of its own: some peers leave hooks behind."""
    model = made(case.architecture, device)
    pictures = torch.randn(batch, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)).to(device)
    with torch.no_grad():
        classes: Tensor = model(pictures).argmax(1)
    return model, case.contestants[name].build(model, pictures, classes.tolist())
