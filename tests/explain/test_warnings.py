"""Maps of gradients that are rounding, and integrals of gradients that miss a jump, are doubted, and no others."""

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from method_samples import Little, noise

WORDS = "It is made of rounding"


class Normed(nn.Module):
    """A convolution whose gradients add up to zero in every channel, by what comes after it."""

    def __init__(self, end: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.end, self.conv, self.head = end, nn.Conv2d(3, 6, 3, 2, 1), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.conv(x)
        if self.end == "softmax":
            places = torch.linspace(-1, 1, maps[0, 0].numel(), dtype=maps.dtype)
            return self.head((maps.flatten(2).softmax(2) * places).sum(2))
        if self.end == "norm":
            maps = nn.functional.instance_norm(maps)
        return self.head(maps.relu().amax((2, 3)))


@pytest.mark.parametrize("end", ["norm", "softmax"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_map_of_gradients_that_cancel_out_is_doubted(end: str, dtype: torch.dtype) -> None:
    scope, inputs = fm.Scope(Normed(end).to(dtype).eval()), noise(2)
    gradients = scope.record(inputs, "conv", 1).gradients["conv"]
    tolerance = 2 * torch.finfo(dtype).eps
    assert bool((gradients.mean((2, 3)).abs().amax(1) <= tolerance * gradients.abs().mean((2, 3)).amax(1)).all())
    assert all(WORDS in "".join(said) for said in scope.explain(inputs, layer="conv", target=1).warnings)
    for method in ("hires_cam", "layer_cam", "eigen_cam"):
        assert WORDS not in str(scope.explain(inputs, method, layer="conv").warnings)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_others_are_not(dtype: torch.dtype) -> None:
    for model, layer in ((Normed("none"), "conv"), (Little(), "features")):
        scope = fm.Scope(model.to(dtype).eval())
        for method in ("grad_cam", "xgrad_cam", "refine_cam"):
            assert WORDS not in str(scope.explain(noise(2), method, layer=layer).warnings)


class Jumps(Little):
    """Adds 5 to every score of pictures that are bright, which no gradient sees."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 5.0 * (x.flatten(1).mean(1, keepdim=True) > 0.3)


def test_integrated_gradients_that_miss_a_jump_are_doubted() -> None:
    inputs = torch.stack([torch.full((3, 16, 16), 0.5), torch.full((3, 16, 16), 0.1)]) + 0.05 * noise(2)
    heat = fm.Scope(Jumps()).explain(inputs, "integrated_gradients", target=1)
    model = Jumps()
    gained = (model(inputs) - model(torch.zeros_like(inputs)))[:, 1]
    sums = heat.tensor.flatten(1).sum(1)
    torch.testing.assert_close(sums + torch.tensor([5.0, 0.0]), gained, atol=1e-2, rtol=1e-2)
    assert f"add up to {sums[0]:.3g}, and the score gained {gained[0]:.3g}" in heat.warnings[0][0]
    assert heat.warnings[1] == ()
