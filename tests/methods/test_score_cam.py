"""Maps from masked pictures and removed channels, each beside a loop of full passes written from its paper."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import MethodError, OptionError
from featuremaps.methods.score_cam import ablation_cam, score_cam
from featuremaps.tail import Without
from method_samples import Curved, Little, cifar_model, explained, noise, small_photographs
from planted import KINDS as PLANTED

Measure = Callable[[Tensor], float]


def layer_output(model: nn.Module, pictures: Tensor, layer: nn.Module) -> Tensor:
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _, __, out: kept.append(out.clone()))
    with torch.no_grad():
        model(pictures)
    handle.remove()
    return kept[0]


def measure(model: nn.Module, weighting: str, target: int) -> Measure:
    """One picture's class probability or score, by a pass of its own."""

    def measured(picture: Tensor) -> float:
        with torch.no_grad():
            scores = model(picture[None])[0]
        return float((scores.softmax(0) if weighting == "probability" else scores)[target])

    return measured


def unit_mask(channel: Tensor, size: tuple[int, ...]) -> Tensor | None:
    """A channel enlarged, then scaled to 0..1; None where it is the same everywhere."""
    if float(channel.max()) == float(channel.min()):
        return None
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(size)]
    enlarged = F.interpolate(channel[None, None], size, mode=mode, align_corners=False)[0, 0]
    return (enlarged - enlarged.min()) / (enlarged.max() - enlarged.min())


def weighted_sum(activations: Tensor, gains: list[float | None], weighting: str) -> Tensor:
    """Σ wₖ·Aₖ of one picture; with "softmax" over the channels that have a mask."""
    known = torch.tensor([gain for gain in gains if gain is not None], dtype=torch.float64)
    weights = iter(known.softmax(0) if weighting == "softmax" else known)
    result = torch.zeros(activations.shape[1:], dtype=torch.float64)
    for maps, gain in zip(activations, gains, strict=True):
        if gain is not None:
            result += next(weights) * maps.double()
    return result


def masked_map(
    picture: Tensor,
    activations: Tensor,
    weighting: str,
    gain: Callable[[Tensor, Tensor], float],
    floor: float,
) -> Tensor:
    """Score-CAM and its kin for one picture: `gain(mask, channel)` is measured channel by channel."""
    gains: list[float | None] = []
    for channel in activations:
        mask = unit_mask(channel, tuple(picture.shape[1:]))
        gains.append(None if mask is None else gain(mask, channel) - floor)
    return weighted_sum(activations, gains, weighting)


def with_a_dead_channel() -> Little:
    """Channel 2 is the same everywhere, channel 3 is constant for no picture."""
    model = Little()
    with torch.no_grad():
        model.features.conv2.weight[2] = 0
    return model


def agree(actual: Tensor, expected: list[Tensor]) -> None:
    stacked = torch.stack(expected)
    scale = float(stacked.abs().max())
    assert scale > 0
    torch.testing.assert_close(actual.double() / scale, stacked / scale, rtol=0, atol=1e-4)


@pytest.mark.parametrize("weighting", ["probability", "score", "softmax"])
@pytest.mark.parametrize("baseline", ["zero", "blur"])
def test_score_cam(weighting: str, baseline: str) -> None:
    model, pictures = with_a_dead_channel(), noise(2, (64, 60))
    activations = layer_output(model, pictures, model.features.conv2)
    expected = []
    for picture, maps in zip(pictures, activations, strict=True):
        score = measure(model, weighting, 1)
        empty = torch.zeros_like(picture) if baseline == "zero" else blurred(picture)
        gain = lambda mask, _, p=picture, e=empty, s=score: s(e * (1 - mask) + p * mask)  # noqa: E731
        expected.append(masked_map(picture, maps, weighting, gain, score(empty)))
    found = explained(
        model, pictures, "score_cam", "features.conv2", target=1, weighting=weighting, baseline=baseline, chunk=5
    )
    agree(found, expected)


def blurred(picture: Tensor) -> Tensor:
    """A Gaussian of a tenth of the side, mirrored at the edges, along one axis and then the other."""
    sigma = min(picture.shape[1:]) / 10
    reach = round(2.5 * sigma)
    offsets = torch.arange(2 * reach + 1) - float(reach)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(3, 1, 2 * reach + 1)
    padded = F.pad(picture[None], (reach,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, kernel[:, :, None], groups=3), kernel[..., None], groups=3)[0]


def test_score_cam_weights_are_probabilities_by_default_also_for_a_margin() -> None:
    model, pictures = Little(), noise(1)
    found = explained(model, pictures, "score_cam", "features", target=fm.Margin(1, 0))
    assert torch.equal(found, explained(model, pictures, "score_cam", "features", target=1))
    scores = explained(model, pictures, "score_cam", "features", target=fm.Margin(1, 0), weighting="score")
    assert not torch.allclose(scores, found)


@pytest.mark.parametrize(("samples", "spread"), [(3, 0.2), (1, 0.0)])
def test_ss_cam(samples: int, spread: float) -> None:
    model, pictures = with_a_dead_channel(), noise(2)
    activations = layer_output(model, pictures, model.features.conv2)
    shifts = torch.randn((samples, 8, 8), generator=torch.Generator().manual_seed(4))
    expected = []
    for picture, maps in zip(pictures, activations, strict=True):
        score = measure(model, "probability", 2)

        def gain(_: Tensor, channel: Tensor, picture: Tensor = picture, score: Measure = score) -> float:
            reach = float(channel.max() - channel.min())
            noisy = [unit_mask(channel + spread * reach * shift, (16, 16)) for shift in shifts]
            return sum(score(picture * mask) for mask in noisy if mask is not None) / samples

        expected.append(masked_map(picture, maps, "probability", gain, score(torch.zeros_like(picture))))
    given = {"target": 2, "seed": 4, "samples": samples, "noise": spread}
    agree(explained(model, pictures, "ss_cam", "features.conv2", **given), expected)
    if not spread:
        agree(explained(model, pictures, "score_cam", "features.conv2", target=2), expected)


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("weighting", ["probability", "softmax"])
def test_is_cam(steps: int, weighting: str) -> None:
    model, pictures = with_a_dead_channel(), noise(2)
    activations = layer_output(model, pictures, model.features.conv2)
    expected = []
    for picture, maps in zip(pictures, activations, strict=True):
        score = measure(model, weighting, 2)
        gain = lambda m, _, p=picture, s=score: sum(s(p * m * (i + 1) / steps) for i in range(steps)) / steps  # noqa: E731
        expected.append(masked_map(picture, maps, weighting, gain, score(torch.zeros_like(picture))))
    found = explained(model, pictures, "is_cam", "features.conv2", target=2, steps=steps, weighting=weighting)
    agree(found, expected)


def without_channel(model: nn.Module, layer: nn.Module, channel: int, pictures: Tensor) -> Tensor:
    """The model's scores with one channel of the layer set to zero, by a full pass."""

    def zeroed(_: nn.Module, __: object, out: Tensor) -> Tensor:
        out = out.clone()
        out[:, channel] = 0
        return out

    handle = layer.register_forward_hook(zeroed)
    with torch.no_grad():
        scores = model(pictures)
    handle.remove()
    return scores


def ablated(model: nn.Module, pictures: Tensor, layer: nn.Module, target: int) -> list[Tensor]:
    activations = layer_output(model, pictures, layer).double()
    with torch.no_grad():
        whole = model(pictures)[:, target].double()
    result = [torch.zeros(activations.shape[2:], dtype=torch.float64) for _ in pictures]
    for channel in range(activations.shape[1]):
        scores = without_channel(model, layer, channel, pictures)[:, target].double()
        for i, map in enumerate(result):
            map += (whole[i] - scores[i]) / abs(whole[i]) * activations[i, channel]
    return result


@pytest.mark.parametrize("target", [0, 1, 2, 3])
@pytest.mark.parametrize("make", [Little, Curved])
def test_ablation_cam(make: type[Little], target: int) -> None:
    """Among the four classes are positive and negative scores."""
    model, pictures = make(), noise(2)
    expected = ablated(model, pictures, model.features.conv2, target)
    agree(explained(model, pictures, "ablation_cam", "features.conv2", target=target, chunk=3), expected)


def test_ablation_cam_keeps_its_sign_where_the_score_is_negative() -> None:
    """A channel that speaks for the class has a positive weight, whatever the sign of the score."""
    activations = torch.ones(1, 1, 1, 1)
    for offset in (5.0, -5.0):
        score = lambda maps, offset=offset: offset + 2 * maps.sum((1, 2, 3))  # noqa: E731
        found = float(ablation_cam(activations, score, Without(score, activations))[0, 0, 0])
        assert found == pytest.approx(2 / abs(offset + 2))


def test_ablation_cam_of_a_score_of_zero_is_zero_and_not_infinite() -> None:
    activations, score = torch.ones(2, 3, 2, 2), lambda maps: maps.sum((1, 2, 3)) * 0
    found = ablation_cam(activations, score, Without(score, activations))
    assert torch.equal(found, torch.zeros(2, 2, 2))


def test_ablation_cam_does_not_run_channels_that_are_zero_already() -> None:
    sizes: list[int] = []

    def score(maps: Tensor) -> Tensor:
        sizes.append(len(maps))
        return maps.sum((1, 2, 3)) + 1

    activations = torch.zeros(2, 10, 2, 2)
    activations[0, 3], activations[1, 7] = 1.0, 2.0
    found = ablation_cam(activations, score, Without(score, activations))
    assert sizes == [2, 4]
    torch.testing.assert_close(found[0], torch.full((2, 2), 4 / 5))
    torch.testing.assert_close(found[1], torch.full((2, 2), 2 * 8 / 9))


def test_masks_are_streamed_in_chunks_and_constant_channels_are_not_run() -> None:
    sizes: list[int] = []

    def score(pictures: Tensor) -> Tensor:
        sizes.append(len(pictures))
        return pictures.mean((1, 2, 3))

    activations = torch.randn(2, 9, 4, 4, generator=torch.Generator().manual_seed(0))
    activations[:, 5] = 3.0
    score_cam(activations, noise(2), score, score, chunk=6)
    assert sizes == [2, 6, 6, 4]


@pytest.mark.parametrize("name", ["score_cam", "ss_cam", "is_cam", "ablation_cam"])
def test_dead_layer_gives_a_zero_map_and_says_why(name: str) -> None:
    model = Little()
    with torch.no_grad():
        model.features.conv2.weight.zero_()
        model.features.conv2.bias.zero_()
    heat = fm.Scope(model).explain(noise(2), name, layer="features.conv2", target=1)
    assert torch.equal(heat.tensor, torch.zeros(2, 8, 8))
    assert heat.warnings[0] == (
        "The map is zero everywhere: every activation of the layer is zero (a dead layer) for this picture.",
    )


def test_a_score_that_is_not_a_number_is_not_taken_for_a_channel_without_weight() -> None:
    def score(pictures: Tensor) -> Tensor:
        scores = pictures.mean((1, 2, 3))
        scores[-1] = torch.nan
        return scores

    found = score_cam(torch.randn(1, 3, 4, 4), noise(1), lambda p: p.mean((1, 2, 3)), score)
    assert bool(found.isnan().all())


def test_options_that_count_must_be_positive() -> None:
    for method, option in (("ss_cam", "samples"), ("is_cam", "steps"), ("smooth_grad_cam_pp", "samples")):
        with pytest.raises(OptionError, match=f"option '{option}' is a number of repeats, 1 or more; got 0"):
            explained(Little(), noise(1), method, "features", **{option: 0})


@pytest.mark.parametrize("kind", ["ecg", "volumes"])
@pytest.mark.parametrize("name", ["score_cam", "ss_cam", "is_cam"])
def test_signals_and_volumes_are_masked_channel_by_channel(kind: str, name: str) -> None:
    make, items, _ = PLANTED[kind]
    model, inputs = make().eval(), items(2, 3).inputs
    given = {"ss_cam": {"samples": 1, "noise": 0.0}, "is_cam": {"steps": 3}}.get(name, {})
    steps = [1, 2, 3] if name == "is_cam" else [1]
    activations = layer_output(model, inputs, model.features[1])
    expected = []
    for one, maps in zip(inputs, activations, strict=True):
        score = measure(model, "probability", 1)
        gain = lambda m, _, o=one, s=score: sum(s(o * m * (step / len(steps))) for step in steps) / len(steps)  # noqa: E731
        expected.append(masked_map(one, maps, "probability", gain, score(torch.zeros_like(one))))
    heat = fm.Scope(model).explain(inputs, name, layer="features.1", target=1, **given)
    agree(heat.tensor, expected)


def test_eigen_smoothing_of_a_volume_has_its_axes() -> None:
    make, items, _ = PLANTED["volumes"]
    heat = fm.Scope(make().eval()).explain(items(1, 0).inputs, "score_cam", layer="features.3", smooth="eigen")
    assert heat.tensor.shape == (1, 4, 8, 8)


def test_masks_need_the_axes_of_the_input() -> None:
    mean = lambda inputs: inputs.mean((1, 2))  # noqa: E731
    with pytest.raises(
        MethodError, match=r"has shape \(1, 3, 16\), and the layer's maps .* \(1, 3, 1, 4\): other axes"
    ):
        score_cam(torch.randn(1, 3, 1, 4), torch.randn(1, 3, 16), mean, mean)


def test_on_the_real_resnet20(shared: Path) -> None:
    model = cifar_model(shared)
    pictures = small_photographs(shared, ("cat",))
    agree(explained(model, pictures, "ablation_cam", "layer3", target=3), ablated(model, pictures, model.layer3, 3))
    activations = layer_output(model, pictures, model.layer3)
    expected = []
    for picture, maps in zip(pictures, activations, strict=True):
        score = measure(model, "probability", 3)
        gain = lambda mask, _, p=picture, s=score: s(p * mask)  # noqa: E731
        expected.append(masked_map(picture, maps, "probability", gain, score(torch.zeros_like(picture))))
    agree(explained(model, pictures, "score_cam", "layer3", target=3), expected)
