"""The maps from one forward and one backward pass, each beside a plain loop written from its paper."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import MethodError, OptionError
from featuremaps.methods import cam
from featuremaps.runtime.record import Record
from method_samples import Curved, Little, explained, noise, principal

BATCH, CHANNELS, HEIGHT, WIDTH = 2, 5, 3, 4


def signed(seed: int = 0, shape: tuple[int, ...] = (BATCH, CHANNELS, HEIGHT, WIDTH)) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def positive(seed: int = 0) -> Tensor:
    """As after a ReLU: about half of the places are zero, and one channel is dead."""
    maps = signed(seed).relu()
    maps[:, 1] = 0
    return maps


SAMPLES = {
    "relu": (positive(1), signed(2)),
    "signed": (signed(3) + 0.3, signed(4)),
    "dead layer": (torch.zeros(BATCH, CHANNELS, HEIGHT, WIDTH), signed(5)),
    "no gradient": (signed(6), torch.zeros(BATCH, CHANNELS, HEIGHT, WIDTH)),
    "constant channels": (torch.ones(BATCH, CHANNELS, HEIGHT, WIDTH) * 2, signed(7)),
    "negative gradients": (positive(8), -signed(9).abs()),
    "one place": (signed(10)[..., :1, :1], signed(11)[..., :1, :1]),
    "one channel": (signed(12)[:, :1], signed(13)[:, :1]),
}
samples = pytest.mark.parametrize(("activations", "gradients"), SAMPLES.values(), ids=SAMPLES.keys())


def places(maps: Tensor) -> Iterator[tuple[int, int]]:
    return ((y, x) for y in range(maps.shape[-2]) for x in range(maps.shape[-1]))


def by_channel(activations: Tensor, gradients: Tensor, weight: Callable[[Tensor, Tensor], float]) -> Tensor:
    """Σₖ wₖ·Aₖ for every picture and place, in double precision."""
    result = torch.zeros(len(activations), *activations.shape[2:], dtype=torch.float64)
    for i in range(len(activations)):
        for k in range(activations.shape[1]):
            w = weight(activations[i, k].double(), gradients[i, k].double())
            for y, x in places(activations):
                result[i, y, x] += w * float(activations[i, k, y, x])
    return result


def by_place(activations: Tensor, gradients: Tensor, term: Callable[[float, float], float]) -> Tensor:
    """Σₖ term(Aₖ, gₖ) for every picture and place."""
    result = torch.zeros(len(activations), *activations.shape[2:], dtype=torch.float64)
    for i in range(len(activations)):
        for k in range(activations.shape[1]):
            for y, x in places(activations):
                result[i, y, x] += term(float(activations[i, k, y, x]), float(gradients[i, k, y, x]))
    return result


def agree(actual: Tensor, expected: Tensor) -> None:
    assert actual.shape == expected.shape
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual.double(), expected.double(), rtol=1e-4, atol=1e-5)


@samples
def test_grad_cam(activations: Tensor, gradients: Tensor) -> None:
    agree(
        cam.grad_cam(activations, gradients),
        by_channel(activations, gradients, lambda _, g: float(g.sum()) / g.numel()),
    )


def plus_plus_weight(maps: Tensor, gradient: Tensor, *, normalise: bool = False) -> float:
    """Chattopadhay et al., eq. 19 for α and eq. 5 for the weight; with `normalise`, as in their published code."""
    total = float(maps.sum())
    alphas: dict[tuple[int, int], float] = {}
    for y, x in places(maps):
        g = float(gradient[y, x])
        below = 2 * g**2 + total * g**3
        alphas[y, x] = g**2 / below if below else 0.0
    if normalise:
        whole = sum(alpha for (y, x), alpha in alphas.items() if gradient[y, x] > 0)
        alphas = {place: alpha / whole if whole else alpha for place, alpha in alphas.items()}
    return sum(alpha * max(float(gradient[y, x]), 0.0) for (y, x), alpha in alphas.items())


@samples
def test_grad_cam_pp(activations: Tensor, gradients: Tensor) -> None:
    agree(cam.grad_cam_pp(activations, gradients), by_channel(activations, gradients, plus_plus_weight))


@samples
def test_grad_cam_pp_with_normalised_alpha(activations: Tensor, gradients: Tensor) -> None:
    expected = by_channel(activations, gradients, lambda a, g: plus_plus_weight(a, g, normalise=True))
    agree(cam.grad_cam_pp(activations, gradients, normalise_alpha=True), expected)


def test_grad_cam_pp_survives_gradients_whose_square_is_zero() -> None:
    """A saturated probability has gradients of 1e-30; their powers underflow, the map must not."""
    activations, gradients = positive(1), signed(2)
    faint = cam.grad_cam_pp(activations, gradients * 1e-30)
    expected = by_channel(activations, gradients * 1e-30, lambda a, g: sum(max(float(v), 0) / 2 for v in g.flatten()))
    torch.testing.assert_close(faint.double(), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("name", ["relu", "dead layer", "no gradient", "constant channels", "one channel"])
def test_xgrad_cam(name: str) -> None:
    activations, gradients = SAMPLES[name]

    def weight(maps: Tensor, gradient: Tensor) -> float:
        total = float(maps.sum())
        return sum(float(maps[p] * gradient[p]) / total for p in places(maps)) if total else 0.0

    agree(cam.xgrad_cam(activations, gradients), by_channel(activations, gradients, weight))


def test_xgrad_cam_takes_the_mean_gradient_where_activations_cancel() -> None:
    activations = signed(1, (1, 2, 4, 4))
    activations[:, 0] -= activations[:, 0].mean() - 1e-6  # ΣA is 1.6e-5
    activations[:, 1] = activations[:, 1].abs()
    gradients = signed(2, (1, 2, 4, 4))
    own = (gradients[0, 1] * activations[0, 1]).sum() / activations[0, 1].sum()
    expected = gradients[0, 0].mean() * activations[0, 0] + own * activations[0, 1]
    agree(cam.xgrad_cam(activations, gradients), expected[None])


@samples
def test_layer_cam(activations: Tensor, gradients: Tensor) -> None:
    agree(cam.layer_cam(activations, gradients), by_place(activations, gradients, lambda a, g: max(g, 0.0) * a))


@samples
def test_hires_cam(activations: Tensor, gradients: Tensor) -> None:
    agree(cam.hires_cam(activations, gradients), by_place(activations, gradients, lambda a, g: g * a))


@samples
def test_elementwise_cam(activations: Tensor, gradients: Tensor) -> None:
    agree(cam.elementwise_cam(activations, gradients), by_place(activations, gradients, lambda a, g: max(g * a, 0.0)))


def test_hires_cam_is_complete_where_the_rest_is_linear() -> None:
    """Draelos & Carin: the map sums to the score minus the bias."""
    model = Little()
    record = fm.Scope(model).record(noise(2), "features", target=1)
    total = cam.hires_cam(record.activations["features"], record.gradients["features"]).sum((1, 2))
    torch.testing.assert_close(total, record.scores[0] - model.head.bias[1].detach())


@pytest.mark.parametrize("name", ["grad_cam", "grad_cam_pp", "xgrad_cam", "layer_cam", "hires_cam", "elementwise_cam"])
def test_combine_principal_replaces_the_sum_over_the_channels(name: str) -> None:
    formula = fm.METHODS[name].formula
    activations, gradients = SAMPLES["relu"]
    found = formula(activations, gradients, combine="principal")
    for i in range(BATCH):
        alone = [formula(activations[i : i + 1, k : k + 1], gradients[i : i + 1, k : k + 1]) for k in range(CHANNELS)]
        expected = principal(torch.cat(alone).numpy())
        np.testing.assert_allclose(found[i].numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("target", [0, 3])
def test_cam_is_the_heads_own_weights(target: int) -> None:
    model = Little()
    activations = fm.Scope(model).record(noise(2), "features").activations["features"]
    weights = model.head.weight.detach()
    expected = torch.zeros(2, *activations.shape[2:], dtype=torch.float64)
    for i in range(2):
        for k in range(activations.shape[1]):
            for y, x in places(activations):
                expected[i, y, x] += float(weights[target, k]) * float(activations[i, k, y, x])
    agree(explained(model, noise(2), "cam", "features", target=target), expected)
    margin = explained(model, noise(2), "cam", "features", target=fm.Margin(target, 1))
    agree(margin, expected - explained(model, noise(2), "cam", "features", target=1).double())


@pytest.mark.parametrize(
    ("layer", "target", "fault"),
    [
        ("features.conv2", 0, "positions of the layer count differently"),
        ("features", fm.Probability(0), "its score is not linear in this layer"),
    ],
)
def test_cam_refuses_other_heads(layer: str, target: object, fault: str) -> None:
    with pytest.raises(MethodError, match=f"cam needs a head that averages .* here {fault}.*or grad_cam"):
        explained(Little(), noise(1), "cam", layer, target=target)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_cam_recognises_a_linear_head_in_half_precision(dtype: torch.dtype) -> None:
    model = Little().to(dtype)
    with torch.no_grad():
        model.head.bias += 20  # far from zero, half precision rounds the scores coarsely
    maps = explained(model, noise(3), "cam", "features", target=1)
    expected = explained(Little(), noise(3), "cam", "features", target=1)
    torch.testing.assert_close(maps, expected, rtol=0, atol=0.03 * float(expected.abs().max()))


class Head:
    """What comes after a layer, as a formula meets it: pictures of k edits each to scores."""

    def __init__(self, model: nn.Module, target: int | None) -> None:
        self.model, self.target = model, target

    def __call__(self, maps: Tensor) -> Tensor:
        out = self.model(maps)
        return out if self.target is None else out[:, self.target]


def curved_head() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 2), nn.Tanh(), nn.Flatten(), nn.Linear(16, 5)).requires_grad_(False)


def test_shapley_cam_has_the_full_hessian() -> None:
    head = curved_head()
    activations = signed(1, (2, 3, 3, 3))
    score = Head(head, 2)
    expected = torch.zeros(2, 3, 3)
    for i, maps in enumerate(activations):
        flat = maps.flatten()

        def own(point: Tensor) -> Tensor:
            return score(point.reshape(1, 3, 3, 3))[0]

        gradient = torch.autograd.functional.jacobian(own, flat)
        hessian = torch.autograd.functional.hessian(own, flat)
        assert float(hessian.abs().max()) > 1e-3
        for k in range(3):
            terms = [gradient[j] - sum(hessian[j, m] * flat[m] for m in range(27)) / 2 for j in range(9 * k, 9 * k + 9)]
            expected[i] += torch.stack(terms).mean() * maps[k]
    agree(cam.shapley_cam(activations, score), expected)


class Attending(nn.Module):
    """A head of fused attention over the places, or of the same written out."""

    def __init__(self, fused: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.mixes, self.head, self.fused = nn.Linear(3, 12).requires_grad_(False), nn.Linear(4, 5), fused

    def forward(self, maps: Tensor) -> Tensor:
        query, key, value = self.mixes(maps.flatten(2).transpose(1, 2))[:, None].chunk(3, dim=-1)
        if self.fused:
            mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        else:
            mixed = (query @ key.mT / 2).softmax(-1) @ value
        return self.head(mixed[:, 0].mean(1))


def test_shapley_cam_goes_through_fused_attention() -> None:
    activations = signed(1, (2, 3, 3, 3))
    fused, written = (cam.shapley_cam(activations, Head(Attending(kind), 2)) for kind in (True, False))
    torch.testing.assert_close(fused, written)
    score = Head(Attending(False), 2)
    leaf = activations.clone().requires_grad_()
    (plain,) = torch.autograd.grad(score(leaf).sum(), leaf)
    assert not torch.allclose(fused, cam.grad_cam(activations, plain), rtol=0.05)


def test_shapley_cam_on_a_model_and_its_equality_with_grad_cam_for_relu() -> None:
    model, layer = Little(), "features.conv2"
    piecewise = explained(model, noise(2), "shapley_cam", layer, target=1)
    torch.testing.assert_close(piecewise, explained(model, noise(2), "grad_cam", layer, target=1))
    probable = fm.Probability(1)
    curved = explained(model, noise(2), "shapley_cam", layer, target=probable)
    assert not torch.allclose(curved, explained(model, noise(2), "grad_cam", layer, target=probable), rtol=0.05)


@pytest.mark.parametrize(("strength", "comparisons"), [(1.0, 3), (0.6, 2), (0.0, 1), (1.0, 99)])
def test_finer_cam(strength: float, comparisons: int) -> None:
    head = curved_head()
    activations = signed(3, (2, 3, 3, 3))
    logits, target = head(activations), torch.tensor([4, 1])
    expected = torch.zeros(2, 3, 3)
    for i in range(2):
        own = int(target[i])
        distances = {c: abs(float(logits[i, c] - logits[i, own])) for c in range(5) if c != own}
        others = sorted(distances, key=lambda c: distances[c])[:comparisons]
        maps = activations[i : i + 1].clone().requires_grad_()
        y = head(maps)[0]
        p = y.exp() / y.exp().sum()
        finer = sum(p[c] * (y[own] - strength * y[c]) for c in others) / sum(p[c] for c in others)
        gradient = torch.autograd.grad(finer, maps)[0][0]
        for k in range(3):
            expected[i] += gradient[k].mean() * activations[i, k]
    given = {"strength": strength, "comparisons": comparisons}
    agree(cam.finer_cam(activations, logits, target, Head(head, None), **given), expected)


def test_finer_cam_does_not_vanish_where_the_model_is_sure() -> None:
    model = Little()
    with torch.no_grad():
        model.head.bias[1] += 100  # every other class has a probability of 1e-40
    sure = explained(model, noise(2), "finer_cam", "features", target=1)
    plain = explained(model, noise(2), "grad_cam", "features", target=fm.Margin(1, 0))
    assert float(sure.abs().max()) > 0.1 * float(plain.abs().max())


def test_finer_cam_needs_other_classes() -> None:
    model = Little()
    model.head = nn.Linear(8, 1)
    with pytest.raises(MethodError, match="finer_cam compares classes, and the model gives a single class score"):
        explained(model, noise(1), "finer_cam", "features")
    with pytest.raises(OptionError, match="'comparisons' is a number of repeats, 1 or more; got 0"):
        explained(Little(), noise(1), "finer_cam", "features", comparisons=0)


def with_gradients(model: Little, pictures: Tensor, layer: nn.Module, target: int) -> tuple[Tensor, Tensor]:
    """Activations and gradients of a layer, by a hook of this test's own."""
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda _, __, out: kept.append(out))
    score = model(pictures)[:, target].sum()
    handle.remove()
    return kept[0].detach(), torch.autograd.grad(score, kept[0])[0]


@pytest.mark.parametrize(("samples", "spread"), [(1, 0.3), (4, 0.3), (3, 0.0)])
def test_smooth_grad_cam_pp(samples: int, spread: float) -> None:
    model, pictures = Curved(), noise(2)
    generator = torch.Generator().manual_seed(5)
    shifts = [torch.randn(pictures.shape[1:], generator=generator) for _ in range(samples)]
    activations = with_gradients(model, pictures, model.features.conv3, 1)[0]
    copies = [with_gradients(model, pictures + spread * s, model.features.conv3, 1)[1] for s in shifts]
    expected = torch.zeros(2, *activations.shape[2:], dtype=torch.float64)
    for i in range(2):
        for k in range(activations.shape[1]):
            weight, total = 0.0, float(activations[i, k].double().sum())
            for y, x in places(activations):
                powers = [sum(float(g[i, k, y, x]) ** n for g in copies) / samples for n in (1, 2, 3)]
                below = 2 * powers[1] + total * powers[2]
                weight += (powers[1] / below if below else 0.0) * max(powers[0], 0.0)
            expected[i] += weight * activations[i, k].double()
    found = explained(
        model, pictures, "smooth_grad_cam_pp", "features.conv3", target=1, seed=5, samples=samples, noise=spread
    )
    torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-5)
    if not spread:
        plain = explained(model, pictures, "grad_cam_pp", "features.conv3", target=1)
        torch.testing.assert_close(found, plain, rtol=1e-3, atol=1e-5)


def stretched(map: Tensor, height: int, width: int) -> Tensor:
    """Bilinear enlargement with aligned pixel edges, place by place."""
    rows, columns = map.shape
    result = torch.zeros(height, width, dtype=torch.float64)
    for y, x in places(result):
        v = min(max((y + 0.5) * rows / height - 0.5, 0.0), rows - 1.0)
        u = min(max((x + 0.5) * columns / width - 0.5, 0.0), columns - 1.0)
        top, left = math.floor(v), math.floor(u)
        low, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
        above = float(map[top, left]) * (1 - (u - left)) + float(map[top, right]) * (u - left)
        below = float(map[low, left]) * (1 - (u - left)) + float(map[low, right]) * (u - left)
        result[y, x] = above * (1 - (v - top)) + below * (v - top)
    return result


def refined(record: Record, layers: list[str]) -> Tensor:
    """The product of the layers' own Grad-CAM++ maps, cut at zero, enlarged and divided by their maximum."""
    size = record.activations[layers[0]].shape[2:]
    result = torch.ones(len(record.inputs), *size, dtype=torch.float64)
    for layer in layers:
        own = by_channel(record.activations[layer], record.gradients[layer], plus_plus_weight)
        for i in range(len(own)):
            enlarged = stretched(own[i].clamp_min(0), *size)
            result[i] *= enlarged / enlarged.max() if enlarged.max() > 0 else 0.0
    return result


def test_refine_cam_multiplies_the_deeper_layers() -> None:
    model, pictures = Little(), noise(2)
    found = explained(model, pictures, "refine_cam", "features.conv1", target=2)
    assert found.shape == (2, 16, 16)
    assert float(found.max()) > 0
    assert float(found.min()) == 0
    layers = fm.Scope(model).layers(pictures)
    middle = next(name for name in layers.stages if layers[name].size == (8, 8))
    assert layers.stages[-1] == "features"
    record = fm.Scope(model).record(pictures, ["features.conv1", middle, "features"], target=2)
    agree(found, refined(record, ["features.conv1", middle, "features"]))
    alone = explained(model, pictures, "refine_cam", "features", target=2)
    agree(alone, refined(record, ["features"]))


def test_random_cam_knows_only_the_seed() -> None:
    model, pictures = Little(), noise(2)
    activations = fm.Scope(model).record(pictures, "features").activations["features"]
    weights = torch.rand(8, generator=torch.Generator().manual_seed(7)) * 2 - 1
    expected = torch.zeros(2, *activations.shape[2:])
    for k in range(8):
        expected += weights[k] * activations[:, k]
    agree(explained(model, pictures, "random_cam", "features", seed=7, target=3), expected)
