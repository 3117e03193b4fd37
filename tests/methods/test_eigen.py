"""Principal components and outliers, each beside a plain re-derivation in NumPy."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

import featuremaps as fm
from featuremaps.errors import MethodError
from featuremaps.methods import eigen
from featuremaps.methods.channel_weights import principal_component
from method_samples import Little, explained, noise, principal


def signed(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


SHAPES = [(2, 5, 3, 4), (2, 30, 3, 2), (1, 1, 4, 4), (3, 4, 1, 6), (2, 16, 4, 4)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_eigen_cam_is_the_first_right_singular_vector(shape: tuple[int, ...]) -> None:
    """Wide and tall matrices take different ways."""
    maps = signed(*shape, seed=1)
    expected = np.stack([principal(picture) for picture in maps.numpy()])
    np.testing.assert_allclose(eigen.eigen_cam(maps).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_eigen_grad_cam_is_the_component_of_gradient_times_activation() -> None:
    maps, gradients = signed(2, 6, 3, 4, seed=2).relu(), signed(2, 6, 3, 4, seed=3)
    expected = np.stack([principal(picture) for picture in (maps * gradients).numpy()])
    np.testing.assert_allclose(eigen.eigen_grad_cam(maps, gradients).numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("formula", [eigen.eigen_cam, eigen.kpca_cam, principal_component])
def test_sign_is_that_of_the_mean_channel(formula: object) -> None:
    blob = torch.zeros(1, 6, 5, 5)
    blob[:, :, 1:3, 1:3] = signed(6, seed=4).abs()[None, :, None, None] + 0.1
    for maps, sign in ((blob, 1.0), (-blob, -1.0)):
        found = formula(maps)[0]  # type: ignore[operator]
        assert float(found[1, 1] - found[4, 4]) * sign > 0


@pytest.mark.parametrize(
    "maps",
    [torch.zeros(2, 4, 3, 3), torch.ones(1, 4, 3, 3) * 7, signed(2, 4, 1, 1)],
    ids=["dead", "constant", "one place"],
)
@pytest.mark.parametrize("name", ["eigen_cam", "kpca_cam", "fem"])
def test_nothing_varies_nothing_shown(name: str, maps: Tensor) -> None:
    found = fm.METHODS[name].formula(maps)
    torch.testing.assert_close(found, torch.zeros(len(maps), *maps.shape[2:]), rtol=0, atol=1e-5)


def test_dead_channels_and_scale_do_not_matter() -> None:
    maps = signed(2, 5, 3, 4, seed=5)
    padded = torch.cat([maps, torch.zeros(2, 40, 3, 4)], 1)
    torch.testing.assert_close(eigen.eigen_cam(padded), eigen.eigen_cam(maps), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(eigen.eigen_cam(maps * 1e-6), eigen.eigen_cam(maps) * 1e-6, rtol=1e-4, atol=1e-11)


def similarity(kernel: str, one: np.ndarray, other: np.ndarray, gamma: float) -> float:
    product = float((one * other).sum())
    if kernel == "linear":
        return product
    if kernel == "sigmoid":
        return math.tanh(gamma * product + 1)
    if kernel == "poly":
        return (gamma * product + 1) ** 3
    return math.exp(-gamma * float(((one - other) ** 2).sum()))


def kernel_component(maps: np.ndarray, kernel: str, gamma: float) -> np.ndarray:
    """First component of the doubly centred kernel matrix, entry by entry."""
    points = maps.reshape(len(maps), -1).T.astype(np.float64)
    points = points - points.mean(0)
    n = len(points)
    matrix = np.array([[similarity(kernel, a, b, gamma) for b in points] for a in points])
    ones = np.full((n, n), 1 / n)
    centred = matrix - ones @ matrix - matrix @ ones + ones @ matrix @ ones
    values, vectors = np.linalg.eigh(centred)
    component = vectors[:, -1] * math.sqrt(max(values[-1], 0.0))
    sign = -1.0 if (component * points.mean(1)).sum() < 0 else 1.0
    return (sign * component).reshape(maps.shape[1:])


@pytest.mark.parametrize("gamma", [0.0, 0.05])
@pytest.mark.parametrize("kernel", ["sigmoid", "rbf", "poly", "linear"])
def test_kpca_cam(kernel: str, gamma: float) -> None:
    maps = signed(2, 6, 4, 3, seed=6)
    expected = np.stack([kernel_component(picture, kernel, gamma or 1 / 6) for picture in maps.numpy()])
    found = eigen.kpca_cam(maps, kernel=kernel, gamma=gamma)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_kpca_cam_with_a_linear_kernel_is_eigen_cam() -> None:
    maps = signed(2, 6, 4, 3, seed=7)
    torch.testing.assert_close(eigen.kpca_cam(maps, kernel="linear"), eigen.eigen_cam(maps), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", ["sigmoid", "rbf", "linear"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_kpca_cam_of_a_large_layer_finds_the_same_component(kernel: str, symmetric: bool) -> None:
    """Above 1,024 places the component is found by iteration, which a symmetric picture must not mislead."""
    height, width = 33, 35
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    blob = torch.exp(-4 * (y**2 + x**2)) if symmetric else torch.exp(-4 * ((y - 0.4) ** 2 + (x + 0.3) ** 2))
    maps = blob * torch.tensor([3.0, 1.0, 2.0])[:, None, None] + 0.5 * torch.stack([y * x, y**2, x**2])
    found = eigen.kpca_cam(maps[None], kernel=kernel)[0].double()
    points = maps.double().flatten(1).T
    points = points - points.mean(0)
    products = points @ points.T / 3
    squares = products.diagonal()
    matrix = {
        "sigmoid": torch.tanh(products + 1),
        "rbf": torch.exp(-(squares[:, None] + squares - 2 * products)),
        "linear": products * 3,
    }[kernel]
    mean = matrix.mean(0)
    values, vectors = torch.linalg.eigh(matrix - mean - mean[:, None] + mean.mean())
    expected = vectors[:, -1] * values[-1].sqrt()
    expected = expected * (expected * points.mean(1)).sum().sign()
    scale = float(expected.abs().max())
    torch.testing.assert_close(found.flatten() / scale, expected / scale, rtol=0, atol=1e-4)


def test_kpca_cam_refuses_layers_that_would_not_fit_into_memory() -> None:
    with pytest.raises(MethodError, match="compares all positions .* this layer has 129 × 128; it takes up to 16384"):
        eigen.kpca_cam(torch.zeros(1, 2, 129, 128))


@pytest.mark.parametrize("sigmas", [2.0, 1.0, 0.0])
def test_fem_sums_the_means_of_the_channels_that_stand_out(sigmas: float) -> None:
    maps = signed(2, 5, 4, 6, seed=8).relu()
    maps[:, 2] = 3.0
    expected = torch.zeros(2, 4, 6, dtype=torch.float64)
    for i in range(2):
        for k in range(5):
            values = [float(value) for value in maps[i, k].flatten()]
            mean = sum(values) / 24
            deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / 24)
            for y in range(4):
                for x in range(6):
                    if float(maps[i, k, y, x]) > mean + sigmas * deviation + 1e-9:
                        expected[i, y, x] += mean
    torch.testing.assert_close(eigen.fem(maps, sigmas=sigmas).double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["eigen_cam", "kpca_cam", "eigen_grad_cam"])
def test_values_that_are_not_finite_stay_visible_in_their_own_picture(name: str) -> None:
    maps, gradients = signed(2, 5, 3, 3, seed=9), signed(2, 5, 3, 3, seed=10)
    broken = maps.clone()
    broken[0, 1, 1, 1] = torch.nan
    method = fm.METHODS[name]
    given = {"activations": broken, "gradients": gradients}
    found = method.formula(*(given[need] for need in method.needs))
    assert bool(found[0].isnan().all())
    whole = method.formula(*({**given, "activations": maps}[need] for need in method.needs))
    torch.testing.assert_close(found[1], whole[1])


@pytest.mark.parametrize("name", ["eigen_cam", "kpca_cam", "fem"])
def test_class_free_methods_do_not_depend_on_the_target(name: str) -> None:
    model = Little()
    first, second = (explained(model, noise(2), name, "features", target=target) for target in (0, 3))
    assert torch.equal(first, second)
    assert float(first.abs().max()) > 0
