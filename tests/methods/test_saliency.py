"""Pixel maps of one backward pass beside the gradient as plain autograd gives it."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import featuremaps as fm
from featuremaps.errors import MethodError
from featuremaps.methods import saliency
from method_samples import Little, explained, noise


def gradient(model: torch.nn.Module, pictures: Tensor, target: int) -> Tensor:
    leaf = pictures.clone().requires_grad_()
    return torch.autograd.grad(model(leaf)[:, target].sum(), leaf)[0]


def test_saliency_is_the_gradient_with_sign_and_colours() -> None:
    model, pictures = Little(), noise(2)
    torch.testing.assert_close(explained(model, pictures, "saliency", target=1), gradient(model, pictures, 1))
    assert fm.METHODS["saliency"].collapse == "max_abs"


def test_input_x_gradient() -> None:
    model, pictures = Little(), noise(2)
    found = explained(model, pictures, "input_x_gradient", target=1)
    torch.testing.assert_close(found, pictures * gradient(model, pictures, 1))


def test_guided_grad_cam_is_the_product_of_its_parts() -> None:
    model, pictures = Little(), noise(2)
    cam = explained(model, pictures, "grad_cam", "features.conv3", target=1).relu()
    enlarged = F.interpolate(cam[:, None], (16, 16), mode="bilinear", align_corners=False)
    expected = enlarged * explained(model, pictures, "guided_backprop", target=1)
    assert float(expected.abs().max()) > 0
    torch.testing.assert_close(explained(model, pictures, "guided_grad_cam", "features.conv3", target=1), expected)


def test_guided_grad_cam_needs_a_layer_with_the_axes_of_the_input() -> None:
    with pytest.raises(MethodError, match="lays the layer's map over the model's input, and they have 2 and 1 axes"):
        saliency.guided_grad_cam(torch.ones(1, 2, 1, 4), torch.ones(1, 2, 1, 4), torch.ones(1, 2, 9))
