"""What holds for every method, whatever its formula: equal ways of asking give equal maps."""

import copy
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

import featuremaps as fm
import method_samples
from featuremaps.errors import ModelError
from method_samples import FEWER, Little, noise, photographs, principal, squeezenet

ATTENDING = {name for name, method in fm.METHODS.items() if "attentions" in method.needs}
BOXES = {"d_rise"}  # which is for detectors: see tests/explain/test_detectors.py
ALL = sorted(set(fm.METHODS) - ATTENDING - BOXES)
RANDOM = sorted(name for name in {*fm.METHODS} - BOXES if "generator" in fm.METHODS[name].needs)
CHUNKED = sorted(name for name in {*fm.METHODS} - BOXES if "chunk" in fm.METHODS[name].options)
COMBINING = sorted(name for name, method in fm.METHODS.items() if "combine" in method.options)
BY_GRADIENT = sorted(name for name, method in fm.METHODS.items() if "gradients" in method.needs)

NOISY = {"ss_cam", "smooth_grad_cam_pp", "smooth_grad", "square_grad", "var_grad", "gradient_shap"}
NOISY |= {"rise", "lime", "kernel_shap"}
SIDED = NOISY | {"deconvnet"}  # noise has a left and right; a DeconvNet without pooling does not see the picture at all
SEEDED_BY_OPTION = {"integrated_gradients"}  # random only for baseline="uniform"

every_method = pytest.mark.parametrize("method", ALL)


def explained(model: nn.Module, pictures: Tensor, method: str, layer: str, **options: object) -> Tensor:
    return method_samples.explained(model, pictures, method, layer, **FEWER.get(method, {}), **options)


@cache
def little(relu: str = "module") -> Little:
    """The same model for every test that leaves it alone, so that its layers are found once."""
    return Little(relu)


def layer_for(method: str) -> str:
    """A signed layer that (in-place) ReLU follows; `cam` is defined for the last maps only."""
    return "features" if method == "cam" else "features.conv2"


def close(actual: Tensor, expected: Tensor, tolerance: float = 1e-4) -> None:
    """Equal to a share of the strongest value, and the strongest value is not zero."""
    scale = float(expected.abs().max())
    assert scale > 0
    torch.testing.assert_close(actual / scale, expected / scale, rtol=0, atol=tolerance)


@every_method
def test_batch_equals_one_by_one(method: str) -> None:
    model, pictures, layer = little(), noise(3), layer_for(method)
    whole = explained(model, pictures, method, layer)
    close(whole, torch.cat([explained(model, picture[None], method, layer) for picture in pictures]))


@every_method
def test_small_batches_equal_a_large_one(method: str) -> None:
    model, pictures, layer = little(), noise(3), layer_for(method)
    whole = explained(model, pictures, method, layer, target=[1, 0, 3])
    for size in (1, 2):
        close(explained(model, pictures, method, layer, target=[1, 0, 3], batch_size=size), whole)


@pytest.mark.parametrize("method", CHUNKED)
def test_chunks_of_channels_equal_all_at_once(method: str) -> None:
    model, pictures = little(), noise(2)
    whole = explained(model, pictures, method, "features.conv2", chunk=1000)
    for chunk in (1, 3, 5):
        close(explained(model, pictures, method, "features.conv2", chunk=chunk), whole)


@cache
def of_modules(method: str, layer: str) -> Tensor:
    return explained(little(), noise(2), method, layer, target=1)


@every_method
@pytest.mark.parametrize("relu", ["inplace", "functional"])
def test_way_of_writing_relu_does_not_matter(method: str, relu: str) -> None:
    for layer in {"features", layer_for(method)}:
        close(explained(little(relu), noise(2), method, layer, target=1), of_modules(method, layer))


@every_method
def test_channels_last_equals_contiguous(method: str) -> None:
    model, pictures, layer = little(), noise(2), layer_for(method)
    expected = explained(model, pictures, method, layer)
    close(explained(model, pictures.to(memory_format=torch.channels_last), method, layer), expected)
    other = copy.deepcopy(model).to(memory_format=torch.channels_last)
    close(explained(other, pictures, method, layer), expected)


@pytest.mark.parametrize("method", sorted({*ALL} - SIDED))
def test_flipped_picture_gives_flipped_map(method: str) -> None:
    model = Little()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.weight += module.weight.flip(-1)
    pictures, layer = noise(2, (17, 17)), layer_for(method)
    expected = explained(model, pictures, method, layer, target=2)
    assert not torch.allclose(expected, expected.flip(-1), atol=0.1 * float(expected.abs().max()))
    close(explained(model, pictures.flip(-1), method, layer, target=2), expected.flip(-1))


@every_method
def test_same_seed_same_map(method: str) -> None:
    model, pictures, layer = little(), noise(2), layer_for(method)
    torch.manual_seed(1)
    first = explained(model, pictures, method, layer, seed=3)
    torch.manual_seed(2)
    assert torch.equal(explained(model, pictures, method, layer, seed=3), first)
    other = explained(model, pictures, method, layer, seed=4)
    assert torch.equal(other, first) == (method not in RANDOM or method in SEEDED_BY_OPTION)


def test_targets_layers_and_methods_together_equal_one_at_a_time() -> None:
    model, pictures = little(), noise(2)
    scope = fm.Scope(model)
    targets = [None, fm.Margin(1, 3), fm.Probability(2)]
    layers = ["features.conv2", "features.conv3"]
    methods = [name for name in ALL if name != "cam"]
    together = scope.compare(pictures, methods, layers, targets, options=FEWER)
    of_layers = [name for name in methods if fm.METHODS[name].by_layer]
    of_pixels = [name for name in methods if not fm.METHODS[name].by_layer]
    assert list(together) == [
        key
        for target in targets
        for key in [
            *((m, layer, target) for layer in layers for m in of_layers),
            *((m, "input", target) for m in of_pixels),
        ]
    ]
    for (method, layer, target), heat in together.items():
        alone = scope.explain(
            pictures, method, layer="last" if layer == "input" else layer, target=target, **FEWER.get(method, {})
        )
        assert heat.targets == alone.targets or method in ("eigen_cam", "kpca_cam", "fem", "random_cam")
        close(heat.tensor, alone.tensor)


@every_method
def test_augment_is_the_mean_over_flipped_and_brightened_copies(method: str) -> None:
    model, pictures, layer = little(), noise(2), layer_for(method)
    plain, flipped = (
        explained(model, torch.cat([copy * factor for factor in (0.9, 1.0, 1.1)]), method, layer, target=1)
        for copy in (pictures, pictures.flip(-1))
    )
    expected = (plain + flipped.flip(-1)).unflatten(0, (3, -1)).mean(0) / 2
    close(explained(model, pictures, method, layer, target=1, smooth="augment"), expected)


def test_augment_keeps_the_top_class_of_the_picture_itself() -> None:
    class Sided(Little):
        """Says class 0 where the left half is brighter, else class 1."""

        def forward(self, x: Tensor) -> Tensor:
            maps = self.features(x).mean(1)
            left, right = maps[..., :2].sum((1, 2)), maps[..., 2:].sum((1, 2))
            return torch.stack([left, right], 1)

    pictures = noise(1)
    pictures[..., :8] *= 10
    heat = fm.Scope(Sided()).explain(pictures, "hires_cam", layer="features", smooth="augment")
    assert heat.targets == ("class 0",)
    expected = explained(Sided(), pictures, "hires_cam", "features", target=0, smooth="augment")
    close(heat.tensor, expected)


@pytest.mark.parametrize("method", COMBINING)
def test_eigen_smoothing_is_the_option_combine_principal(method: str) -> None:
    model, pictures, layer = little(), noise(2), layer_for(method)
    smooth = explained(model, pictures, method, layer, smooth="eigen")
    assert torch.equal(smooth, explained(model, pictures, method, layer, combine="principal"))
    assert not torch.allclose(smooth, explained(model, pictures, method, layer))


def test_eigen_smoothing_is_the_first_principal_component_of_the_contributions() -> None:
    model, pictures = little(), noise(2)
    record = fm.Scope(model).record(pictures, "features.conv2", target=1)
    activations, gradients = record.activations["features.conv2"], record.gradients["features.conv2"]
    contributions = (gradients.mean((2, 3), keepdim=True) * activations).numpy()
    expected = torch.tensor(contributions[:, 0] * 0)
    for i, picture in enumerate(contributions):
        expected[i] = torch.from_numpy(principal(picture))
    close(explained(model, pictures, "grad_cam", "features.conv2", target=1, smooth="eigen"), expected)


@pytest.fixture(scope="module")
def of_real_photographs(shared: Path) -> dict[torch.dtype, dict[str, Tensor]]:
    """The maps of every method by gradients, in both precisions, of passes that they share."""
    pictures, targets = photographs(shared, (0, 280, 430), 160), [0, 280, 430]
    maps: dict[torch.dtype, dict[str, Tensor]] = {}
    for dtype in (torch.float32, torch.bfloat16):
        scope = fm.Scope(squeezenet(shared, dtype))
        for layer, methods in (
            ("classifier.2", ["cam"]),
            ("features", [name for name in BY_GRADIENT if name != "cam"]),
        ):
            heats = scope.compare(pictures, methods, layer, [targets])
            maps.setdefault(dtype, {}).update({key[0]: heat.tensor for key, heat in heats.items()})
    return maps


@pytest.mark.parametrize("method", BY_GRADIENT)
def test_bfloat16_ranks_places_as_float32_does(
    method: str, of_real_photographs: dict[torch.dtype, dict[str, Tensor]]
) -> None:
    exact, rough = (of_real_photographs[dtype][method] for dtype in (torch.float32, torch.bfloat16))
    assert rough.dtype == torch.float32
    assert not torch.equal(exact, rough)
    for one, other in zip(exact, rough, strict=True):
        assert spearman(one, other) > 0.9


AUTOCAST: dict[str, Callable[[fm.Scope, Tensor], Tensor]] = {
    "record": lambda scope, pictures: scope.record(pictures, "features", target=1).gradients["features"],
    "maps": lambda scope, pictures: torch.stack([*scope.maps(pictures, "features").maps]),
    "predict": lambda scope, pictures: torch.tensor([[own.score for own in row] for row in scope.predict(pictures)]),
    "factorize": lambda scope, pictures: scope.factorize(pictures, "features", concepts=2).maps,
} | {
    method: lambda scope, pictures, method=method: scope.explain(pictures, method, layer="features", target=1).tensor
    for method in ("grad_cam", "saliency", "lrp", "score_cam", "ablation_cam", "occlusion", "rise", "deep_lift", "cam")
}


@pytest.mark.parametrize("ask", AUTOCAST)
def test_the_callers_autocast_changes_nothing(ask: str) -> None:
    """A model runs in its own precision, as each method says which it takes: one way for all."""
    scope, pictures = fm.Scope(little()), noise(2, (32, 32))
    exact = AUTOCAST[ask](scope, pictures)
    with torch.autocast("cpu", torch.bfloat16):
        again = AUTOCAST[ask](scope, pictures)
        assert torch.is_autocast_enabled("cpu")
    torch.testing.assert_close(again, exact, rtol=1e-5, atol=1e-6)


def test_a_model_that_needs_autocast_says_so() -> None:
    model = Little()
    model.head.bfloat16()
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(ModelError, match="several precisions"):
        explained(model, noise(2, (32, 32)), "grad_cam", "features", target=1)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_score_cam_in_half_precision_ranks_places_alike(precision: str) -> None:
    model, pictures = little(), noise(2, (32, 32))
    exact = explained(model, pictures, "score_cam", "features", target=1)
    rough = explained(model, pictures, "score_cam", "features", target=1, precision=precision)
    assert not torch.equal(exact, rough)
    for one, other in zip(exact, rough, strict=True):
        assert spearman(one, other) > 0.9


def spearman(first: Tensor, second: Tensor) -> float:
    """Correlation of the ranks of all places."""
    return float(spearmanr(first.flatten(), second.flatten()).statistic)
