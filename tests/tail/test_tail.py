"""The tail of a model: three ways, one result, on every family and on real weights; and nothing left behind."""

import copy
import gc
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks.resnet20 import ResNet20
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision import models
from torchvision.transforms import v2

from edits import WAYS, Branching, error, one_by_one, pictures, zeroed
from families import FAMILIES, calibrated
from featuremaps.errors import LayerNotFoundError, LayoutError, OptionError
from featuremaps.session import preserved
from featuremaps.tail import Tail
from snapshots import snapshot

# Where a family takes smaller pictures than its own size, and its last maps stay larger than one place if they were.
SMALLEST = dict.fromkeys(("resnet18", "squeezenet1_0", "mobilenet_v3_small", "efficientnet_b0"), 40)
SMALLEST |= dict.fromkeys(("regnet_x_400mf", "shufflenet_v2_x0_5", "swin"), 40)
SMALLEST |= {"vgg11": 32, "googlenet": 48, "inception_v3": 75}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@cache
def network(name: str) -> tuple[nn.Module, int]:
    if name == "resnet20":
        torch.manual_seed(0)
        return ResNet20().eval(), 32
    return calibrated(FAMILIES[name]), FAMILIES[name].size


@dataclass(frozen=True)
class Subject:
    """A model in double precision, so that another order of sums or a ReLU flipped by rounding is no part of the law."""

    model: nn.Module
    size: int
    layers: tuple[str, str, str]


@pytest.fixture(scope="module", params=[*FAMILIES, "resnet20"])
def subject(request: pytest.FixtureRequest) -> Subject:
    """One family's model, for all of its tests, which follow each other: an export of it is made once."""
    model, size = network(request.param)
    layers = FAMILIES[request.param].layers if request.param in FAMILIES else ("conv1", "layer2.0", "layer3")
    return Subject(copy.deepcopy(model).double(), SMALLEST.get(request.param, size), layers)


@pytest.mark.parametrize("depth", [0, 1, 2], ids=["early", "middle", "last"])
def test_the_three_ways_agree_on_edits(subject: Subject, depth: int) -> None:
    model, layer = subject.model, subject.layers[depth]
    for batch in (1, 3):
        inputs = pictures(batch, subject.size).double()
        with preserved(model), torch.no_grad():
            tails = {way: Tail(model, layer, inputs, way=way) for way in WAYS}
            plain = model(inputs)
            for repeats in (1, 2):
                edited = zeroed(tails["fx"].output, repeats)
                before = edited.clone()
                expected = tails["replace"](edited)
                assert error(expected, plain.repeat_interleave(repeats, 0)) > 1e-3, "the edits change nothing"
                if batch > repeats:
                    assert error(expected, one_by_one(model, layer, inputs, edited)) < 1e-9
                for way, tail in tails.items():
                    assert tail.way == way
                    assert error(tail.outputs, plain) < 1e-9
                    found = expected if way == "replace" else tail(edited)
                    assert error(found, expected) < 1e-9, (way, batch, repeats)
                    assert torch.equal(edited, before)


def test_gradients_through_the_three_ways_agree(subject: Subject) -> None:
    model, layer = subject.model, subject.layers[1]
    inputs = pictures(2, subject.size).double()
    gradients = {}
    with preserved(model):
        for way in WAYS:
            tail = Tail(model, layer, inputs, way=way)
            edited = zeroed(tail.output, 2).requires_grad_()
            (gradients[way],) = torch.autograd.grad(tail(edited).square().sum(), edited)
    assert gradients["replace"].abs().max() > 0
    for way in ("fx", "export"):
        assert error(gradients[way], gradients["replace"]) < 1e-9, way


@pytest.mark.parametrize("way", WAYS)
def test_second_derivatives(way: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 4, 3), nn.Sigmoid(), nn.Flatten(), nn.Linear(64, 2)
    )
    inputs = pictures(1, 8)
    tail = Tail(model, "0", inputs, way=way)
    edited = tail.output.clone().requires_grad_()
    (first,) = torch.autograd.grad(tail(edited)[0, 0], edited, create_graph=True)
    (second,) = torch.autograd.grad(first.pow(2).sum(), edited)
    plain = tail.output.clone().requires_grad_()
    (expected_first,) = torch.autograd.grad(model[1:](plain)[0, 0], plain, create_graph=True)
    (expected_second,) = torch.autograd.grad(expected_first.pow(2).sum(), plain)
    assert expected_second.abs().max() > 0
    assert error(second, expected_second) < 1e-5
    assert all(parameter.grad is None for parameter in model.parameters())


@cache
def _real(kind: str, shared: Path) -> tuple[nn.Module, Tensor]:
    normalise = v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    tensor = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), normalise]
    if kind == "squeezenet":
        model, weights = models.squeezenet1_0(), shared / "models/squeezenet1_0_imagenet_fp16.safetensors"
        transform = v2.Compose([v2.Resize(256), v2.CenterCrop(227), *tensor])
        files = sorted((shared / "images/imagenet").glob("*.jpg"))[:40:20]
    else:
        model, weights = ResNet20(), shared / "models/resnet20_cifar10.safetensors"
        transform = v2.Compose(tensor)
        files = sorted((shared / "images/cifar10").glob("*/*.jpg"))[:600:200]
    model.load_state_dict({name: weight.float() for name, weight in load_file(weights).items()})
    return model.eval(), torch.stack([transform(Image.open(file).convert("RGB")) for file in files])


@pytest.mark.parametrize("layer", ["features.0", "features.7.expand3x3", "features.12"])
@pytest.mark.parametrize("way", ["fx", "export"])
def test_real_squeezenet_on_real_pictures(shared: Path, layer: str, way: Any) -> None:
    model, inputs = _real("squeezenet", shared)
    _check_real(model, inputs, layer, way)


@pytest.mark.parametrize("layer", ["conv1", "layer2.0.bn1", "layer3"])
@pytest.mark.parametrize("way", ["fx", "export"])
def test_real_resnet20_on_real_pictures(shared: Path, layer: str, way: Any) -> None:
    model, inputs = _real("resnet20", shared)
    _check_real(model, inputs, layer, way)


def _check_real(model: nn.Module, inputs: Tensor, layer: str, way: Any) -> None:
    with preserved(model), torch.no_grad():
        tail = Tail(model, layer, inputs, way=way)
        edited = zeroed(tail.output, 2)
        expected = one_by_one(model, layer, inputs, edited)
        assert error(tail(edited), expected) < 1e-5
        assert error(tail(edited), tail.outputs.repeat_interleave(2, 0)) > 1e-3


def test_automatic_choice_says_which_way_and_how_much_is_skipped() -> None:
    model, size = network("resnet18")
    tail = Tail(model, "layer4", pictures(1, size))
    assert (tail.way, tail.reason, tail.nodes_run, tail.nodes_total) == ("fx", "", 3, 69)
    assert tail.share == pytest.approx(3 / 69)
    replace = Tail(model, "layer4", pictures(1, size), way="replace")
    assert (replace.way, replace.reason, replace.nodes_run, replace.nodes_total, replace.share) == (
        "replace", "", None, None, 1.0,
    )  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_takes_edits_in_float32(way: Any, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model = ResNet20().eval().to(dtype)
    with torch.no_grad():
        tail = Tail(model, "layer2", pictures(2, 32).to(dtype), way=way)
        found = tail(tail.output.float().repeat_interleave(2, 0))
    assert found.dtype == dtype
    assert error(found, tail.outputs.repeat_interleave(2, 0)) < 0.1


@pytest.mark.parametrize("way", WAYS)
def test_channels_last(way: Any) -> None:
    model, size = network("resnet18")
    inputs = pictures(2, size)
    with torch.no_grad():
        expected = Tail(model, "layer2.0.conv2", inputs, way=way)
        tail = Tail(model, "layer2.0.conv2", inputs.to(memory_format=torch.channels_last), way=way)
        edited = zeroed(tail.output, 3)
        assert error(tail(edited.to(memory_format=torch.channels_last)), expected(edited)) < 1e-5


def test_parameters_changed_after_construction_are_seen_by_a_new_tail() -> None:
    torch.manual_seed(0)
    model = copy.deepcopy(network("resnet20")[0])
    inputs = pictures(2, 32)
    with torch.no_grad():
        for change in ("nothing", "in place", "replaced", "swapped", "buffer"):
            if change == "in place":
                model.layer3[0].conv1.weight.mul_(1.5)
            elif change == "replaced":
                model.linear.weight = nn.Parameter(torch.randn_like(model.linear.weight))
            elif change == "swapped":
                model.layer3[1] = copy.deepcopy(model.layer3[2])
            elif change == "buffer":
                model.layer3[0].bn1.running_var = model.layer3[0].bn1.running_var * 3
            for way in ("fx", "export"):
                tail = Tail(model, "layer2", inputs, way=way)
                edited = zeroed(tail.output, 2)
                assert error(tail(edited), one_by_one(model, "layer2", inputs, edited)) < 1e-5, (way, change)


@pytest.mark.parametrize("way", ["auto", *WAYS])
def test_the_model_is_left_as_it_was(way: Any) -> None:
    model = Branching() if way == "auto" else copy.deepcopy(network("resnet20")[0])
    layer, inputs = ("conv", pictures(2, 8)) if way == "auto" else ("layer2", pictures(2, 32))
    seen: list[type] = []
    model.register_forward_hook(lambda module, args, output: seen.append(type(output)))
    model.train()
    before = snapshot(model, inputs)
    with preserved(model):
        tail = Tail(model, layer, inputs, way=way)
        tail(zeroed(tail.output, 2).requires_grad_())
    assert before.differences(snapshot(model, inputs)) == []
    assert set(seen) == {Tensor}


@pytest.mark.parametrize("interruption", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("fails_at", [0, 1, 2, 3])
def test_no_hooks_remain_when_the_model_fails(interruption: type[BaseException], fails_at: int) -> None:
    class Failing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.runs = nn.Conv2d(3, 3, 3), [0]

        def forward(self, x: Tensor) -> Tensor:
            self.runs[0] += 1
            y = self.conv(x)
            if self.runs[0] > fails_at:
                raise interruption("boom")
            return y.mean((2, 3))

    model = Failing().eval()
    inputs = pictures(1, 8)
    before = snapshot(model, inputs)

    def use() -> None:
        while True:  # a model that fails while it is traced is run whole, and fails then
            tail = Tail(model, "conv", inputs)
            tail(tail.output)

    with pytest.raises(interruption, match="boom"), preserved(model), torch.no_grad():
        use()
    assert before.differences(snapshot(model, inputs)) == []


def test_models_are_not_kept_alive() -> None:
    alive = []
    inputs = pictures(1, 16)
    for _ in range(8):
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4 * 14 * 14, 2)).eval()
        tail = Tail(model, "0", inputs)
        tail(tail.output)
        alive += [weakref.ref(model), weakref.ref(tail.output)]
    exported = Tail(model, "0", inputs, way="export")
    exported(exported.output)
    del model, tail, exported
    gc.collect()
    assert not any(reference() is not None for reference in alive)


def test_many_tails_of_one_model_take_no_more_memory() -> None:
    model, inputs = copy.deepcopy(network("resnet20")[0]), pictures(1, 32)

    def tensors() -> int:
        gc.collect()
        return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())

    counts = []
    for _ in range(3):
        for _ in range(5):
            Tail(model, "layer2.0.conv1", inputs)(torch.zeros(1, 32, 16, 16))
        counts.append(tensors())
    assert counts[0] == counts[1] == counts[2]


def test_only_what_the_tail_reads_is_kept() -> None:
    model, inputs = network("resnet18")[0], pictures(2, 64)
    last, middle = Tail(model, "layer4", inputs), Tail(model, "layer3.1.bn2", inputs)
    assert last._inputs is None
    assert not last._split._growths
    assert len(middle._split._growths) == 1, "the shortcut around the layer"


def test_wrong_calls_are_explained() -> None:
    model, inputs = network("resnet20")[0], pictures(2, 32)
    with pytest.raises(LayerNotFoundError, match=r"no layer 'layer5'\. Did you mean 'layer"):
        Tail(model, "layer5", inputs)
    with pytest.raises(OptionError, match=r"way='jit' is not a way to run a tail\. Choose 'auto', 'fx'"):
        Tail.__init__.__wrapped__(
            Tail.__new__(Tail), model, "layer3", inputs, way="jit"
        )  # as where nothing checks types
    tail = Tail(model, "layer3", inputs)
    for wrong in ((3, 64, 8, 8), (2, 64, 7, 8), (2, 64), (0, 64, 8, 8)):
        with pytest.raises(LayoutError, match=r"edits of layer 'layer3' have shape .* its output has \(2, 64, 8, 8\)"):
            tail(torch.zeros(wrong))


def test_a_layer_that_does_not_run() -> None:
    model, size = network("googlenet")
    with pytest.raises(LayerNotFoundError, match="layer 'aux1' did not run for this input"):
        Tail(model, "aux1", pictures(1, size))


def test_wrapped_models_are_unwrapped() -> None:
    model, inputs = network("resnet20")[0], pictures(1, 32)
    tail = Tail(nn.DataParallel(model), "layer3", inputs)
    assert tail.way == "fx"
    assert error(tail.outputs, model(inputs)) < 1e-5


def test_inside_inference_mode() -> None:
    model, inputs = network("resnet20")[0], pictures(1, 32)
    with torch.inference_mode():
        tail = Tail(model, "layer3", inputs.clone())
        assert error(tail(tail.output), tail.outputs) < 1e-5
    edited = tail.output.clone().requires_grad_()
    tail(edited).sum().backward()
    assert edited.grad is not None
