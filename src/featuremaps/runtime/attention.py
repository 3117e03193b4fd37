"""What attentions gave in a run: their probabilities, the score's gradient there, and both laid over the picture."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import ModelError
from featuremaps.layers.attention_info import AttentionInfo, Tokens
from featuremaps.layers.attention_use import words_of_changed
from featuremaps.layers.known import known_layers
from featuremaps.rules.attention import AttentionProbabilities
from featuremaps.running import run
from featuremaps.runtime.capture import to_model
from featuremaps.runtime.run_errors import run_on
from featuremaps.session import Session, listening

OUTLYING = 3.0
"""A patch whose norm is so many times the median's is no ordinary one."""


@dataclass(frozen=True, eq=False)
class Attended:
    """One attention of a run: its probabilities, and the gradient of a score there, None where that does not reach.

    `number` is which it is of all that ran.
    """

    number: int
    info: AttentionInfo
    probabilities: Float[Tensor, "batch window head query key"]
    gradients: Float[Tensor, "batch window head query key"] | None = None


def attended(infos: Sequence[AttentionInfo], seen: AttentionProbabilities, batch: int) -> tuple[Attended, ...]:
    """The attentions that were watched, as the model's layers say that they lie.

    Raises `ModelError` for a run that had another number of attentions than when the layers were found.
    """
    if seen.count != len(infos):
        raise ModelError(
            f"the model ran {seen.count} softmax attentions, and {len(infos)} when its layers were found: it does "
            "something else for every picture, or was changed. If it was changed, ask once more."
        )
    return tuple(
        Attended(number, infos[number], infos[number].split(at_least_single(probabilities.detach()), batch))
        for number, probabilities in seen.probabilities.items()
    )


def attend(
    session: Session, inputs: Float[Tensor, "batch channel *space"], wanted: Collection[int]
) -> tuple[tuple[Attended, ...], Mapping[int, Tensor]]:
    """The attentions of these numbers in one forward pass, and the tokens' last norms, by how many tokens there are."""
    inputs = to_model(session.model, inputs)
    seen = AttentionProbabilities(wanted, gradients=False)
    with torch.no_grad(), run_on(session.model, inputs):
        infos = known_layers(session.model, inputs, session.layout).attentions
        with session.one_pass(), listening(seen):
            run(session.model, inputs.clone())
    return attended(infos, seen, len(inputs)), seen.norms_of(len(inputs))


def left_out(of_run: Sequence[Attended]) -> Iterator[str]:
    """What is said of attention on the score's way that goes to no places of the picture, or is changed afterwards."""
    reaching = [each for each in of_run if each.gradients is not None]
    channels = sum(each.info.keys.between == "channels" for each in reaching)
    unknown = sum(each.info.keys.between == "unknown" for each in reaching)
    for count, why in (
        (channels, "are between channels (cross-covariance)"),
        (unknown, "are to tokens whose places in the picture are unknown"),
    ):
        if count:
            yield f"{count} of {len(reaching)} attentions {why} and were left out."
    placed = [each.info for each in reaching if each.info.keys.between == "places"]
    if changed := {info.name: info.changed for info in placed if info.changed}:
        yield words_of_changed(changed)


class WatchedAttention:
    """The attentions of a run with a graph, known from `infos`, and a rule that watches them."""

    def __init__(self, infos: Sequence[AttentionInfo], batch: int) -> None:
        self.rule, self._infos, self._batch = AttentionProbabilities(), infos, batch

    @property
    def differentiable(self) -> list[Tensor]:
        """The probabilities that a gradient can reach."""
        return [each for each in self.rule.probabilities.values() if each.requires_grad]

    def with_gradients(self, gradients: Sequence[Tensor | None]) -> tuple[Attended, ...]:
        """The attentions with one score's gradients at the differentiable ones, None where it does not reach."""
        arrived = iter(gradients)
        given = [next(arrived) if each.requires_grad else None for each in self.rule.probabilities.values()]
        return tuple(
            each
            if gradient is None
            else replace(each, gradients=each.info.split(at_least_single(gradient), self._batch))
            for each, gradient in zip(attended(self._infos, self.rule, self._batch), given, strict=True)
        )


def on_grid(values: Float[Tensor, "batch window token"], tokens: Tokens) -> Float[Tensor, "batch *grid"]:
    """A value of each token at its place in the picture; other tokens' are left out.

    A place without a token is 0. The tokens must have places.
    """
    assert tokens.places is not None
    count = math.prod(tokens.grid)
    places = tokens.places.to(values.device).flatten()
    index = places.where(places >= 0, count)  # what has no place goes behind the last one
    laid = values.new_zeros(len(values), count + 1).index_copy(
        1, index[index < count], values.flatten(1)[:, index < count]
    )
    return laid[:, :count].reshape(-1, *tokens.grid)


def outliers(of_run: Sequence[Attended], norms: Mapping[int, Float[Tensor, "batch token"]]) -> Iterator[str]:
    """What is said of patches whose last norms stick out: their attention is about the picture, not about their place.

    `norms` are those of the tokens that a layer norm was last given, by how many tokens there are.
    """
    infos = [each.info for each in of_run if each.info.windows == 1 and each.info.keys.count in norms]
    tokens = next((info.keys for info in reversed(infos) if info.keys.between == "places"), None)
    if tokens is None:
        return
    patches = on_grid(norms[tokens.count][:, None], tokens).flatten(1)
    high = patches > OUTLYING * patches.median(1, keepdim=True).values
    count = int(high.sum(1).max())
    if 0 < count <= patches.shape[1] // 10:
        yield (
            f"{count} of {patches.shape[1]} patches have norms over {OUTLYING:g} times the median: in such tokens "
            "large models keep what belongs to the whole picture (Darcet et al. 2023), so the attention paid to them "
            "says little about their place. A model with registers has hardly any."
        )


def at_least_single(values: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Values in float32, or in float64 where they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
