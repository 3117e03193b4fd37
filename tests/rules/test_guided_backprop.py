"""Guided backprop and the DeconvNet beside explicit passes written from their papers, and beside captum."""

import copy
import warnings
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.rules import RELU_RULES, Rectifiers
from featuremaps.runtime.recording import take
from featuremaps.session import preserved
from method_samples import Little, cifar_model, noise, photographs, small_photographs, squeezenet


def by_way(model: nn.Module, inputs: Tensor, target: int) -> dict[str, Tensor]:
    """All three ways, from one forward pass."""
    with preserved(model) as session:
        record = take(session, inputs, (), [fm.Logit(target)], input_gradients=RELU_RULES)
    return dict(record.input_gradients)


def close(actual: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    scale = float(expected.abs().max())
    assert scale > 0
    torch.testing.assert_close(actual / scale, expected / scale, rtol=0, atol=tolerance)


class VGG(nn.Module):
    """Convolutions, ReLUs and poolings in a row, as the DeconvNet was made for."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.stack = nn.Sequential(
            *(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 10, 3, stride=2), nn.ReLU(), nn.MaxPool2d(2)),
        )
        self.head = nn.Linear(10, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stack(x).flatten(2).max(2).values)


def unpooled(model: VGG, picture: Tensor, target: int, *, guided: bool) -> Tensor:
    """One picture down the network and back up: unpooling by switches, rectifying, transposed convolutions."""
    below: list[tuple[nn.Module, Tensor, Tensor | None]] = []
    x = picture[None]
    for module in model.stack:
        switches = None
        if isinstance(module, nn.MaxPool2d):
            out, switches = F.max_pool2d(x, 2, return_indices=True)
        else:
            out = module(x)
        below.append((module, x, switches))
        x = out
    signal = torch.zeros_like(x)
    for channel in range(x.shape[1]):
        place = int(x[0, channel].argmax())
        signal[0, channel].view(-1)[place] = model.head.weight[target, channel]
    for module, x, switches in reversed(below):
        if isinstance(module, nn.MaxPool2d):
            signal = F.max_unpool2d(signal, switches, 2, output_size=x.shape[2:])
        elif isinstance(module, nn.ReLU):
            signal = signal.clamp_min(0) * ((x > 0) if guided else 1)
        else:
            extra = [(n + 2 * module.padding[0] - 3) % module.stride[0] for n in x.shape[2:]]
            signal = F.conv_transpose2d(signal, module.weight, None, module.stride, module.padding, extra)
    return signal[0]


@torch.no_grad()
def test_the_explicit_deconvnet_and_guided_backprop() -> None:
    model, pictures = VGG().eval(), noise(2, (20, 20))
    for target in range(4):
        found = by_way(model, pictures, target)
        for way, guided in (("guided", True), ("deconvnet", False)):
            expected = torch.stack([unpooled(model, picture, target, guided=guided) for picture in pictures])
            close(found[way], expected)


@pytest.mark.parametrize("relu", ["module", "inplace", "functional"])
def test_relus_agree_however_they_are_written(relu: str) -> None:
    expected = by_way(Little("module"), noise(2), 1)
    found = by_way(Little(relu), noise(2), 1)
    for way in RELU_RULES:
        assert torch.equal(found[way], expected[way])


def test_one_forward_and_three_backwards_equal_three_of_each() -> None:
    model, pictures = VGG().eval(), noise(2, (20, 20))
    together = by_way(model, pictures, 2)
    forwards: list[int] = []
    model.register_forward_hook(lambda *_: forwards.append(1))
    for way in RELU_RULES:
        with preserved(model) as session:
            alone = take(session, pictures, (), [fm.Logit(2)], input_gradients=[way]).input_gradients
        assert set(alone) == {way}
        assert torch.equal(alone[way], together[way])
    assert len(forwards) == 3
    by_way(model, pictures, 2)
    assert len(forwards) == 4


def test_relu6_stops_at_its_top() -> None:
    x = torch.tensor([[-1.0, 3.0, 7.0]], requires_grad=True)
    for way, expected in (("gradient", [0, -2, 0]), ("guided", [0, 0, 0]), ("deconvnet", [0, 0, 0])):
        with Rectifiers() as rule:
            y = F.relu6(x)
        rule.way = way  # type: ignore[assignment]
        (found,) = torch.autograd.grad(y, x, torch.full_like(y, -2.0))
        assert found.tolist() == [expected]
    with Rectifiers() as rule:
        y = F.relu6(x)
    rule.way = "deconvnet"
    (found,) = torch.autograd.grad(y, x, torch.full_like(y, 2.0))
    assert found.tolist() == [[2, 2, 2]]


def as_modules(model: nn.Module) -> nn.Module:
    """The CIFAR ResNet-20 with a ReLU module of its own for each functional call."""
    rewritten = copy.deepcopy(model)

    def block_forward(self: nn.Module, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        if self.stride > 1 or self.extra:
            half = self.extra // 2
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.extra - half))
        return self.relu2(out + x)

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        out = self.layer3(self.layer2(self.layer1(self.relu(self.bn1(self.conv1(x))))))
        return self.linear(F.avg_pool2d(out, out.size()[3]).flatten(1))

    for block in (*rewritten.layer1, *rewritten.layer2, *rewritten.layer3):  # type: ignore[misc]
        block.relu1, block.relu2 = nn.ReLU(), nn.ReLU()
        block.forward = block_forward.__get__(block)
    rewritten.relu = nn.ReLU()
    rewritten.forward = forward.__get__(rewritten)
    return rewritten


def captums(model: nn.Module, pictures: Tensor, target: int) -> dict[str, Tensor]:
    from captum.attr import Deconvolution, GuidedBackprop

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "guided": GuidedBackprop(model).attribute(pictures.clone().requires_grad_(), target=target),
            "deconvnet": Deconvolution(model).attribute(pictures.clone().requires_grad_(), target=target),
        }


def test_functional_relus_of_the_real_resnet_are_seen(shared: Path) -> None:
    """captum on the copy with modules is the oracle; on the model itself it gives the plain gradient."""
    model, pictures = cifar_model(shared), small_photographs(shared)
    found = by_way(model, pictures, 3)
    for way, expected in captums(as_modules(model), pictures, 3).items():
        close(found[way], expected)
        assert not torch.allclose(found[way], found["gradient"], atol=0.1 * float(found["gradient"].abs().max()))


def test_the_real_squeezenet_as_captum_does_it(shared: Path) -> None:
    model, pictures = squeezenet(shared), photographs(shared, (280,), 160)
    plain = copy.deepcopy(model)
    for module in plain.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    target = int(model(pictures).argmax())
    found, expected = by_way(model, pictures, target), captums(plain, pictures, target)
    close(found["guided"], expected["guided"])
    torch.testing.assert_close(found["deconvnet"], expected["deconvnet"])


def test_zennits_rules_on_modules(shared: Path) -> None:
    from zennit.composites import DeconvNet, GuidedBackprop

    model, pictures = as_modules(cifar_model(shared)), small_photographs(shared)
    found = by_way(model, pictures, 3)
    for way, composite in (("guided", GuidedBackprop()), ("deconvnet", DeconvNet())):
        leaf = pictures.clone().requires_grad_()
        with composite.context(model) as changed:
            (expected,) = torch.autograd.grad(changed(leaf)[:, 3].sum(), leaf)
        close(found[way], expected)


def test_relus_are_counted_and_others_named() -> None:
    class Mixed(nn.Module):
        def __init__(self, *activations: nn.Module) -> None:
            super().__init__()
            self.conv, self.activations = nn.Conv2d(3, 2, 1), nn.ModuleList(activations)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            for activation in self.activations:
                x = activation(x)
            return x.mean((2, 3))

    def warned(*activations: nn.Module) -> tuple[str, ...]:
        scope = fm.Scope(Mixed(*activations).eval())
        return scope.explain(noise(1), "guided_backprop", target=0).warnings[0]

    assert warned(nn.ReLU(), nn.ReLU6()) == ()
    assert warned(nn.GELU(), nn.SiLU(), nn.GELU()) == (
        "guided backprop found nothing to act on (2 gelu, 1 silu kept their own gradient): this is the plain gradient.",
    )
    assert warned() == (
        "guided backprop found nothing to act on (no activation function was seen): this is the plain gradient.",
    )
    assert warned(nn.ReLU(), nn.SiLU(), nn.ReLU()) == (
        "guided backprop acted on 2 relu; 1 silu kept their own gradient.",
    )


@pytest.mark.parametrize("frozen", [True, False])
def test_rectifiers_off_the_pictures_way_are_not_counted(frozen: bool) -> None:
    """A bias made from weights by an MLP with ReLUs, as SwinV2's of positions: what comes back is the plain gradient."""

    class Biased(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 2)
            self.bias = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4), nn.Sigmoid())

        def forward(self, x: Tensor) -> Tensor:
            bias = F.relu(self.bias(torch.ones(1, 4)))[:, :, None, None]
            return self.head(F.gelu(self.conv(x) + bias).mean((2, 3)))

    model, pictures = Biased().eval().requires_grad_(not frozen), noise(1)
    found = fm.Scope(model).explain(pictures, "guided_backprop", target=0)
    x = pictures.clone().requires_grad_()
    torch.testing.assert_close(found.tensor, torch.autograd.grad(model(x)[:, 0].sum(), x)[0])
    assert found.warnings[0] == (
        "guided backprop found nothing to act on (1 gelu kept their own gradient): this is the plain gradient.",
    )
