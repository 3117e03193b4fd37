"""Averages of many gradients beside plain loops written from their papers, and beside captum."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import OptionError
from featuremaps.methods.baselines import baseline_of
from method_samples import Curved, Little, cifar_model, explained, noise, small_photographs


def gradient(model: nn.Module, picture: Tensor, target: int) -> Tensor:
    leaf = picture[None].clone().requires_grad_()
    return torch.autograd.grad(model(leaf)[0, target], leaf)[0][0]


def midpoint_path(model: nn.Module, picture: Tensor, baseline: Tensor, target: int, steps: int = 400) -> Tensor:
    """Equation 3 of the paper, with the middle of each step."""
    places = (torch.arange(steps) + 0.5) / steps
    path = torch.stack([baseline + place * (picture - baseline) for place in places]).requires_grad_()
    gradients = torch.autograd.grad(model(path)[:, target].sum(), path)[0]  # of each picture its own
    return (picture - baseline) * gradients.mean(0)


@pytest.mark.parametrize("baseline", ["zero", "blur"])
def test_integrated_gradients(baseline: str) -> None:
    model, pictures = Curved(), noise(2, (60, 60)).mul(0.5)
    found = explained(model, pictures, "integrated_gradients", target=1, baseline=baseline, steps=64)
    starts = baseline_of(pictures, baseline)  # type: ignore[arg-type]
    expected = torch.stack([midpoint_path(model, p, b, 1) for p, b in zip(pictures, starts, strict=True)])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-2 * float(expected.abs().max()))


def test_integrated_gradients_as_captum_does_it(shared: Path) -> None:
    from captum.attr import IntegratedGradients

    # In double precision, so that no ReLU on the way flips by rounding.
    model, pictures = cifar_model(shared).double(), small_photographs(shared).double()
    expected = IntegratedGradients(model).attribute(pictures, target=3, n_steps=20, method="gausslegendre")
    found = explained(model, pictures, "integrated_gradients", target=3, steps=20)
    torch.testing.assert_close(found, expected.float(), rtol=0, atol=1e-4 * float(expected.abs().max()))


def test_values_add_up_to_the_gain_and_what_is_missing_is_remarked(shared: Path) -> None:
    model, pictures = cifar_model(shared), small_photographs(shared)
    with torch.no_grad():
        gain = (model(pictures) - model(torch.zeros_like(pictures)))[:, 3]
    errors = []
    for steps in (4, 256):
        heat = fm.Scope(model).explain(pictures, "integrated_gradients", target=3, steps=steps)
        missing = heat.tensor.flatten(1).sum(1) - gain
        torch.testing.assert_close(torch.tensor(heat.remarks["completeness error"]), missing, rtol=1e-3, atol=1e-4)
        errors.append(float(missing.abs().max()))
    assert errors[1] < 0.05 * float(gain.abs().max())
    assert errors[1] < errors[0]


def test_several_random_baselines_are_averaged() -> None:
    model, pictures = Little(), noise(2)
    found = explained(model, pictures, "integrated_gradients", target=1, baseline="uniform", baselines=3, seed=5)
    generator = torch.Generator().manual_seed(5)
    starts = [baseline_of(pictures, "uniform", generator) for _ in range(3)]
    expected = [
        torch.stack([midpoint_path(model, p, b, 1) for p, b in zip(pictures, start, strict=True)]) for start in starts
    ]
    torch.testing.assert_close(
        found, torch.stack(expected).mean(0), rtol=0, atol=0.03 * float(torch.stack(expected).abs().max())
    )


def noisy_gradients(model: nn.Module, pictures: Tensor, target: int, samples: int, noise: float) -> Tensor:
    """(sample, batch, colour, height, width), one at a time, from the generator a method is given."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(samples):
        shift = torch.randn(pictures.shape[1:], generator=generator)
        found.append(
            torch.stack([gradient(model, p + noise * float(p.max() - p.min()) * shift, target) for p in pictures])
        )
    return torch.stack(found)


@pytest.mark.parametrize(
    ("method", "moment"),
    [
        ("smooth_grad", lambda found: found.mean(0)),
        ("square_grad", lambda found: found.square().mean(0)),
        ("var_grad", lambda found: found.var(0, correction=0)),
    ],
)
def test_moments_of_noisy_gradients(method: str, moment: object) -> None:
    model, pictures = Curved(), noise(2)
    found = explained(model, pictures, method, target=1, samples=7, noise=0.3)
    expected = moment(noisy_gradients(model, pictures, 1, 7, 0.3))  # type: ignore[operator]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


def test_gradient_shap_by_hand() -> None:
    model, pictures = Curved(), noise(2)
    found = explained(model, pictures, "gradient_shap", target=1, samples=5, noise=0.1)
    generator = torch.Generator().manual_seed(0)
    expected = torch.zeros_like(pictures)
    for _ in range(5):
        start = baseline_of(pictures, "uniform", generator)
        shift = torch.randn(pictures.shape[1:], generator=generator)
        share = torch.rand((), generator=generator)
        for i, picture in enumerate(pictures):
            shaken = picture + 0.1 * float(picture.max() - picture.min()) * shift
            way = shaken - start[i]
            expected[i] += way * gradient(model, start[i] + share * way, 1) / 5
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


def test_gradient_shap_adds_up_in_the_mean() -> None:
    heat = fm.Scope(Little()).explain(noise(1), "gradient_shap", target=1, samples=2000, chunk=200)
    assert abs(heat.remarks["completeness error"][0]) < 0.05 * float(heat.tensor.abs().sum())


def test_memory_does_not_grow_with_the_number_of_steps() -> None:
    sizes: list[int] = []
    model = Little()
    model.register_forward_pre_hook(lambda _, args: sizes.append(len(args[0])))
    explained(model, noise(2), "integrated_gradients", target=1, steps=50, chunk=6)
    assert max(sizes) == 6


@pytest.mark.parametrize(
    ("method", "options"),
    [("smooth_grad", {"samples": 0}), ("integrated_gradients", {"steps": 0}), ("gradient_shap", {"samples": -1})],
)
def test_counts_below_one_are_refused(method: str, options: dict[str, int]) -> None:
    with pytest.raises(OptionError, match="is a number of repeats, 1 or more"):
        explained(Little(), noise(1), method, **options)


def test_baselines() -> None:
    inputs = noise(2, (60, 60))
    assert float(baseline_of(inputs, "zero").abs().max()) == 0
    assert float(baseline_of(inputs, "blur").std()) < 0.2 * float(inputs.std())
    uniform = baseline_of(inputs, "uniform", torch.Generator().manual_seed(0))
    for picture, made in zip(inputs, uniform, strict=True):
        for colour, values in zip(picture, made, strict=True):
            assert float(colour.min()) <= float(values.min()) < float(values.max()) <= float(colour.max())
