"""Maps of several sizes that stand one after another in one sequence of tokens."""

import re

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import LayoutError

PICTURES = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(1))


class Levels(nn.Module):
    """Two levels through one encoder, as Deformable DETR has them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.fine, self.coarse = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 8, 2, 2)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 5)"""
        fine = self.fine(x)
        levels = [fine, self.coarse(fine)]
        tokens = torch.cat([level.flatten(2).transpose(1, 2) for level in levels], 1)
        return self.head(self.encoder(tokens).mean(1))


def test_they_are_refused_with_the_layout_that_reads_the_first() -> None:
    model = Levels().eval()
    scope = fm.Scope(model)
    with pytest.raises(LayoutError, match=r"maps of 8×12, 4×6 places stand in it one after another") as raised:
        scope.maps(PICTURES, "encoder")
    given = re.search(r"layout=(lambda tokens: .*\)\)) reads", str(raised.value))
    assert given is not None
    read = eval(given[1])  # as a user would copy it
    kept: list[Tensor] = []
    handle = model.encoder.register_forward_hook(lambda _, __, output: kept.append(output.detach()))
    model(PICTURES)
    handle.remove()
    expected = torch.stack([kept[0][:, row * 12 : row * 12 + 12].transpose(1, 2) for row in range(8)], 2)
    torch.testing.assert_close(scope.maps(PICTURES, "encoder", layout=read).tensor, expected)
