"""What is measured of class activation maps, beside pixels, detectors and drawings, and the models for all."""

import torch
import torchvision
from torch import Tensor, nn

from benchmarks import ours, peers
from benchmarks.attention_cases import ATTENTION_CASES
from benchmarks.case import OURS, Case, Contestant, Goal, Pair
from benchmarks.detector_cases import BOXES, DETECTOR, DETECTOR_CASES
from benchmarks.drawing_cases import DRAWING_CASES
from benchmarks.pixel_cases import PIXEL_CASES
from benchmarks.timing import Run

SIZE = 224
SETTINGS: dict[str, dict[str, object]] = {
    DETECTOR: {"weights_backbone": None, "score_thresh": 0.0, "detections_per_img": BOXES},
    "googlenet": {"init_weights": True},
}
"""How models are made: detectors with random weights are sure of nothing, and find as many boxes as are wanted."""

GRAD_CAM = "grad-cam"
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


def _pools(architecture: str, layer: str) -> Case:
    """Networks that spend much of a pass on max pools."""
    return Case(
        f"Grad-CAM, {architecture} {layer}",
        architecture,
        {
            OURS: Contestant(ours.explain("grad_cam", layer)),
            "captum": Contestant(peers.captum(layer)),
            "torchcam": Contestant(peers.torchcam(layer)),
        },
        (Pair(OURS, "captum", Goal(1.2)), Pair(OURS, "torchcam", Goal(1.2))),
    )


CASES: dict[str, Case] = {
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
    "googlenet": _pools("googlenet", "inception5b"),
    "squeezenet": _pools("squeezenet1_1", "features.12"),
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
            GRAD_CAM: Contestant(peers.grad_cam(["ScoreCAM"], ["layer4"]), passes=512 // 16, whole=(1, 8)),
        },
        (Pair(OURS, GRAD_CAM, Goal(1)), Pair(f"{OURS}, bfloat16", GRAD_CAM, Goal(2.5))),
    ),
    **PIXEL_CASES,
    **DETECTOR_CASES,
    **DRAWING_CASES,
    **ATTENTION_CASES,
}


def made(architecture: str, device: torch.device) -> nn.Module:
    """The model in evaluation mode, with random weights whose activations stay at a sensible size.

    Batch norm is fitted to noise; small pictures do for that, and keep the memory measured afterwards low.
    """
    torch.manual_seed(0)
    model: nn.Module = torchvision.models.get_model(architecture, weights=None, **SETTINGS.get(architecture, {}))
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.Linear) and not bool(module.weight.any()):
            nn.init.normal_(module.weight, std=0.02)  # torchvision's ViT begins with a head of zeros
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.train()
        norm.momentum = None
    if norms:
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
        answers: object = model(pictures)
    classes = answers.argmax(1).tolist() if isinstance(answers, Tensor) else []
    return model, case.contestants[name].build(model, pictures, classes)
