"""A model that does not run on what it is given says why in words."""

import pytest
import torch
import torchvision
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import ModelError
from featuremaps.runtime.run_errors import run_on
from method_samples import Little, noise
from snapshots import snapshot

SMALL = torch.rand(1, 3, 6, 6)


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, picture: Tensor, depth: Tensor) -> Tensor:
        return self.conv(picture + depth).mean((2, 3))


@pytest.mark.parametrize(
    "ask",
    [
        lambda scope: scope.explain(SMALL, "saliency"),
        lambda scope: scope.explain(SMALL, "lrp"),
        lambda scope: scope.explain(SMALL, "occlusion"),
        lambda scope: scope.explain(SMALL, "grad_cam", layer="features"),
        lambda scope: scope.maps(SMALL, "features"),
        lambda scope: scope.project(SMALL, "features.3:1"),
        lambda scope: scope.record(SMALL, "features"),
    ],
)
def test_pictures_smaller_than_the_kernel(ask: object) -> None:
    model = torchvision.models.squeezenet1_0().eval()
    before = snapshot(model, SMALL)
    with pytest.raises(ModelError, match="SqueezeNet cannot run on pictures of 6×6: they are smaller than a kernel"):
        ask(fm.Scope(model))  # type: ignore[operator]
    assert before.differences(snapshot(model, SMALL)) == []


@pytest.mark.parametrize("ask", [lambda s: s.explain(noise(1), "saliency"), lambda s: s.maps(noise(1), "conv")])
def test_a_model_of_two_inputs(ask: object) -> None:
    with pytest.raises(ModelError, match=r"Two.forward takes 2 inputs \(picture, depth\), .* Wrap it in a module"):
        ask(fm.Scope(Two()))  # type: ignore[operator]


class ByName(Little):
    def forward(self, *, pixels: Tensor) -> Tensor:
        return super().forward(pixels)


class OfDict(Little):
    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return super().forward(batch["image"])


class Positions(Little):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + torch.zeros(1, 3, 24, 24))


class Mixing(Little):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.double())


@pytest.mark.parametrize(
    ("model", "inputs", "words"),
    [
        (ByName, noise(1), r"ByName.forward takes its inputs by name only \(pixels\)"),
        (OfDict, noise(1), "Where it takes a dict or a list, wrap it"),
        (Mixing, noise(1), "it computes in several precisions"),
        (Little, torch.zeros(1, 16, 16, 4), r"tensor.permute\(0, 3, 1, 2\) puts them first"),
        (Positions, noise(1), "values do not fit each other, as places and their embeddings"),
    ],
)
def test_inputs_that_a_model_takes_otherwise(model: type[Little], inputs: Tensor, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        fm.Scope(model()).explain(inputs, "saliency")


class Mapped(Little):
    def forward(self, x: Tensor) -> Tensor:
        pooled = self.features(x).mean((2, 3))
        weights = self.head.weight * torch.tensor([1.0, 2.0])[:, None, None]
        return torch.vmap(lambda weight: pooled @ weight.T)(weights).sum(0)


class Inward(Little):
    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            maps = self.features(x)
            (inner,) = torch.autograd.grad(maps.square().sum(), maps)
        return self.head((maps - inner).mean((2, 3)))


@pytest.mark.parametrize(
    ("model", "method", "words"),
    [
        (Mapped, "lrp", "Mapped runs a part of itself through torch.vmap"),
        (Inward, "ablation_cam", "takes gradients"),
    ],
)
def test_models_that_use_gradients_themselves(model: type[Little], method: str, words: str) -> None:
    scope = fm.Scope(model())
    assert scope.explain(noise(1), layer="features").tensor.isfinite().all()
    with pytest.raises(ModelError, match=words):
        scope.explain(noise(1), method, layer="features")


def test_a_second_derivative_that_torch_does_not_have_is_said() -> None:
    with (
        pytest.raises(
            ModelError, match="Little has an operation whose gradient has none of its own, which this method"
        ),
        run_on(Little(), noise(1)),
    ):
        raise RuntimeError("derivative for aten::_fused_backward is not implemented")


def test_other_errors_of_a_model_stay_its_own() -> None:
    class Broken(Little):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("my own")

    with pytest.raises(RuntimeError, match="my own"):
        fm.Scope(Broken()).explain(noise(1), "saliency")


def test_weights_that_are_not_finite_are_named_before_a_unit_is_projected() -> None:
    model = Little()
    with torch.no_grad():
        model.features.conv3.weight[1] = torch.nan
    with pytest.raises(ModelError, match=r"unit features:1 has values that are not finite.*features.conv3.weight"):
        fm.Scope(model).project(noise(1), "features:1")


class OfOneSize(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (64, 64):
            raise ValueError(f"Input image size ({x.shape[2]}*{x.shape[3]}) doesn't match model (64*64).")
        return x.mean((2, 3))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Conv2d(1, 2, 3), r"it takes grey pictures, of one channel, and was given three.*--grey"),
        (OfOneSize(), r"it takes pictures of one size\. Give a transform of that size, .*--size\. .*model \(64\*64\)"),
    ],
    ids=["grey", "one size"],
)
def test_what_a_transform_should_have_done_is_said(model: nn.Module, message: str) -> None:
    with pytest.raises(ModelError, match=message), run_on(model, torch.zeros(1, 3, 32, 32)):
        model(torch.zeros(1, 3, 32, 32))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("selected index k out of range", "cannot run on pictures of 9×9: too few places are left of them"),
        (
            "Expected more than 1 value per channel when training, got input size [1, 8, 1, 1]",
            "too few places are left",
        ),
        ("The size of tensor a (784) must match the size of tensor b (64)", "pictures of the size that it takes"),
        ("There was no rule registered for HigherOrderOperator flex_attention", "Give it scaled_dot_product_attention"),
    ],
)
def test_what_torch_says_of_a_model_is_put_into_words(said: str, meant: str) -> None:
    class Fails(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError(said)

    with pytest.raises(ModelError, match=meant), run_on(Fails(), torch.zeros(1, 3, 9, 9)):
        Fails()(torch.zeros(1, 3, 9, 9))


def test_grey_pictures_for_a_model_of_colours_are_told() -> None:
    with pytest.raises(ModelError, match=r"takes pictures in colours.*Leave out grey=True, --grey"):
        fm.Scope(nn.Conv2d(3, 2, 3)).record(torch.rand(1, 1, 8, 8), "last", gradients=False)


def test_an_assertion_without_words_is_told_as_such() -> None:
    with (
        pytest.raises(ModelError, match=r"shape \(1, 3, 4, 4\): it does not say what"),
        run_on(Little(), torch.zeros(1, 3, 4, 4)),
    ):
        raise AssertionError
