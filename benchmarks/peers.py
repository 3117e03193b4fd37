"""The contestants that are not ours: a bare forward pass, grad-cam, captum and torchcam, each used as its manual says.

A contestant is built once from a model, pictures and a class per picture, and then run again and again.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from benchmarks.timing import Run

Build = Callable[[nn.Module, Tensor, list[int]], Run]


def bare_forward(model: nn.Module, pictures: Tensor, classes: list[int]) -> Run:
    """The model's forward pass alone, in inference mode: the least that any explanation can take."""

    def run() -> list[Tensor]:
        with torch.inference_mode():
            model(pictures)
        return []

    return run


def grad_cam(methods: Sequence[str], layers: Sequence[str]) -> Build:
    """grad-cam's classes `methods`, one call for each of them and each layer."""

    def build(model: nn.Module, pictures: Tensor, classes: list[int]) -> Run:
        import pytorch_grad_cam as peer  # type: ignore[import-untyped]
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # type: ignore[import-untyped]

        targets = [ClassifierOutputTarget(index) for index in classes]

        def run() -> list[Tensor]:
            maps = []
            for layer in layers:
                for method in methods:
                    with getattr(peer, method)(model, [model.get_submodule(layer)]) as cam:
                        maps.append(torch.from_numpy(cam(pictures, targets)))
            return maps

        return run

    return build


def captum(layer: str) -> Build:
    """captum's Grad-CAM."""

    def build(model: nn.Module, pictures: Tensor, classes: list[int]) -> Run:
        from captum.attr import LayerGradCam  # type: ignore[import-untyped]

        attribution = LayerGradCam(model, model.get_submodule(layer))
        target = torch.tensor(classes, device=pictures.device)
        return lambda: [attribution.attribute(pictures, target=target)[:, 0].detach()]

    return build


def torchcam(layer: str) -> Build:
    """torchcam's Grad-CAM: its hooks stay on the model between calls."""

    def build(model: nn.Module, pictures: Tensor, classes: list[int]) -> Run:
        from torchcam.methods import GradCAM

        extractor = GradCAM(model, target_layer=layer)
        return lambda: [extractor(classes, model(pictures))[0].detach()]

    return build
