"""Why an explanation should not be trusted: maps that are not finite, empty, or the same everywhere, and the reason."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.pictures.seen import Seen
from featuremaps.plotting.rendering import NEGATIVE
from featuremaps.runtime.doubts import misplaced
from featuremaps.runtime.record import Record

ALIKE = 4
"""So many pictures with the same answer look odd."""


def map_warnings(
    map: Float[Tensor, "batch *space"], record: Record, layer: str, target: int, by_gradient: bool
) -> tuple[tuple[str, ...], ...]:
    """For each picture why its map should not be trusted, if so: not finite, empty, or the same everywhere."""
    doubts = misplaced(record.layouts.get(layer))
    flat = map.flatten(1)
    finite = flat.isfinite().all(1)
    empty, nothing = (flat == 0).all(1), (flat <= 0).all(1)
    constant = (flat == flat[:, :1]).all(1) & (flat.shape[1] > 1)
    if bool((finite & ~constant & ~nothing).all()):
        return (doubts,) * len(map)

    def notes(i: int) -> tuple[str, ...]:
        if not finite[i]:
            return (_not_finite(flat[i]),)
        if empty[i]:
            return (f"The map is zero everywhere: {_why_empty(record, layer, target, i, by_gradient)}",)
        if nothing[i]:
            score = f" (its score is {float(record.scores[target][i]):.3g})" if record.scores else ""
            return (f"{NEGATIVE}: this layer speaks against the target{score}. It is shown signed.",)
        return ("The map is the same everywhere: it prefers no place.",) if constant[i] else ()

    return tuple((*notes(i), *doubts) for i in range(len(map)))


def _not_finite(values: Tensor) -> str:
    return f"{int((~values.isfinite()).sum())} of {len(values)} values are not finite."


def _why_empty(record: Record, layer: str, target: int, i: int, by_gradient: bool) -> str:
    if not bool(record.activations[layer][i].any()):
        return "every activation of the layer is zero (a dead layer) for this picture."
    if by_gradient and layer in record.unreached:
        return (
            "no gradient reaches the layer: the target's score does not depend on it, or the model cuts the gradient "
            "off (detach, no_grad, a hook, a checkpoint with use_reentrant=True)."
        )
    if by_gradient and not bool(record.gradients_by_target[target][layer][i].any()):
        layout = record.layouts.get(layer)
        if layout is not None and layout.kind == "tokens" and layout.prefix:
            return (
                "the target's score depends on none of the layer's patches, as for a head that reads only the class "
                "token after the last attention. Choose layer 'last', the last one whose patches count, or an earlier "
                "block."
            )
        return "the target's gradient is zero at the layer (a saturated or constant score, or a dead path)."
    if by_gradient and not bool((record.gradients_by_target[target][layer][i] > 0).any()):
        return "every gradient is negative: nothing in the layer speaks for the target."
    return "no channel was given any weight."


def pixel_warnings(
    values: Float[Tensor, "batch colour *space"], record: Record, target: int
) -> tuple[tuple[str, ...], ...]:
    """For each picture why its values should not be trusted, if so: not finite, or zero everywhere."""
    flat = values.flatten(1)
    finite, empty = flat.sum(1, dtype=torch.float64).isfinite(), ~flat.any(1)

    def notes(i: int) -> tuple[str, ...]:
        if not finite[i]:
            return (_not_finite(flat[i]),)
        score = f" ({float(record.scores[target][i]):.3g})" if record.scores else ""
        lost = (
            f"Every value is zero: nothing of the score{score} comes back to the picture this way. It is cut off "
            "(detach, no_grad, a hook), or every path is dead."
        )
        return (lost,) if empty[i] else ()

    return tuple(notes(i) for i in range(len(flat)))


def scale_doubts(pictures: Sequence[Seen], best: Sequence[str]) -> Iterator[str]:
    """Whether pictures without preprocessing seem to have the wrong scale: the `best` answers are all the same."""
    assumed = all(seen.preprocessing.transform is None and seen.picture.tensor is None for seen in pictures)
    if assumed and len(pictures) >= ALIKE and len({*best}) == 1 and "" not in best:
        yield (
            f"All {len(pictures)} pictures get the same answer, {best[0]!r}, and no preprocessing was given: the "
            "model may expect other numbers than 0 to 1."
        )
