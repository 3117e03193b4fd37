"""Maps from what varies or stands out in a layer: principal components and outliers, mostly without any class."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import MethodError
from featuremaps.methods.channel_weights import centred_points, oriented, principal_component
from featuremaps.methods.eigenpairs import lanczos, leading_eigenpair
from featuremaps.methods.registry import method
from featuremaps.methods.shapes import Map, Maps

Kernel = Literal["sigmoid", "rbf", "poly", "linear"]

MOST_POSITIONS = 128 * 128


@method(paper="Muhammad & Yeasin 2020, Eigen-CAM, eq. 4-6 (centred over the positions)")
def eigen_cam(activations: Maps) -> Map:
    """The first principal component of the channels; knows no class."""
    return principal_component(activations)


@method(paper="Eigen-CAM (Muhammad & Yeasin 2020) of gradient times activation")
def eigen_grad_cam(activations: Maps, gradients: Maps) -> Map:
    """The first principal component of gradient times activation: Eigen-CAM that knows the class."""
    return principal_component(gradients * activations)


@method(paper="Karmani et al. 2024, KPCA-CAM, section 3")
def kpca_cam(activations: Maps, *, kernel: Kernel = "sigmoid", gamma: float = 0.0) -> Map:
    """The first kernel principal component of the channels; knows no class.

    `gamma` scales the products of the sigmoid (tanh(γ·x·y + 1)), rbf and cubic kernels; 0 means 1 / channels.
    """
    batch, channels, height, width = activations.shape
    if height * width > MOST_POSITIONS:
        raise MethodError(
            f"kpca_cam compares all positions with each other, and this layer has {height} × {width}; "
            f"it takes up to {MOST_POSITIONS}. Choose a deeper layer."
        )
    points, broken = centred_points(activations)
    maps = torch.stack([_kernel_component(picture, kernel, gamma or 1 / channels) for picture in points])
    component = oriented(maps, points.mean(2)).masked_fill(broken, torch.nan)
    return component.reshape(batch, height, width).to(activations.dtype)


@method(paper="Fuad et al. 2020, Features understanding in 3D CNNs (FEM), k-sigma rule")
def fem(activations: Maps, *, sigmas: float = 2.0) -> Map:
    """Where channels stand out from themselves: Σ mean(A)·[A > mean + sigmas·deviation]; knows no class."""
    mean = activations.mean((2, 3), keepdim=True)
    deviation = activations.std((2, 3), keepdim=True, correction=0)
    return (mean * (activations > mean + sigmas * deviation)).sum(1)


def _kernel_component(points: Float[Tensor, "position channel"], kernel: Kernel, gamma: float) -> Tensor:
    """The positions' coordinates on the first component of the centred kernel matrix."""
    products = points @ points.mT
    if kernel == "rbf":
        squares = products.diagonal()
        similarity = torch.exp(-gamma * (squares[:, None] + squares[None, :] - 2 * products))
    elif kernel == "sigmoid":
        similarity = torch.tanh(gamma * products + 1)
    else:
        similarity = products if kernel == "linear" else (gamma * products + 1) ** 3
    mean = similarity.mean(0)
    centred = similarity - mean[None, :] - mean[:, None] + mean.mean()
    if len(points) <= 1024:
        value, vector = (part[0] for part in leading_eigenpair(centred[None]))
    else:
        value, vector = lanczos(centred)
    return vector * value.clamp_min(0).sqrt()
