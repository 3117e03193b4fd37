"""Which softmax is an attention over places, and which attentions come one after the other."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import featuremaps as fm
from attention_samples import TinyViT, functional
from featuremaps.errors import LayoutError, MethodError

X = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))


class Gated(nn.Module):
    """A mixture of as many experts as there are tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.experts = nn.Linear(8, 25), nn.Linear(8, 25)
        self.back = nn.Linear(25, 8)

    def forward(self, x: Tensor) -> Tensor:
        back: Tensor = self.back(self.gate(x).softmax(-1) * self.experts(x))
        return back


def features_first(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Linear attention (Shen et al. 2021): the softmax of the queries runs over their features."""
    return query.softmax(-1) @ (key.softmax(-2).mT @ value)


def queries_before_heads(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    weights = torch.einsum("bhid,bhjd->bihj", query, key).softmax(-1)
    return torch.einsum("bihj,bhjd->bhid", weights, value)


def head_by_head(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return torch.stack(
        [functional(*each) for each in zip(query.unbind(1), key.unbind(1), value.unbind(1), strict=True)], 1
    )


def head_by_head_fused(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    pairs = zip(query.unbind(1), key.unbind(1), value.unbind(1), strict=True)
    return torch.stack([F.scaled_dot_product_attention(*each) for each in pairs], 1)


def in_chunks(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return torch.cat([functional(each, key, value) for each in query.split(5, 2)], 2)


class Two(nn.Module):
    """Two networks whose scores are added."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = TinyViT(functional), TinyViT(functional)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.one(x) + self.other(x)
        return scores


def test_a_gate_over_as_many_experts_as_tokens_is_no_attention() -> None:
    model = TinyViT(functional)
    model.grow[0] = Gated()
    heads = fm.Scope(model).attention(X)
    assert len(heads.layers) == 2
    assert "1 of 3 attentions are not shown" in heads.warnings[0]


def test_features_of_queries_are_no_places_though_there_are_as_many() -> None:
    class Patches(TinyViT):
        def forward(self, x: Tensor) -> Tensor:
            tokens = self.patches(x).flatten(2).mT
            query, key, value = self.mix[0](tokens).view(len(x), -1, 3, 1, 8).permute(2, 0, 3, 1, 4)
            scores: Tensor = self.head(self.attend(query, key, value)[:, 0].mean(1))
            return scores

    with pytest.raises(LayoutError, match="no patches"):
        fm.Scope(Patches(features_first)).attention(X[:, :, :8, :16])
    with pytest.raises(MethodError):
        fm.Scope(Patches(features_first)).explain(X[:, :, :8, :16], "legrad", target=0)


def test_heads_are_not_taken_for_queries() -> None:
    with pytest.raises(LayoutError, match="could not be followed"):
        fm.Scope(TinyViT(queries_before_heads)).attention(X)
    with pytest.raises(MethodError, match="over 2, 25 tokens"):
        fm.Scope(TinyViT(queries_before_heads)).explain(X, "attention_rollout", target=0)


def heads_after_tokens(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Queries, keys and values (batch, token, head, feature), as a fused layer gives them without a transposition."""
    queries, keys, values = (each.transpose(1, 2).contiguous() for each in (query, key, value))
    weights = (torch.einsum("bihd,bjhd->bhij", queries, keys) / queries.shape[-1] ** 0.5).softmax(-1)
    return torch.einsum("bhij,bjhd->bihd", weights, values).transpose(1, 2)


def keys_first(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    weights = (torch.einsum("bhdj,bhid->bhij", key.mT, query) / query.shape[-1] ** 0.5).softmax(-1)
    return torch.einsum("bhij,bhjd->bhid", weights, value)


def with_dots(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    weights = (torch.einsum("...id,...jd->...ij", query, key) / query.shape[-1] ** 0.5).softmax(-1)
    return torch.einsum("...ij,...jd->...id", weights, value)


@pytest.mark.parametrize("method", ["attention_rollout", "transformer_attribution", "legrad"])
@pytest.mark.parametrize("attend", [heads_after_tokens, keys_first, with_dots])
def test_an_einsum_may_have_its_dimensions_in_any_order(attend: object, method: str) -> None:
    expected = fm.Scope(TinyViT(functional)).explain(X, method, target=0)
    found = fm.Scope(TinyViT(attend)).explain(X, method, target=0)  # type: ignore[arg-type]
    torch.testing.assert_close(found.tensor, expected.tensor, rtol=1e-4, atol=1e-6)
    heads = fm.Scope(TinyViT(attend)).attention(X)  # type: ignore[arg-type]
    torch.testing.assert_close(heads.maps, fm.Scope(TinyViT(functional)).attention(X).maps)


@pytest.mark.parametrize("method", ["attention_rollout", "generic_attention"])
@pytest.mark.parametrize("attend", [head_by_head, head_by_head_fused])
def test_heads_that_attend_side_by_side_are_no_layers(attend: object, method: str) -> None:
    model = TinyViT(attend)  # type: ignore[arg-type]
    with pytest.raises(MethodError, match="side by side"):
        fm.Scope(model).explain(X, method, target=0)
    fm.Scope(model).explain(X, "legrad", target=0)


def test_queries_in_chunks_and_two_networks_are_no_layers() -> None:
    for model in (TinyViT(in_chunks), Two()):
        with pytest.raises(MethodError):
            fm.Scope(model).explain(X, "attention_rollout", target=0)
    with pytest.raises(MethodError, match=r"other\S* does not see what one"):
        fm.Scope(Two()).explain(X, "attention_rollout", target=0)


@pytest.mark.parametrize("method", ["attention_rollout", "generic_attention", "transformer_attribution", "legrad"])
def test_a_trunk_that_lets_no_gradient_through_is_not_left_out(method: str) -> None:
    class Under(nn.Module):
        """Attention, and what follows it, under no_grad; then a layer of attention that learns."""

        def __init__(self) -> None:
            super().__init__()
            self.trunk, self.mix, self.head = TinyViT(functional), nn.Linear(8, 24), nn.Linear(8, 5)
            self.trunk.head, self.trunk.pooled = nn.Identity(), False  # type: ignore[assignment]
            self.trunk.norm.register_forward_hook(lambda _, __, tokens: setattr(self, "tokens", tokens))

        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                self.trunk(x)
            parts = self.mix(self.tokens).view(len(x), -1, 3, 2, 4).permute(2, 0, 3, 1, 4)
            scores: Tensor = self.head(functional(*parts).transpose(1, 2).flatten(2)[:, 0])
            return scores

    with pytest.raises(MethodError, match=r"lets none through to trunk\S* \(2 of 3 attentions\)"):
        fm.Scope(Under()).explain(X, method, target=0)
