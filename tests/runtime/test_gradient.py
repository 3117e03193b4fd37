"""Models that keep gradients from going through: torch's checkpoints."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import featuremaps as fm
from featuremaps.errors import ModelError

PICTURES = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    """Two convolutions, the second through a checkpoint or not."""

    def __init__(self, **checkpointed: Any) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.conv, self.inner, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 4)
        self.checkpointed = checkpointed

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4)"""
        maps = self.conv(x)
        maps = checkpoint(self.inner, maps, **self.checkpointed) if self.checkpointed else self.inner(maps)
        return self.head(maps.relu().mean((2, 3)))


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_a_checkpoint_gives_the_same_or_says_how_to_switch_it_off() -> None:
    """Without gradients as without it; with them only where it is not reentrant; by rules never."""
    plain, kept, reentrant = Net(), Net(use_reentrant=False), Net(use_reentrant=True)
    words = r"torch\.utils\.checkpoint.*switch it off"
    for method, run, refused in (
        ("ablation_cam", [kept, reentrant], []),
        ("grad_cam", [kept], [reentrant]),
        ("saliency", [kept], [reentrant]),
        ("guided_backprop", [kept], [reentrant]),
        ("lrp", [], [kept, reentrant]),
    ):
        layer = {"layer": "conv"} if "cam" in method else {}
        expected = fm.Scope(plain).explain(PICTURES, method, target=1, **layer)
        for model in run:
            torch.testing.assert_close(
                fm.Scope(model).explain(PICTURES, method, target=1, **layer).tensor, expected.tensor
            )
        for model in refused:
            with pytest.raises(ModelError, match=words):
                fm.Scope(model).explain(PICTURES, method, target=1, **layer)
            assert not model.conv._forward_hooks
    heat = fm.Scope(reentrant).explain(PICTURES, "grad_cam", layer="inner", target=1)
    assert all("a checkpoint with use_reentrant=True" in warnings[0] for warnings in heat.warnings)
    with pytest.raises(ModelError, match="use_reentrant=True"):
        fm.Scope(reentrant).draw("inner:1", steps=1, size=12)


@pytest.mark.parametrize("gives", [torch.sigmoid, torch.tanh, torch.exp])
def test_what_a_model_writes_over_though_its_gradient_needs_it_is_said(gives: Callable[[Tensor], Tensor]) -> None:
    class Written(Net):
        def forward(self, x: Tensor) -> Tensor:
            maps = gives(self.conv(x))
            maps *= 2
            return self.head(maps.mean((2, 3)))

    scope = fm.Scope(Written())
    for method in ("grad_cam", "saliency", "integrated_gradients"):
        with pytest.raises(ModelError, match=f"writes over what {gives.__name__.title()} gave.*ablation_cam"):
            scope.explain(PICTURES, method, layer="conv", target=1)
    assert bool(scope.explain(PICTURES, "ablation_cam", layer="conv", target=1).tensor.any())


def test_a_hook_that_cuts_the_gradient_off_is_said() -> None:
    model = Net()
    model.conv.register_forward_hook(lambda module, args, output: output.detach())
    scope = fm.Scope(model)
    for method, layer in (("grad_cam", {"layer": "conv"}), ("saliency", {}), ("lrp", {})):
        heat = scope.explain(PICTURES, method, target=1, **layer)
        assert bool(heat.warnings[0]) == (method != "grad_cam"), "what the hook gives has a gradient"
        assert all("a hook" in text for text in heat.warnings[0])
    with pytest.raises(ModelError, match=r"conv:1 back to the picture.*hook"):
        scope.project(PICTURES, "conv:1")
