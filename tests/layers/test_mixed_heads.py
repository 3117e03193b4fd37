"""Attention between queries and keys is no map of the picture, also where a layer of the model gives it."""

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import LayoutError

PICTURES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))


class Mixed(nn.Module):
    """Two attentions whose heads are mixed before and after the softmax, by a linear layer or a convolution."""

    def __init__(self, convolution: bool, patch: int) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.patches = nn.Conv2d(3, 8, patch, patch)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.project = nn.ModuleList(nn.Linear(8, 24) for _ in range(2))
        mix = nn.Conv2d(2, 2, 1) if convolution else nn.Linear(2, 2)
        self.before, self.after = mix, type(mix)(*((2, 2, 1) if convolution else (2, 2)))
        self.out = nn.ModuleList(nn.Linear(8, 8) for _ in range(2))
        self.head = nn.Linear(8, 5)
        self.convolution = convolution

    def mixed(self, by: nn.Module, attention: Tensor) -> Tensor:
        return by(attention) if self.convolution else by(attention.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 5)"""
        x = torch.cat([self.token.expand(len(x), -1, -1), self.patches(x).flatten(2).mT], 1)
        for project, out in zip(self.project, self.out, strict=True):
            query, key, value = (part.unflatten(2, (2, 4)).transpose(1, 2) for part in project(x).chunk(3, 2))
            weights = self.mixed(self.after, self.mixed(self.before, query @ key.mT).softmax(-1))
            x = x + out((weights @ value).transpose(1, 2).flatten(2))
        return self.head(x[:, 0])


@pytest.mark.parametrize("patch", [4, 8])
@pytest.mark.parametrize("convolution", [False, True], ids=["linear", "convolution"])
def test_mixed_heads_are_no_maps_and_not_the_last(convolution: bool, patch: int) -> None:
    scope = fm.Scope(Mixed(convolution, patch).eval())
    layers = scope.layers(PICTURES)
    for mix in ("before", "after"):
        assert layers[f"{mix}#1"].layout is None
        with pytest.raises(LayoutError, match=f"layer '{mix}#1'"):
            scope.explain(PICTURES, layer=f"{mix}#1")
    if not convolution:
        assert layers["patches"].layout is not None


def test_an_embedding_for_similarity_is_no_picture() -> None:
    with pytest.raises(fm.errors.TargetError, match=r"takes an embedding .* was given shape \(1, 3, 32, 32\)"):
        fm.Scope(Mixed(False, 8).eval()).explain(PICTURES, layer="patches", target=fm.Similarity(PICTURES[:1]))
