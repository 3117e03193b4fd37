"""Ten methods and the measures of the peers, each called by itself, as its manual says, on the same pictures.

A method is a function from a model, pictures and a class for each to maps (batch, height, width).
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Explain = Callable[[nn.Module, Tensor, Tensor], Tensor]
STEPS, SAMPLES = 20, 10
SHARES = (10, 20, 30, 40, 50, 60, 70, 80, 90)


def cam(name: str) -> Explain:
    """A CAM of grad-cam, on layer4."""

    def explain(model: nn.Module, x: Tensor, classes: Tensor) -> Tensor:
        import pytorch_grad_cam as peer
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        with getattr(peer, name)(model, [model.layer4]) as extractor:
            return torch.from_numpy(extractor(x, [ClassifierOutputTarget(each) for each in classes.tolist()]))

    return explain


def attribution(name: str, **options: Any) -> Explain:
    """A method of captum on the pixels."""

    def explain(model: nn.Module, x: Tensor, classes: Tensor) -> Tensor:
        from captum import attr

        inner = attr.NoiseTunnel(attr.Saliency(model)) if name == "NoiseTunnel" else getattr(attr, name)(model)
        given = x.clone().requires_grad_()
        values: Tensor = inner.attribute(given, target=classes, **options)
        return values.sum(1).detach()

    return explain


def lrp(model: nn.Module, x: Tensor, classes: Tensor) -> Tensor:
    """Zennit's LRP; captum's has no rule for modules that are used twice, as ResNet's are."""
    from zennit.attribution import Gradient
    from zennit.composites import EpsilonPlusFlat
    from zennit.torchvision import ResNetCanonizer

    with Gradient(model=model, composite=EpsilonPlusFlat(canonizers=[ResNetCanonizer()])) as attributor:
        _, relevance = attributor(x, torch.eye(1000)[classes])
    return relevance.sum(1).detach()


def methods(side: int) -> Mapping[str, Explain]:
    """The methods of a trial by our names, with the numbers of passes that ours have by default."""
    window = max(1, round(side / 5))
    return {
        "grad_cam": cam("GradCAM"),
        "grad_cam_pp": cam("GradCAMPlusPlus"),
        "layer_cam": cam("LayerCAM"),
        "hires_cam": cam("HiResCAM"),
        "ablation_cam": cam("AblationCAM"),
        "guided_backprop": attribution("GuidedBackprop"),
        "integrated_gradients": attribution("IntegratedGradients", n_steps=32),
        "smooth_grad": attribution("NoiseTunnel", nt_samples=25),
        "lrp": lrp,
        "occlusion": attribution(
            "Occlusion", sliding_window_shapes=(3, window, window), strides=(3, window // 2, window // 2)
        ),
    }


ON_ONE_RECORD: Mapping[str, Explain] = {
    "grad_cam": cam("GradCAM"),
    "grad_cam_pp": cam("GradCAMPlusPlus"),
    "layer_cam": cam("LayerCAM"),
    "hires_cam": cam("HiResCAM"),
    "xgrad_cam": cam("XGradCAM"),
    "elementwise_cam": cam("GradCAMElementWise"),
    "eigen_cam": cam("EigenCAM"),
    "saliency": attribution("Saliency"),
    "input_x_gradient": attribution("InputXGradient"),
    "guided_backprop": attribution("GuidedBackprop"),
}
"""Ten methods that take a pass or two each, so that the measures are what costs."""


class Given:
    """Maps that are there, as torchcam's metric takes them: it knows its own extractors only."""

    def __init__(self, model: nn.Module, maps: Tensor) -> None:
        self.model, self._maps = model, maps

    def __call__(self, class_idx: object = None, scores: object = None, **_: object) -> list[Tensor]:
        """The maps, whatever is asked."""
        return [self._maps]

    def fuse_cams(self, cams: list[Tensor]) -> Tensor:
        """The maps of the one layer."""
        return cams[0]

    def _hooks_off(self) -> Any:
        return nullcontext()


def deletion_and_insertion(model: nn.Module, x: Tensor, classes: Tensor, explain: Explain, maps: Tensor) -> object:
    """torchcam's, both at once."""
    from torchcam.metrics import DeletionInsertionMetric

    metric = DeletionInsertionMetric(Given(model, maps), lambda logits: logits.softmax(1), steps=STEPS)
    metric.update(x, classes.tolist())
    return metric.summary()


def road(model: nn.Module, x: Tensor, classes: Tensor, explain: Explain, maps: Tensor) -> object:
    """grad-cam's, both orders."""
    from pytorch_grad_cam.metrics.road import ROADCombined
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    targets = [ClassifierOutputSoftmaxTarget(each) for each in classes.tolist()]
    return ROADCombined(percentiles=list(SHARES))(x, np.asarray(maps), targets, model)


def infidelity(model: nn.Module, x: Tensor, classes: Tensor, explain: Explain, maps: Tensor) -> object:
    """captum's, of squares taken out."""
    from captum.metrics import infidelity as peer
    from captum.metrics import infidelity_perturb_func_decorator

    @infidelity_perturb_func_decorator(False)
    def square(inputs: Tensor) -> Tensor:
        side = inputs.shape[-1] // 4
        top, left = (int(torch.randint(inputs.shape[-1] - side, ())) for _ in range(2))
        changed = inputs.clone()
        changed[:, :, top : top + side, left : left + side] = 0
        return changed

    whole = (maps[:, None] / x.shape[1]).expand_as(x)
    options = {"n_perturb_samples": SAMPLES, "max_examples_per_batch": 32, "normalize": True}
    return peer(model, square, x, whole, target=classes, **options)


def max_sensitivity(model: nn.Module, x: Tensor, classes: Tensor, explain: Explain, maps: Tensor) -> object:
    """captum's, of the same method on noisy pictures."""
    from captum.metrics import sensitivity_max

    def again(inputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor]:
        new = inputs[0] if isinstance(inputs, tuple) else inputs
        with torch.enable_grad():  # captum calls it without
            return (explain(model, new, classes.repeat_interleave(len(new) // len(x))),)

    return sensitivity_max(again, x, n_perturb_samples=SAMPLES, max_examples_per_batch=32)


MEASURES = {
    "deletion, insertion": deletion_and_insertion,
    "road_morf, road_lerf": road,
    "infidelity": infidelity,
    "max_sensitivity": max_sensitivity,
}
"""By the names that ours have."""
