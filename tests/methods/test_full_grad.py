"""FullGrad: a slow re-derivation layer by layer, and the authors' own test, that the terms add up to the logit."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from featuremaps.methods.full_grad import full_grad
from method_samples import Curved, Little, cifar_model, noise, photographs, small_photographs, squeezenet
from propagating import Given


def ours(model: nn.Module, x: Tensor, target: int | list[int]) -> tuple[Tensor, Given]:
    given = Given(model, x, target)
    return given.run(full_grad, "inputs", "propagate", "score", "remark"), given


def rescaled(term: Tensor) -> Tensor:
    term = term.abs()
    return (term - term.min()) / (term.max() - term.min())


def slow(model: nn.Module, picture: Tensor, target: int) -> Tensor:
    """One picture, (height, width): hooks on every convolution and batch norm, as modules without in-place ReLUs."""
    outputs: list[tuple[nn.Module, Tensor]] = []

    def keep(module: nn.Module, _: object, output: Tensor) -> Tensor:
        output.retain_grad()
        outputs.append((module, output))
        return output.clone()

    kinds = (nn.Conv2d, nn.BatchNorm2d)
    hooks = [module.register_forward_hook(keep) for module in model.modules() if isinstance(module, kinds)]
    leaf = picture[None].clone().requires_grad_()
    model(leaf)[0, target].backward()
    for hook in hooks:
        hook.remove()
    assert leaf.grad is not None
    total = rescaled(leaf.grad[0] * picture).sum(0)
    for module, output in outputs:
        if isinstance(module, nn.BatchNorm2d):
            spread = (module.running_var + module.eps).sqrt()  # type: ignore[operator]
            bias = module.bias - module.weight * module.running_mean / spread  # type: ignore[operator]
        else:
            bias = module.bias
        if bias is None:
            continue
        assert output.grad is not None
        term = rescaled(bias.detach()[:, None, None] * output.grad[0])
        for channel in term:
            total = total + F.interpolate(channel[None, None], picture.shape[1:], mode="bilinear")[0, 0]
    return total


def is_complete(model: nn.Module, x: Tensor, given: Given) -> None:
    assert float((given.remarks["completeness error"] / given.score(x)).abs().max()) < 1e-4


@pytest.mark.parametrize("relu", ["module", "functional", "inplace"])
def test_a_small_net_against_the_slow_way(relu: str) -> None:
    model, x = Little(relu), noise(2, (16, 20))
    found, given = ours(model, x, [1, 3])
    assert found.shape == (2, 1, 16, 20)
    for row, target in enumerate([1, 3]):
        torch.testing.assert_close(found[row, 0], slow(Little("module"), x[row], target), rtol=1e-4, atol=1e-4)
    is_complete(model, x, given)


def test_resnet20_with_its_batch_norms(shared: Path) -> None:
    """In double precision: in single, a ReLU that rounding flips moves single pixels by more than the law allows."""
    model, x = cifar_model(shared).double(), small_photographs(shared).double()
    found, given = ours(model, x, [3, 8])
    for row, target in enumerate([3, 8]):
        expected = slow(model, x[row], target).float()
        torch.testing.assert_close(found[row, 0].float(), expected, rtol=1e-5, atol=1e-5)
    is_complete(model, x, given)


def test_the_real_squeezenet_adds_up(shared: Path) -> None:
    model, x = squeezenet(shared), photographs(shared, (0, 280))
    found, given = ours(model, x, [0, 280])
    is_complete(model, x, given)
    assert float(found.min()) >= 0
    assert given.rules[0].warning() is None


def test_a_smooth_net_does_not_add_up_and_says_so() -> None:
    model, x = Curved(), noise(2)
    _, given = ours(model, x, 1)
    share = given.remarks["completeness error"] / given.score(x)
    assert float(share.abs().max()) > 1e-2
    assert "1 tanh" in given.rules[0].warning()


def test_a_term_that_is_the_same_everywhere_adds_nothing() -> None:
    """A picture of zeros: its own term is flat, and is not divided by zero."""
    found, _ = ours(Little(), torch.zeros(1, 3, 16, 16), 0)
    assert bool(found.isfinite().all())
