"""A compiled model draws what the model draws, and says so where it cannot be compiled."""

import shutil

import pytest
import torch
from torch import nn

import featuremaps as fm
from featuremaps.errors import ModelError
from method_samples import Little, noise
from nets import Reused
from snapshots import snapshot

OPTIONS = {"steps": 6, "size": 24, "precision": "float32"}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on the CPU")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("what", ["features.conv2:1", 2])
def test_draws_the_same(what) -> None:
    model, inputs = Little(), noise()
    before = snapshot(model, inputs)
    plain, quick = (fm.Scope(model).draw(what, compile=compiled, **OPTIONS)[0] for compiled in (False, True))
    torch.testing.assert_close(quick.picture, plain.picture, rtol=0, atol=0.02)
    torch.testing.assert_close(quick.curve, plain.curve, rtol=1e-2, atol=1e-3)
    assert before.differences(snapshot(model, inputs)) == []


class Branching(nn.Module):
    """Decides by what it sees, which no trace can."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x) if x.mean() > 0 else self.conv(-x)


def test_what_cannot_be_traced_is_said() -> None:
    with pytest.raises(ModelError, match="cannot be compiled here.*Draw without compile=True"):
        fm.Scope(Branching().eval()).draw("conv:1", compile=True, **OPTIONS)
    with pytest.raises(ModelError, match="not sums of both, nor single calls"):
        fm.Scope(Reused().eval()).draw("relu#0:1", compile=True, **OPTIONS)
