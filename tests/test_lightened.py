"""One pass without what it need not do gives the same, and nothing of it is left behind."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from families import FAMILIES, calibrated
from featuremaps.lightened import lightened
from featuremaps.state import preserved
from snapshots import snapshot

LAST = torch.channels_last


def gradient(model: nn.Module, x: Tensor) -> Tensor:
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    return torch.autograd.grad(model(x).square().sum(), x)[0]


class Calls(TorchDispatchMode):
    """Names of the operations that run, and whether each convolution's input lies contiguous."""

    def __init__(self) -> None:
        super().__init__()
        self.names, self.contiguous = [], []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.name())
        if func.name() == "aten::convolution":
            self.contiguous.append(args[0].is_contiguous())
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if name not in ("vit", "swin_t")])
def test_every_family_gives_the_same_gradient(name: str) -> None:
    model = calibrated(FAMILIES[name]).double()  # rounding is not amplified, and norms are torch's own
    x = torch.randn(1, 3, FAMILIES[name].size, FAMILIES[name].size, generator=torch.Generator().manual_seed(0))
    with preserved(model) as session:
        wanted = gradient(model, x.double())
        with lightened(session):
            found = gradient(model, x.double().contiguous(memory_format=LAST))
        torch.testing.assert_close(found, wanted)
    model.float()
    before = snapshot(model, x)
    with preserved(model) as session:
        with lightened(session), Calls() as calls:
            found = gradient(model, x.contiguous(memory_format=LAST))
        assert not any("native_batch_norm" in name for name in calls.names)
    assert before.differences(snapshot(model, x)) == []
    similarity = F.cosine_similarity(found.flatten(), wanted.float().flatten(), dim=0)
    assert similarity > 0.999


def test_convolutions_with_many_weights_read_their_input_contiguous() -> None:
    model = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.MaxPool2d(8), nn.Conv2d(32, 32, 3, padding=1)).eval()
    x = torch.randn(1, 3, 32, 32).contiguous(memory_format=LAST)
    with preserved(model) as session, torch.no_grad():
        with lightened(session), Calls() as light:
            model(x)
        with Calls() as plain:
            model(x)
    assert light.contiguous == [False, True]
    assert plain.contiguous == [False, False]


@pytest.mark.parametrize(
    "change",
    [
        lambda norm: norm.running_mean.fill_(1000.0),
        lambda norm: norm.register_parameter("weight", None) or norm.register_parameter("bias", None),
        lambda norm: norm.register_parameter("bias", None),
        lambda norm: norm.register_buffer("running_var", None) or norm.register_buffer("running_mean", None),
        lambda norm: norm.half(),
    ],
    ids=["far from zero", "no weights", "no bias", "no statistics", "half precision"],
)
def test_batch_norms_of_all_kinds(change: Callable[[nn.BatchNorm2d], object]) -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(4).eval()
    norm.running_var.uniform_(0.5, 2)
    norm.running_mean.normal_()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    change(norm)
    x = torch.randn(2, 4, 6, 6, dtype=next((one.dtype for one in norm.buffers() if one.is_floating_point()), None))
    with preserved(norm) as session:
        wanted = norm(x)
        with lightened(session):
            torch.testing.assert_close(norm(x), wanted)


def test_batch_norms_that_differ_and_one_used_twice() -> None:
    torch.manual_seed(0)
    first, second, half = nn.BatchNorm2d(4), nn.BatchNorm2d(4, eps=0.5), nn.BatchNorm2d(2)
    for norm in (first, second, half):
        norm.running_mean.normal_()
        nn.init.normal_(norm.weight)
    model = nn.Sequential(first, second, nn.Conv2d(4, 4, 1), first, nn.Conv2d(4, 2, 1), half).eval()
    x = torch.randn(2, 4, 6, 6)
    with preserved(model) as session:
        wanted = model(x)
        with lightened(session), Calls() as calls:
            found = model(x)
    torch.testing.assert_close(found, wanted)
    assert sum("addcmul" in name for name in calls.names) == 3, "all but the second, which is unlike the first"


def test_a_forward_set_by_hand_is_left_alone() -> None:
    norm = nn.BatchNorm2d(4).eval()
    norm.forward = torch.zeros_like
    own = norm.forward
    with preserved(norm) as session, lightened(session):
        assert not norm(torch.ones(1, 4, 2, 2)).any()
    assert norm.forward is own


@pytest.mark.parametrize(
    ("conv", "phased"),
    [
        (nn.Conv2d(3, 8, 7, 2, 3), True),
        (nn.Conv2d(1, 8, (4, 5), 4, (0, 2)), True),
        (nn.Conv2d(3, 8, 3, 1, 1), False),
        (nn.Conv2d(3, 8, 3, 2, 1, padding_mode="reflect"), False),
        (nn.Conv2d(3, 6, 3, 2, 1, groups=3), False),
        (nn.Conv2d(8, 8, 3, 2, 1), False),
    ],
)
def test_the_gradient_of_a_first_convolution_comes_by_phases(conv: nn.Conv2d, phased: bool) -> None:
    x = torch.randn(2, conv.in_channels, 29, 32, generator=torch.Generator().manual_seed(0)).contiguous(
        memory_format=LAST
    )
    wanted = gradient(conv, x)
    with preserved(conv) as session, lightened(session), Calls() as calls:
        found = gradient(conv, x)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max()))
    assert ("aten::convolution_backward" in calls.names) is not phased
    assert "forward" not in conv.__dict__
