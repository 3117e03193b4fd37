"""Fused attention written out: the same result in steps, between which a rule can act."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from featuremaps.rules.operations import Operation

Heads = Float[Tensor, "batch head _ _"]
Matmul = Callable[[Tensor, Tensor], Tensor]
Softmax = Callable[[Tensor], Tensor]

_MULTI_HEAD = inspect.signature(F.multi_head_attention_forward)


@dataclass(frozen=True, eq=False)
class Attention:
    """One attention: probabilities (…, query, key), the values they weigh, and what the call makes of the result."""

    probabilities: Tensor
    values: Tensor
    result: Callable[[Tensor], Any]


def over_last(logits: Tensor) -> Tensor:
    """The ordinary softmax over the keys."""
    return logits.softmax(-1)


def written_out(operation: Operation, matmul: Matmul = torch.matmul, softmax: Softmax = over_last) -> Attention | None:
    """An "attention" or "multi_head_attention" in steps; None for a form that is not known here."""
    if operation.kind == "attention":
        return _scaled_dot_product(operation, matmul, softmax)
    bound = _MULTI_HEAD.bind(*operation.args, **operation.kwargs)
    bound.apply_defaults()
    given = bound.arguments
    if given["query"].ndim != 3 or given["static_k"] is not None or given["static_v"] is not None:
        return None
    return _multi_head(given, matmul, softmax)


def _scaled_dot_product(operation: Operation, matmul: Matmul, softmax: Softmax) -> Attention:
    query, key, values = (operation.argument(name, place) for place, name in enumerate(("query", "key", "value")))
    mask = operation.argument("attn_mask", 3)
    if operation.kwargs.get("enable_gqa", False):
        key, values = (each.repeat_interleave(query.shape[-3] // each.shape[-3], -3) for each in (key, values))
    scale = operation.kwargs.get("scale")
    logits = matmul(query, key.transpose(-2, -1)) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if operation.argument("is_causal", 5, False):
        mask = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).tril()
    if mask is not None:
        logits = logits.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else logits + mask
    return Attention(softmax(logits), values, lambda gathered: gathered)


def _multi_head(given: Mapping[str, Any], matmul: Matmul, softmax: Softmax) -> Attention:
    query, key, values = _projected(given)
    logits = matmul(query, key.transpose(-2, -1)) * query.shape[-1] ** -0.5
    for mask in _masks(given, logits):
        logits = logits.masked_fill(mask, float("-inf")) if mask.dtype == torch.bool else logits + mask
    probabilities = softmax(logits)

    def result(gathered: Heads) -> tuple[Tensor, Tensor | None]:
        output = F.linear(gathered.permute(2, 0, 1, 3).flatten(2), given["out_proj_weight"], given["out_proj_bias"])
        handed = probabilities.mean(1) if given["average_attn_weights"] else probabilities
        return output, handed if given["need_weights"] else None

    return Attention(probabilities, values, result)


def _projected(given: Mapping[str, Any]) -> list[Heads]:
    """Queries, keys and values, with the tokens that the attention adds to the latter two."""
    packed, biases = given["in_proj_weight"], given["in_proj_bias"]
    separate = [given[f"{name}_proj_weight"] for name in "qkv"]
    weights = separate if given["use_separate_proj_weight"] else packed.chunk(3)
    projected = []
    for place, name in enumerate(("query", "key", "value")):
        tokens = F.linear(given[name], weights[place], None if biases is None else biases.chunk(3)[place])
        added = given.get(f"bias_{name[0]}")
        if added is not None:
            tokens = torch.cat([tokens, added.expand(1, *tokens.shape[1:])])
        if given["add_zero_attn"] and name != "query":
            tokens = F.pad(tokens, (0, 0, 0, 0, 0, 1))
        projected.append(tokens.unflatten(2, (given["num_heads"], -1)).permute(1, 2, 0, 3))
    return projected


def _masks(given: Mapping[str, Any], logits: Float[Tensor, "batch head query key"]) -> list[Tensor]:
    """The masks, shaped for the logits; keys that the attention added are seen by all."""
    mask, padding = given["attn_mask"], given["key_padding_mask"]
    if mask is not None and mask.ndim == 3:
        mask = mask.unflatten(0, logits.shape[:2])
    found = [mask, None if padding is None else padding[:, None, None]]
    return [F.pad(each, (0, logits.shape[-1] - each.shape[-1])) for each in found if each is not None]
