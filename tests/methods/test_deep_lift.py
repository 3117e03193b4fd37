"""DeepLIFT beside captum's, on small nets, the real SqueezeNet and the real CIFAR ResNet-20, and its completeness."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from benchmarks.resnet20 import ResNet20
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.methods.baselines import baseline_of
from featuremaps.methods.deep_lift import deep_lift
from method_samples import cifar_model, noise, photographs, small_photographs, squeezenet
from propagating import Given


def ours(model: nn.Module, x: Tensor, target: int | list[int], **options: Any) -> tuple[Tensor, Given]:
    given = Given(model, x, target)
    return given.run(deep_lift, "inputs", "propagate", "score", "remark", **options), given


def captum(model: nn.Module, x: Tensor, target: int | list[int]) -> Tensor:
    """One picture at a time: captum takes the first picture's gradient for all where a max pool's input is flat."""
    from captum.attr import DeepLift

    targets = [target] * len(x) if isinstance(target, int) else target
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [
            DeepLift(model).attribute(row[None], torch.zeros_like(row[None]), target=index)
            for row, index in zip(x, targets, strict=True)
        ]
    return torch.cat(found).detach()


def agree(actual: Tensor, expected: Tensor, tolerance: float = 1e-4) -> None:
    scale = float(expected.abs().max())
    assert scale > 0
    torch.testing.assert_close(actual / scale, expected / scale, rtol=0, atol=tolerance)


def is_complete(model: nn.Module, x: Tensor, given: Given, baseline: Tensor) -> None:
    change = given.score(x) - given.score(baseline)
    assert float((given.remarks["completeness error"] / change).abs().max()) < 1e-4


class Copy(nn.Module):
    """Passes a copy on, so that a max pool's input is not the very tensor that an activation gave.

    Where it is, captum hands the activation the max pool's plain gradient, and its contributions do not add up.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x.clone()


class EveryReLU(ResNet20):
    """The ResNet-20 with a module of its own for each call of a ReLU, as captum needs it."""

    def __init__(self, plain: ResNet20) -> None:
        super().__init__()
        self.load_state_dict(plain.state_dict())
        self.relu = nn.ReLU()
        for block in self.blocks():
            block.relu1, block.relu2 = nn.ReLU(), nn.ReLU()

    def blocks(self) -> list[Any]:
        return [*self.layer1, *self.layer2, *self.layer3]

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        for block in self.blocks():
            out = block.bn2(block.conv2(block.relu1(block.bn1(block.conv1(x)))))
            if block.stride > 1 or block.extra:
                half = block.extra // 2
                x = F.pad(x[:, :, :: block.stride, :: block.stride], (0, 0, 0, 0, half, block.extra - half))
            x = block.relu2(out + x)
        return self.linear(x.mean((2, 3)))


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.ELU])
@pytest.mark.parametrize("pool", [nn.Sequential(Copy(), nn.MaxPool2d(2)), nn.AvgPool2d(2)], ids=["max", "mean"])
def test_small_nets_against_captum(activation: type[nn.Module], pool: nn.Module) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        activation(),
        pool,
        nn.Conv2d(6, 8, 3),
        activation(),
        nn.Flatten(),
        nn.Linear(288, 4),
    ).eval()
    x = noise(3)
    found, given = ours(model, x, 1)
    agree(found, captum(model, x, 1))
    is_complete(model, x, given, torch.zeros_like(x))


def test_resnet20_with_functional_relus_equals_a_copy_with_modules_in_captum(shared: Path) -> None:
    model, x = cifar_model(shared), small_photographs(shared)
    copy = EveryReLU(model).eval()
    torch.testing.assert_close(copy(x), model(x))
    found, given = ours(model, x, [3, 8])
    agree(found, captum(copy, x, [3, 8]))
    is_complete(model, x, given, torch.zeros_like(x))
    assert float((captum(model, x, [3, 8]) - found).abs().max() / found.abs().max()) > 0.1


def test_the_real_squeezenet_against_captum(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its max pools overlap: captum overwrites where two windows have the same maximum, so its unpooling is made to add.

    Without that its contributions do not add up to the change of the score, and ours do.
    """
    model, x = squeezenet(shared), photographs(shared, (0, 280), 129)
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.ReLU):
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, nn.ReLU())
        if isinstance(module, nn.MaxPool2d):
            model.features[int(name.split(".")[1])] = nn.Sequential(Copy(), module)

    def adding(values: Tensor, places: Tensor, *given: Any) -> Tensor:
        shape = given[-1]
        empty = values.new_zeros(shape).flatten(2)
        return empty.scatter_add(2, places.flatten(2), values.flatten(2)).view(shape)

    found, given = ours(model, x, [0, 280])
    is_complete(model, x, given, torch.zeros_like(x))
    overwriting = captum(model, x, [0, 280])
    monkeypatch.setattr(F, "max_unpool2d", adding)
    agree(found, captum(model, x, [0, 280]))
    assert float((overwriting - found).abs().max() / found.abs().max()) > 1e-2


def test_in_place_modules_give_the_same_on_the_real_squeezenet(shared: Path) -> None:
    model, x = squeezenet(shared), photographs(shared, (280,), 129)
    found, _ = ours(model, x, 280)
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = not module.inplace
    assert torch.equal(ours(model, x, 280)[0], found)


@pytest.mark.parametrize("baseline", ["zero", "blur", "mean"])
def test_contributions_add_up_for_every_baseline(shared: Path, baseline: Any) -> None:
    model, x = cifar_model(shared), small_photographs(shared)
    found, given = ours(model, x, [3, 8], baseline=baseline)
    empty = baseline_of(x, baseline)
    is_complete(model, x, given, empty)
    change = given.score(x) - given.score(empty)
    torch.testing.assert_close(found.flatten(1).sum(1), change, rtol=1e-4, atol=1e-4)
    assert found.shape == x.shape
    assert float(found.min()) < 0 < float(found.max())


class Gate(nn.Module):
    """A normalisation, whose multiplier is large where the baseline is flat, and weights without a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(4), nn.Linear(4, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.linear(self.norm(x)))


def test_what_overflows_on_its_way_is_said() -> None:
    torch.manual_seed(0)
    stem = [nn.Conv2d(3, 16, 8, 8, bias=False), nn.Flatten(2)]
    model = nn.Sequential(*stem, *[Gate() for _ in range(30)], nn.Flatten(), nn.Linear(64, 3)).eval()
    found = fm.Scope(model).explain(torch.randn(1, 3, 16, 16), "deep_lift", target=1)
    assert not found.tensor.isfinite().any()
    (notes,) = found.warnings
    assert notes[0] == "768 of 768 values are not finite."
    assert notes[1].startswith("What DeepLIFT's rescale rule sends back grew beyond all numbers on its way")
