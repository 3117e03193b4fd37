"""Attention that is changed after its softmax, or has none: said, or refused with the reason."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

import featuremaps as fm
from attention_samples import TinyViT, functional
from featuremaps.errors import LayoutError, MethodError

X = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))
MIXED = torch.nn.Conv2d(2, 2, 1)


def logits(query: Tensor, key: Tensor) -> Tensor:
    return query @ key.mT / query.shape[-1] ** 0.5


def pruned(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    weights = logits(query, key).softmax(-1)
    weights = weights * (weights > 0.04)
    return weights / weights.sum(-1, keepdim=True) @ value


def overwritten(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    weights = logits(query, key).softmax(-1)
    weights[..., 3] = 0
    return weights @ value


def mixed(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return MIXED(logits(query, key).softmax(-1)) @ value


def subtracted(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    one = logits(query, key)
    return torch.einsum("bhqk,bhkd->bhqd", one.softmax(-1) - 0.3 * (2 * one).softmax(-1), value)


def times_one(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return logits(query, key).softmax(-1).mul_(1.0) @ value


def copied(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    weights = F.dropout(logits(query, key).float().softmax(-1), 0.5, training=False).to(value)
    return torch.cat([part.clone() @ value for part in weights.split(5, 2)], 2)


def by_hand(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    raised = (logits(query, key) - logits(query, key).amax(-1, keepdim=True)).exp()
    return raised / raised.sum(-1, keepdim=True) @ value


def over_queries(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return logits(query, key).softmax(-2) @ value


def by_logarithm(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return logits(query, key).log_softmax(-1).exp() @ value


def sigmoid(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return logits(query, key).sigmoid() / 25 @ value


Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


@pytest.mark.parametrize(
    ("attend", "how"), [(pruned, "mul"), (overwritten, "select"), (mixed, "convolution"), (subtracted, "sub, mul")]
)
def test_attention_that_is_changed_after_the_softmax_is_doubted(attend: Attend, how: str) -> None:
    scope = fm.Scope(TinyViT(attend))
    said = f"The model changes attention after the softmax ({how}) in "
    assert any(doubt.startswith(said) for doubt in scope.attention(X).warnings)
    assert all(any(doubt.startswith(said) for doubt in doubts) for doubts in scope.explain(X, "legrad").warnings)


@pytest.mark.parametrize("attend", [functional, F.scaled_dot_product_attention, times_one, copied])
def test_attention_that_is_used_as_it_is_is_not(attend: Attend) -> None:
    scope = fm.Scope(TinyViT(attend))
    assert scope.attention(X).warnings == ()
    assert not any(scope.explain(X, "legrad").warnings)


@pytest.mark.parametrize("attend", [by_hand, over_queries, by_logarithm, sigmoid])
def test_attention_without_a_softmax_over_its_keys_is_refused(attend: Attend) -> None:
    scope = fm.Scope(TinyViT(attend))
    with pytest.raises(LayoutError, match="the model itself is no softmax over its keys"):
        scope.attention(X)
    for method in ("attention_rollout", "generic_attention", "legrad"):
        with pytest.raises(MethodError, match=r"no softmax over its keys, .*Choose grad_cam"):
            scope.explain(X, method, target=0)
    assert len(scope.explain(X, "grad_cam", layer="patches", target=0)) == 2


def test_some_attention_without_a_softmax_is_not_left_out_in_silence() -> None:
    ways = iter([functional, sigmoid] * 99)
    scope = fm.Scope(TinyViT(lambda *given: next(ways)(*given)))
    assert (
        "Not all attention is shown: the attention in the model itself is no softmax" in scope.attention(X).warnings[0]
    )
    with pytest.raises(MethodError, match="no softmax over its keys"):
        scope.explain(X, "legrad", target=0)


def some_keys(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return functional(query, key[:, :, ::2], value[:, :, ::2])


def first_queries(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    parts = logits(query, key).split([9, 16], 2)
    return torch.cat([part.softmax(-1) @ value for part in parts], 2)


@pytest.mark.parametrize("attend", [some_keys, first_queries])
def test_some_of_the_queries_or_keys_are_patches_whose_places_are_unknown(attend: Attend) -> None:
    scope = fm.Scope(TinyViT(attend))
    with pytest.raises(LayoutError, match="attends to tokens whose places in the picture could not be followed"):
        scope.attention(X)
    with pytest.raises(MethodError, match="tokens whose places in the picture could not be followed"):
        scope.explain(X, "attention_rollout", target=0)
    assert len(scope.explain(X, "grad_cam", target=0)) == 2


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_a_checkpoint_that_lets_no_gradient_through_is_named() -> None:
    def attend(*given: Tensor) -> Tensor:
        output: Tensor = checkpoint(functional, *given, use_reentrant=True)
        return output

    scope = fm.Scope(TinyViT(attend))
    with pytest.raises(MethodError, match=r"gradient reaches none of the model's 2: .*use_reentrant=True"):
        scope.explain(X, "attention_rollout", target=0)
