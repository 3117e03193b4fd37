"""How attention carries what each token knows from layer to layer, and from which tokens the score is read.

Two streams are followed: the tokens of the picture (patches, with class and register tokens among them), and tokens
that attend to these from outside: a class token that joins late, the probe of a pooling head, a detector's queries.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import MethodError
from featuremaps.layers.attention_info import Tokens
from featuremaps.methods.shapes import Inputs, PixelMap
from featuremaps.plotting.rendering import enlarged
from featuremaps.runtime.attention import Attended, on_grid

Rows = Float[Tensor, "batch _row _column"]
Across = Callable[[Rows, "Carried"], Rows]
"""What attention from one kind of tokens to the other carries, from its weights and what they know."""
Kind = Literal["picture", "outside", "class", "cross"]


@dataclass(frozen=True, eq=False)
class Step:
    """One attention on the way to the score, and what it does.

    "picture": the picture's tokens attend to each other. "outside": tokens from outside do. "cross": those attend to
    the picture's. "class": they attend to themselves and the picture's, in this order.
    """

    kind: Kind
    attended: Attended

    @property
    def probabilities(self) -> Float[Tensor, "batch head query key"]:
        """Its attention over the whole picture."""
        return self.attended.probabilities[:, 0]

    @property
    def sources(self) -> int:
        """How many tokens of the picture it attends to."""
        info = self.attended.info
        return info.keys.count - (info.queries.count if self.kind == "class" else 0)

    @property
    def gradients(self) -> Float[Tensor, "batch head query key"]:
        """The score's gradient there."""
        assert self.attended.gradients is not None
        return self.attended.gradients[:, 0]


def steps_of(method: str, attentions: Sequence[Attended]) -> list[Step]:
    """What each attention on the way to the score does, in order.

    Raises `MethodError` where the tokens of one layer are not those of the next, or are no patches.
    """
    on_the_way = [each for each in attentions if each.gradients is not None]
    if cut := next(cut_off(attentions, on_the_way), None):
        raise not_usable(method, attentions, cut, by_layer=False)
    reason = next(_obstacles(on_the_way), None)
    sides = (side for each in on_the_way for side in (each.info.queries, each.info.keys))
    picture = next((side for side in sides if side.between == "places"), None)
    if reason is not None or picture is None:
        raise not_usable(method, attentions, reason)
    steps = [Step(_kind(method, each, picture, attentions), each) for each in on_the_way]
    counts = {step.attended.info.queries.count for step in steps if step.kind != "picture"}
    if len(counts) > 1:
        several = ", ".join(map(str, sorted(counts)))
        raise not_usable(method, attentions, f"follows one set of tokens beside the patches, and here are {several}")
    return steps


def score_rows(steps: Sequence[Step]) -> Float[Tensor, "batch query"]:
    """From which tokens the score is read, and how much from each: shares that sum to 1.

    The share of a token is that of the gradient at what the last attention lets it attend to: all for a class token
    whose head reads nothing else, as many shares as there are patches where these are pooled.
    """
    strength = steps[-1].gradients.abs().sum((1, 3))
    total = strength.sum(1, keepdim=True)
    return torch.where(total > 0, strength / total, 1 / strength.shape[1])


@dataclass(eq=False)
class Carried:
    """What tokens know of the picture's: of `picture` (batch, token, source), of `outside` (batch, query, source).

    `own` is what those from outside know of each other, (batch, query, query).
    """

    picture: Rows
    outside: Rows
    own: Rows

    @classmethod
    def at_first(cls, steps: Sequence[Step]) -> "Carried":
        """Every token knows itself."""
        first = next(step for step in steps if step.attended.info.keys.between == "places").probabilities
        outside = next((step.probabilities for step in steps if step.kind != "picture"), first[:, :, :0])
        sources = next(step.sources for step in steps if step.kind != "outside")
        batch, queries = len(first), outside.shape[2]
        picture = torch.eye(sources, device=first.device, dtype=first.dtype).expand(batch, -1, -1)
        own = torch.eye(queries, device=first.device, dtype=first.dtype).expand(batch, -1, -1)
        return cls(picture, first.new_zeros(batch, queries, sources), own)

    def go(self, step: Step, weights: Rows, keep: Tensor | float, across: Across) -> None:
        """One attention: its `weights` (batch, query, key) say what is taken in, `keep` what is kept of before."""
        if step.kind == "picture":
            self.picture = weights @ self.picture + keep * self.picture
        elif step.kind == "outside":
            self.outside, self.own = (weights @ rows + keep * rows for rows in (self.outside, self.own))
        elif step.kind == "cross":
            self.outside = across(weights, self) + keep * self.outside
        else:
            mine, theirs = weights.split([self.outside.shape[1], self.picture.shape[1]], 2)
            self.outside = mine @ self.outside + theirs @ self.picture + keep * self.outside


def laid(share: Float[Tensor, "batch query"], carried: Carried, steps: Sequence[Step], inputs: Inputs) -> PixelMap:
    """What is read of the picture's tokens, laid over it; class and register tokens are left out."""
    rows = carried.picture if steps[-1].kind == "picture" else carried.outside
    tokens = next(step.attended.info.keys for step in steps if step.kind in ("picture", "cross"))
    grid = on_grid(share[:, None] @ rows, tokens)
    return enlarged(grid, tuple(inputs.shape[2:]))[:, None]


def not_usable(
    method: str, attentions: Sequence[Attended], reason: str | None = None, *, by_layer: bool = True
) -> MethodError:
    """Why a method cannot explain by these attentions, and what to do: read each alone, where `by_layer` says so."""
    each = "" if reason is None or not by_layer else "legrad, which reads every layer by itself, or "
    return MethodError(f"{method} {reason or _why_nothing(attentions)}. Choose {each}grad_cam, which reads any layer.")


def _kind(method: str, each: Attended, picture: Tokens, attentions: Sequence[Attended]) -> Kind:
    queries, keys = each.info.queries, each.info.keys
    if same(keys, picture):
        if same(queries, picture):
            return "picture"
        if queries.between == "no places":
            return "cross"
    if queries.between == "no places":
        if keys.between == "no places" and keys.count == queries.count:
            return "outside"
        if keys.between == "places" and keys.count == queries.count + picture.count and keys.grid == picture.grid:
            return "class"
    raise not_usable(
        method,
        attentions,
        "follows the same tokens from layer to layer, and here they change, as where keys are pooled or left out, or "
        f"stages get coarser: it begins with {_words(picture)}, and in {each.info.name} {_words(queries)} attend to "
        f"{_words(keys)}",
    )


def same(one: Tokens, other: Tokens) -> bool:
    """Whether two sides of attentions are the same tokens: as many, at the same places."""
    if one.places is None or other.places is None:
        return False
    return one.grid == other.grid and torch.equal(one.places, other.places)


def in_parts(attentions: Sequence[Attended]) -> list[list[Attended]]:
    """Those that are parts of one, in lists: of the same module, to the same keys, and none sees what another gave."""
    layers: list[list[Attended]] = []
    for each in attentions:
        layer, info = layers[-1] if layers else [], each.info
        alike = bool(layer) and same(layer[0].info.keys, info.keys) and _module(layer[0]) == _module(each)
        if alike and info.after is not None and not any(part.info.name in info.after for part in layer):
            layer.append(each)
        else:
            layers.append([each])
    return layers


def _module(each: Attended) -> str:
    return each.info.name.partition("#")[0]


def cut_off(attentions: Sequence[Attended], on_the_way: Sequence[Attended]) -> Iterator[str]:
    """Attention that others on the way to the score have seen, and that no gradient reaches."""
    seen = frozenset().union(*(each.info.after or () for each in on_the_way))
    cut = [each.info.name for each in attentions if each.gradients is None and each.info.name in seen]
    if cut:
        yield (
            f"follows attention by the score's gradient, and the model lets none through to {cut[-1]} "
            f"({len(cut)} of {len(attentions)} attentions), as where a part of it runs under no_grad or is detached"
        )


def _obstacles(attentions: Sequence[Attended]) -> Iterator[str]:
    """What keeps attention from being followed from layer to layer."""
    infos, total = [each.info for each in attentions], len(attentions)
    windowed = sum(info.windows > 1 for info in infos)
    if windowed:
        yield (
            "needs attention between all patches of a picture, and this model attends inside windows "
            f"({windowed} of {total} attentions)"
        )
    channels = sum(info.keys.between == "channels" for info in infos)
    if channels:
        yield (
            "needs attention between patches, and this model attends between channels (cross-covariance, "
            f"{channels} of {total} attentions)"
        )
    if any("unknown" in (info.queries.between, info.keys.between) for info in infos):
        yield _lost(attentions)
    known = [info for info in infos if info.after is not None]
    for before, info in pairwise(known):
        if info.after is not None and before.name not in info.after:
            yield (
                f"follows attention from layer to layer, and here {info.name} does not see what {before.name} gave: "
                "they stand side by side, as heads that are modules of their own, parallel blocks or two networks do"
            )


def _lost(attentions: Iterable[Attended]) -> str:
    sides = (side for each in attentions for side in (each.info.queries, each.info.keys))
    counts = sorted({side.count for side in sides if side.between == "unknown"})
    return (
        f"found attention over {', '.join(map(str, counts))} tokens whose places in the picture could not be followed: "
        "say how they lie, Scope(model, layout=(rows, columns, prefix)), if you know"
    )


def _why_nothing(attentions: Sequence[Attended]) -> str:
    kinds = Counter(each.info.keys.between for each in attentions)
    if not attentions:
        return "reads a vision transformer's attention maps, and this model has no softmax attention"
    if all(each.gradients is None for each in attentions):
        return (
            "follows the score back to attention maps, and its gradient reaches none of the model's "
            f"{len(attentions)}: it depends on none of them, or the model lets no gradient through (no_grad, detach, "
            "a checkpoint with use_reentrant=True)"
        )
    if kinds["channels"]:
        return f"needs attention between patches, and this model attends between channels ({kinds['channels']} times)"
    if kinds["unknown"]:
        return _lost(attentions)
    return "needs attention to the patches of a picture, and this model's attention is to other tokens"


def _words(tokens: Tokens) -> str:
    if tokens.between != "places":
        return f"{tokens.count} tokens"
    return f"{' × '.join(map(str, tokens.grid))} places" + (f" and {tokens.extra} tokens" if tokens.extra else "")
