"""Max pools are laid out as torch is quickest in, and give the same maps, lying as the model's own lie."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.runtime.max_pooling import lay_out_max_pools
from featuremaps.runtime.recording import take
from featuremaps.session import preserved


class Pools(nn.Module):
    """Convolutions with a pool of every kind between them; the last is looked at by `.view`."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.Conv2d(3, 8, 3, padding=1)
        self.wide = nn.MaxPool2d(3, 2, 1)
        self.between = nn.Conv2d(8, 8, 3, padding=1)
        self.numbered = nn.MaxPool2d(2, ceil_mode=True, dilation=2, return_indices=True)
        self.after = nn.MaxPool2d(2, 1)
        self.head = nn.Linear(8 * 2 * 2, 4)

    def forward(self, x: Tensor) -> Tensor:
        maps, places = self.numbered(torch.relu(self.between(self.wide(self.before(x)))))
        return self.head(self.after(maps + 0.01 * places).view(len(x), -1))


@pytest.fixture
def formats(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """For each max pool that ran, whether its input had channels last."""
    seen: list[bool] = []
    pool = torch.nn.functional.max_pool2d

    def watched(x: Tensor, *args: object, **kwargs: object) -> object:
        seen.append(not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last))
        return pool(x, *args, **kwargs)

    monkeypatch.setattr(torch.nn.functional, "max_pool2d", watched)
    return seen


def test_same_bits_and_the_model_as_it_was(formats: list[bool]) -> None:
    torch.manual_seed(0)
    model, inputs = Pools().eval(), torch.randn(2, 3, 14, 14)
    with torch.no_grad():
        wide = model.wide(model.before(inputs))
        outputs = model(inputs)
    formats.clear()
    with preserved(model) as session:
        record = take(session, inputs, ["wide"], gradients=False)
        assert not any("forward" in vars(module) for module in model.modules())
    assert formats[-3:] == [True, True, True]
    assert torch.equal(record.activations["wide"], wide)
    assert record.activations["wide"].is_contiguous()
    assert torch.equal(record.outputs, outputs)


def test_where_a_gradient_comes_back_pools_lie_as_they_did(formats: list[bool]) -> None:
    torch.manual_seed(0)
    model, inputs = Pools().eval(), torch.randn(1, 3, 14, 14)
    leaf = inputs.clone().requires_grad_()
    gradient = torch.autograd.grad(model(leaf)[0, 1], leaf)[0]
    formats.clear()
    scope = fm.Scope(model)
    assert torch.equal(scope.explain(inputs, "saliency", target=1).values[0], gradient[0])
    assert formats[-3:] == [False, False, False]
    scope.explain(inputs, "grad_cam", layer="between", target=1)
    assert formats[-3:] == [True, False, False]


def test_another_forward_or_kind_of_pool_is_left_alone(formats: list[bool]) -> None:
    class Own(nn.MaxPool2d):
        pass

    model = nn.Sequential(Own(2), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 2)).eval()
    own = model[1].forward
    vars(model[1])["forward"] = own
    with preserved(model) as session:
        take(session, torch.randn(1, 3, 8, 8), ["1"], gradients=False)
        assert vars(model[1])["forward"] is own
    assert formats[-2:] == [False, False]


class Called(nn.Module):
    """Pools maps in some way, and gives the mean of each channel."""

    def __init__(self, pooled: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.before = nn.Conv2d(3, 8, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.after = nn.Conv2d(8, 4, 3, padding=1)
        self._pooled = pooled

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self._pooled(self.pool, self.before(x))).mean((2, 3))


@pytest.mark.parametrize(
    "pooled",
    [
        lambda pool, x: pool(input=x),
        lambda pool, x: pool.forward(input=x),
        lambda pool, x: torch.vmap(lambda one: pool(one[None])[0])(x),
        lambda pool, x: torch.stack([pool(one) for one in x]),
    ],
    ids=["by name", "forward by name", "vmap", "one by one"],
)
def test_however_a_pool_is_called_it_gives_what_it_gives(pooled: Callable[[nn.Module, Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    model, inputs = Called(pooled).eval(), torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        plain = model.after(model.pool(model.before(inputs)))
    record = fm.Scope(model).record(inputs, "after", 1)
    torch.testing.assert_close(record.activations["after"], plain)
    with preserved(model) as session:
        lay_out_max_pools(session)
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            model.pool(of=inputs)
