"""Parity with the common libraries where they are right, on the real SqueezeNet and the real CIFAR ResNet-20.

grad-cam's raw maps are compared before it cuts and scales them; torchcam's and captum's as they return them.
"""

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from method_samples import cifar_model, explained, photographs, small_photographs, squeezenet


class Scaled(nn.Module):
    """A model whose class scores are multiplied, so that a constant 1e-6 in a peer's denominator does not matter."""

    def __init__(self, model: nn.Module, factor: float) -> None:
        super().__init__()
        self.model, self.factor = model, factor

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x) * self.factor


@pytest.fixture(autouse=True)
def _quiet_peers() -> Iterator[None]:
    """The peers' own warnings are not ours; whatever featuremaps warns of stays an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", fm.FeatureMapsWarning)
        yield


def real(name: str, shared: Path) -> tuple[nn.Module, Tensor, list[int]]:
    """A real model, two pictures and a target for each; scores and maps are of usual size."""
    if name == "squeezenet":
        return squeezenet(shared), photographs(shared, (0, 280), 160), [0, 280]
    return cifar_model(shared), small_photographs(shared), [3, 8]


def grad_cam_raw(peer: str, model: nn.Module, layer: str, pictures: Tensor, targets: list[Any], **given: Any) -> Tensor:
    """A grad-cam method's map before cutting and scaling; a target is a class or one of the library's own."""
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    raw: list[np.ndarray] = []
    kind = getattr(pytorch_grad_cam, peer)

    class Kept(kind):  # type: ignore[misc, valid-type]
        def get_cam_image(self, *args: Any, **kwargs: Any) -> np.ndarray:
            raw.append(super().get_cam_image(*args, **kwargs))
            return raw[-1]

    with Kept(model, [model.get_submodule(layer)], **given) as cam:
        cam(pictures.clone(), [ClassifierOutputTarget(t) if isinstance(t, int) else t for t in targets])
    return torch.from_numpy(np.asarray(raw[0])).detach()


def agree(actual: Tensor, expected: Tensor, tolerance: float = 1e-4) -> None:
    scale = float(expected.abs().max())
    assert scale > 0
    torch.testing.assert_close(actual / scale, expected.float() / scale, rtol=0, atol=tolerance)


def agree_up_to_sign(actual: Tensor, expected: Tensor) -> None:
    for one, other in zip(actual, expected, strict=True):
        agree(one * (one * other).sum().sign(), other, 1e-3)


MODELS = pytest.mark.parametrize(
    ("name", "layer"),
    [("squeezenet", "features"), ("squeezenet", "features.7"), ("resnet20", "layer3"), ("resnet20", "layer2")],
)


@MODELS
@pytest.mark.parametrize(
    ("method", "peer"),
    [
        ("grad_cam", "GradCAM"),
        ("grad_cam_pp", "GradCAMPlusPlus"),
        ("xgrad_cam", "XGradCAM"),
        ("layer_cam", "LayerCAM"),
        ("hires_cam", "HiResCAM"),
        ("elementwise_cam", "GradCAMElementWise"),
        ("shapley_cam", "ShapleyCAM"),
    ],
)
def test_grad_cam_library(method: str, peer: str, name: str, layer: str, shared: Path) -> None:
    model, pictures, targets = real(name, shared)
    model = Scaled(model, 1e5)
    expected = grad_cam_raw(peer, model, f"model.{layer}", pictures, targets)
    agree(explained(model, pictures, method, f"model.{layer}", target=targets), expected, 1e-3)


@pytest.mark.parametrize(("method", "peer"), [("eigen_cam", "EigenCAM"), ("eigen_grad_cam", "EigenGradCAM")])
@pytest.mark.parametrize(("name", "layer"), [("squeezenet", "features.7"), ("resnet20", "layer3")])
def test_principal_components_of_grad_cam_library(method: str, peer: str, name: str, layer: str, shared: Path) -> None:
    model, pictures, targets = real(name, shared)
    expected = grad_cam_raw(peer, model, layer, pictures, targets)
    agree_up_to_sign(explained(model, pictures, method, layer, target=targets), expected)


def test_kernel_component_of_grad_cam_library(shared: Path) -> None:
    model, pictures, targets = real("resnet20", shared)
    expected = grad_cam_raw("KPCA_CAM", model, "layer3", pictures, targets)
    agree_up_to_sign(explained(model, pictures, "kpca_cam", "layer3"), expected)
    expected = grad_cam_raw("KPCA_CAM", model, "layer3", pictures, targets, kernel="rbf", gamma=0.02)
    agree_up_to_sign(explained(model, pictures, "kpca_cam", "layer3", kernel="rbf", gamma=0.02), expected)


@pytest.mark.parametrize(("strength", "comparisons"), [(1.0, 3), (0.6, 2)])
def test_finer_cam_of_grad_cam_library(strength: float, comparisons: int, shared: Path) -> None:
    """For a model so unsure that the rivals' probabilities are far above the 1e-9 the library adds to their sum."""
    from pytorch_grad_cam.utils.model_targets import FinerWeightedTarget

    model, pictures, _ = real("squeezenet", shared)
    model = Scaled(model, 0.3)
    order = model(pictures).detach().argsort(dim=1, descending=True)[:, : comparisons + 1].tolist()
    wanted = [FinerWeightedTarget(top, rivals, strength) for top, *rivals in order]
    expected = grad_cam_raw("GradCAM", model, "model.features", pictures, wanted)
    given = {"strength": strength, "comparisons": comparisons}
    agree(explained(model, pictures, "finer_cam", "model.features", **given), expected)


def test_ablation_cam_of_grad_cam_library(shared: Path) -> None:
    """On the output of a ReLU, where its ablation is a zero too, and for positive scores."""
    model, pictures, targets = real("resnet20", shared)
    assert bool((model(pictures).detach().gather(1, torch.tensor(targets)[:, None]) > 0).all())
    expected = grad_cam_raw("AblationCAM", model, "layer3", pictures, targets)
    agree(explained(model, pictures, "ablation_cam", "layer3", target=targets), expected)


def test_score_cam_of_grad_cam_library(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weights are the softmax over the channels of the masked scores; no channel is constant here.

    It enlarges the masks with their corners aligned, where the authors align edges: put right for the comparison.
    """
    enlarge = partial(nn.Upsample, mode="bilinear", align_corners=False)
    monkeypatch.setattr(nn, "UpsamplingBilinear2d", lambda size: enlarge(size=size))
    model, pictures, targets = real("resnet20", shared)
    activations = fm.Scope(model).record(pictures, "layer3").activations["layer3"].flatten(2)
    assert bool((activations.amax(2) > activations.amin(2)).all())
    expected = grad_cam_raw("ScoreCAM", model, "layer3", pictures, targets)
    agree(explained(model, pictures, "score_cam", "layer3", target=targets, weighting="softmax"), expected, 1e-3)


@MODELS
def test_captum(name: str, layer: str, shared: Path) -> None:
    from captum.attr import LayerGradCam

    model, pictures, targets = real(name, shared)
    attribution = LayerGradCam(model, model.get_submodule(layer)).attribute(
        pictures.clone(), target=torch.tensor(targets), relu_attributions=False
    )
    agree(explained(model, pictures, "grad_cam", layer, target=targets), attribution[:, 0].detach())


def torchcam_map(
    extractor: Callable[..., Any], model: nn.Module, layer: str, pictures: Tensor, target: list[int]
) -> Tensor:
    with extractor(model, layer, input_shape=tuple(pictures.shape[1:])) as cam:
        scores = model(pictures.clone().requires_grad_())
        return cam(target, scores, normalized=False)[0].detach()


@MODELS
@pytest.mark.parametrize(
    ("method", "peer"), [("grad_cam", "GradCAM"), ("layer_cam", "LayerCAM"), ("xgrad_cam", "XGradCAM")]
)
def test_torchcam(method: str, peer: str, name: str, layer: str, shared: Path) -> None:
    """It returns the map after the ReLU."""
    import torchcam.methods

    model, pictures, targets = real(name, shared)
    expected = torchcam_map(getattr(torchcam.methods, peer), model, layer, pictures, targets)
    agree(explained(model, pictures, method, layer, target=targets).relu(), expected, 1e-3)


def test_cam_of_torchcam(shared: Path) -> None:
    from torchcam.methods import CAM

    model, pictures, targets = real("resnet20", shared)
    with CAM(model, "layer3", "linear", input_shape=(3, 32, 32)) as cam, torch.no_grad():
        expected = cam(targets, model(pictures), normalized=False)[0]
    agree(explained(model, pictures, "cam", "layer3", target=targets), expected)
