"""Why an explanation should not be trusted: maps that are not finite, empty, or the same everywhere, and the reason."""

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.runtime.record import Record


def map_warnings(
    map: Float[Tensor, "batch height width"], record: Record, layer: str, target: int, by_gradient: bool
) -> tuple[tuple[str, ...], ...]:
    """For each picture why its map should not be trusted, if so: not finite, empty, or the same everywhere."""
    flat = map.flatten(1)
    finite = flat.isfinite().all(1)
    empty, nothing = (flat == 0).all(1), (flat <= 0).all(1)
    constant = (flat == flat[:, :1]).all(1) & (flat.shape[1] > 1)
    if bool((finite & ~constant & ~nothing).all()):
        return ((),) * len(map)
    notes: list[tuple[str, ...]] = []
    for i in range(len(map)):
        if not finite[i]:
            notes.append((f"{int((~flat[i].isfinite()).sum())} of {flat.shape[1]} values are not finite.",))
        elif empty[i]:
            notes.append((f"The map is zero everywhere: {_why_empty(record, layer, target, i, by_gradient)}",))
        elif nothing[i]:
            score = f" (its score is {float(record.scores[target][i]):.3g})" if record.scores else ""
            notes.append((f"Every value is negative: this layer speaks against the target{score}. Look at it signed.",))
        elif constant[i]:
            notes.append(("The map is the same everywhere: it prefers no place.",))
        else:
            notes.append(())
    return tuple(notes)


def _why_empty(record: Record, layer: str, target: int, i: int, by_gradient: bool) -> str:
    if not bool(record.activations[layer][i].any()):
        return "every activation of the layer is zero (a dead layer) for this picture."
    if by_gradient and layer in record.unreached:
        return "no gradient reaches the layer, the target's score does not depend on it."
    if by_gradient and not bool(record.gradients_by_target[target][layer][i].any()):
        return "the target's gradient is zero at the layer (a saturated or constant score, or a dead path)."
    if by_gradient and not bool((record.gradients_by_target[target][layer][i] > 0).any()):
        return "every gradient is negative: nothing in the layer speaks for the target."
    return "no channel was given any weight."


def pixel_warnings(
    values: Float[Tensor, "batch colour height width"], record: Record, target: int
) -> tuple[tuple[str, ...], ...]:
    """For each picture why its values should not be trusted, if so: not finite, or zero everywhere."""
    flat = values.flatten(1)
    finite, empty = flat.sum(1, dtype=torch.float64).isfinite(), ~flat.any(1)
    notes: list[tuple[str, ...]] = []
    for i in range(len(flat)):
        if not finite[i]:
            notes.append((f"{int((~flat[i].isfinite()).sum())} of {flat.shape[1]} values are not finite.",))
        elif empty[i]:
            score = f" ({float(record.scores[target][i]):.3g})" if record.scores else ""
            notes.append((f"Every value is zero: nothing of the score{score} comes back to the picture this way.",))
        else:
            notes.append(())
    return tuple(notes)
