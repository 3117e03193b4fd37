"""Why an explanation should not be trusted: maps that are not finite, empty, or the same everywhere, and the reason."""

import warnings
from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from featuremaps.errors import FeatureMapsWarning
from featuremaps.explain.comparison import Explanation, Key
from featuremaps.explain.fused import fused
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.rendering import BIASES, NEGATIVE
from featuremaps.results.answer import Answer
from featuremaps.runtime.first_numbers import first_numbers
from featuremaps.runtime.record import Record
from featuremaps.runtime.warnings import misplaced

UNREAD = (
    "It is strongest at a place that this detection does not depend on: the method weighs channels by means over all "
    "places, and so marks other things that look alike. hires_cam and layer_cam keep to the places that count, and "
    "d_rise and occlusion ask the detector."
)
APART = (
    " The method weighs channels by means over all places, where this model reads places apart, as a head that "
    "flattens its maps does: hires_cam and layer_cam, which weigh place by place, find some that speak for it."
)
CANCELLED = (
    "It is made of rounding: this method weighs channels by their mean gradient, and in every channel the gradients "
    "of the places add up to nothing, as before an instance norm or a softmax over the places. hires_cam and layer_cam "
    "weigh each place by its own gradient; or choose a layer after the norm."
)
ROUNDINGS = 2
"""Means over places this few roundings of their terms away from zero are taken for zero."""
WRONG_SUM, WRONG_SHARE = 0.2, 0.02
"""So large a part of what the score gained, and of all values' sizes, is no matter of how finely a way is walked."""
ALIKE = 4
"""So many pictures with the same answer look odd."""
SURE, LEVELS = 0.999, 16
"""From this probability on an answer is sure; numbers beyond this are no picture's in 0..1, however normalised."""


def map_warnings(
    map: Float[Tensor, "batch *space"], record: Record, layers: Sequence[str], target: int, by_gradient: bool
) -> tuple[tuple[str, ...], ...]:
    """For each picture why its map should not be trusted, if so: not finite, empty, or the same everywhere.

    `layers` are those that the map is of, several where they were added up.
    """
    doubts = tuple(dict.fromkeys(doubt for layer in layers for doubt in misplaced(record.layouts.get(layer))))
    flat = map.flatten(1)
    finite = flat.isfinite().all(1)
    unread, cancelled = _unread(map, record, layers, target, by_gradient), torch.zeros_like(finite)
    if by_gradient and any(gradients.keys() >= {*layers} for gradients in record.gradients_by_target[target:][:1]):
        cancelled = _cancelled(flat, record, layers, target) & finite
    empty, nothing = (flat == 0).all(1), (flat <= 0).all(1)
    constant = (flat == flat[:, :1]).all(1) & (flat.shape[1] > 1)
    if bool((finite & ~constant & ~nothing & ~cancelled & ~unread).all()):
        return (doubts,) * len(map)

    def notes(i: int) -> tuple[str, ...]:
        if not finite[i]:
            return (_not_finite(flat[i]),)
        if empty[i]:
            return (f"The map is zero everywhere: {_why_empty(record, layers, target, i, by_gradient)}",)
        if cancelled[i]:
            return (CANCELLED,)
        if nothing[i]:
            score = f" (its score is {float(record.scores[target][i]):.3g})" if record.scores else ""
            apart = APART if by_gradient and _speaks_in_places(record, layers, target, i) else ""
            return (f"{NEGATIVE}: this layer speaks against the target{score}. It is shown signed.{apart}",)
        if constant[i]:
            return ("The map is the same everywhere: it prefers no place.",)
        return (UNREAD,) if unread[i] else ()

    return tuple((*notes(i), *doubts) for i in range(len(map)))


def _unread(map: Tensor, record: Record, layers: Sequence[str], target: int, by_gradient: bool) -> Tensor:
    """For each picture whether a detection's map is strongest at a place that its score does not depend on."""
    none = torch.zeros(len(map), dtype=torch.bool, device=map.device)
    if not by_gradient or record.targets[target].boxes is None:
        return none
    gradients = record.gradients_by_target[target]
    grids = [gradients[layer].abs().sum(1).reshape(len(map), *record.grid(layer)) for layer in layers]
    read, strongest = fused(grids)[0].flatten(1), map.flatten(1).argmax(1)
    return (read.gather(1, strongest[:, None])[:, 0] == 0) & (read.amax(1) > 0)


def _speaks_in_places(record: Record, layers: Sequence[str], target: int, i: int) -> bool:
    """Whether gradient × activation is positive somewhere in a layer, as HiResCAM draws it."""
    gradients = record.gradients_by_target[target]
    return any(bool(((gradients[layer][i] * record.activations[layer][i]).sum(0) > 0).any()) for layer in layers)


def _cancelled(
    flat: Float[Tensor, "batch _place"], record: Record, layers: Sequence[str], target: int
) -> Bool[Tensor, " batch"]:
    """For each picture whether its map is no larger than the rounding of means in which all gradients cancel out."""
    tolerance = ROUNDINGS * max(torch.finfo(kind).eps for kind in (record.inputs.dtype, torch.float32))
    cancelled, largest = torch.ones(len(flat), dtype=torch.bool, device=flat.device), torch.zeros_like(flat[:, 0])
    for layer in layers:
        gradients, activations = record.gradients_by_target[target][layer], record.activations[layer]
        sizes = gradients.abs().mean((2, 3))
        cancelled &= gradients.mean((2, 3)).abs().amax(1) <= tolerance * sizes.amax(1)
        if not bool(cancelled.any()):
            return cancelled
        largest += (sizes[:, :, None, None] * activations.abs()).sum(1).flatten(1).amax(1)
    return cancelled & (flat.abs().amax(1) <= tolerance * largest) & (flat != 0).any(1)


def _not_finite(values: Tensor) -> str:
    return f"{int((~values.isfinite()).sum())} of {len(values)} values are not finite."


def _why_empty(record: Record, layers: Sequence[str], target: int, i: int, by_gradient: bool) -> str:
    if not any(bool(record.activations[layer][i].any()) for layer in layers):
        return "every activation of the layer is zero (a dead layer) for this picture."
    if by_gradient and record.unreached.issuperset(layers):
        return (
            "no gradient reaches the layer: the target's score does not depend on it, or the model cuts the gradient "
            "off (detach, no_grad, a hook, a checkpoint with use_reentrant=True)."
        )
    gradients = [record.gradients_by_target[target][layer][i] for layer in layers if by_gradient]
    if by_gradient and not any(bool(each.any()) for each in gradients):
        layouts = [record.layouts.get(layer) for layer in layers]
        if any(layout is not None and layout.kind == "tokens" and layout.prefix for layout in layouts):
            return (
                "the target's score depends on none of the layer's patches, as for a head that reads only the class "
                "token after the last attention. Choose layer 'last', the last one whose patches count, or an earlier "
                "block; of a model that gives its tokens, where 'last' is of those, the norm before the last attention."
            )
        return "the target's gradient is zero at the layer (a saturated or constant score, or a dead path)."
    if by_gradient and not any(bool((each > 0).any()) for each in gradients):
        return "every gradient is negative: nothing in the layer speaks for the target."
    return "no channel was given any weight."


def pixel_warnings(
    values: Float[Tensor, "batch colour *space"],
    record: Record,
    target: int,
    error: Float[Tensor, " batch"] | None = None,
    biases: Float[Tensor, " batch"] | None = None,
) -> tuple[tuple[str, ...], ...]:
    """For each picture why its values should not be trusted, if so: not finite, or zero everywhere.

    `error` is how far values that are to add up to what the score gained are from it; it is said where it is large.
    `biases` is what of the score they kept; that is said where it is more than all of it.
    """
    flat = values.flatten(1)
    sums = flat.sum(1, dtype=torch.float64)
    gained = sums if error is None else sums - error
    smallest = torch.maximum(WRONG_SUM * torch.maximum(sums.abs(), gained.abs()), WRONG_SHARE * flat.abs().sum(1))
    wrong = (sums - gained).abs() > smallest
    kept = torch.zeros_like(sums) if biases is None else biases.nan_to_num().to(sums)
    apart = (kept.abs() > (sums + kept).abs()) & (kept.abs() > WRONG_SHARE * flat.abs().sum(1))
    finite, empty = sums.isfinite(), ~flat.any(1)

    def notes(i: int) -> tuple[str, ...]:
        if not finite[i]:
            return (_not_finite(flat[i]),)
        score = f" ({float(record.scores[target][i]):.3g})" if record.scores else ""
        lost = (
            f"Every value is zero: nothing of the score{score} comes back to the picture this way. It is cut off "
            "(detach, no_grad, a hook), or every path is dead."
        )
        off = (
            f"The values add up to {sums[i]:.3g}, and the score gained {gained[i]:.3g} on the way from the baseline: "
            "it jumps there, which gradients do not see (a threshold, a choice of branches), or needs more steps=."
        )
        far = (
            f"{BIASES} {kept[i]:.3g} of the score, {sums[i] + kept[i]:.3g}, which is more than all of it (position "
            "embeddings, class tokens and the offsets of norms and attention count as biases): the values add up to "
            f"{sums[i]:.3g}. They say where evidence lies, and not which share of the score each has."
        )
        return (lost,) if empty[i] else (off,) if wrong[i] else (far,) if apart[i] else ()

    return tuple(notes(i) for i in range(len(flat)))


def scale_doubts(model: nn.Module, pictures: Sequence[Seen], best: Sequence[Answer | None]) -> Iterator[str]:
    """Whether the model seems to be given numbers of the wrong scale, by the `best` answer to each picture.

    Pictures without preprocessing all get the same answer; or levels from 0 to 255 go in, the model does not scale them
    itself, and they are tensors of the user's, or all answers are the same or sure.
    """
    answers = [answer for answer in best if answer is not None]
    known = len(answers) == len(pictures) > 0
    labels = {answer.label for answer in answers}
    assumed = all(seen.preprocessing.transform is None and seen.picture.tensor is None for seen in pictures)
    folders = {seen.picture.path.parent.name for seen in pictures if seen.picture.path is not None}
    # All of one class, in a folder called so, are rightly alike.
    alike = known and len(pictures) >= ALIKE and len(labels) == 1 and folders != labels
    if assumed and alike:
        yield (
            f"All {len(pictures)} pictures get the same answer, {answers[0].label!r}, and no preprocessing was given: "
            "the model may expect other numbers than 0 to 1."
        )
    sure = known and all(answer.probability >= SURE for answer in answers)
    if not pictures or not (alike or sure or pictures[0].picture.tensor is not None):
        return
    if _has_levels(pictures[0]) and _keeps_levels(model, pictures[0]):
        behaves = "is sure of every answer" if sure else "gives all pictures the same answer" if alike else None
        seems = f"{behaves}, as one does that was trained on 0 to 1" if behaves else "does not scale them itself"
        yield (
            f"The model is given numbers from 0 to 255, and {seems}: unless it was trained on such numbers, scale "
            "them, ToDtype(torch.float32, scale=True) or tensor / 255, and normalise them as in its training."
        )


def _has_levels(seen: Seen) -> bool:
    """Whether a picture goes into the model as levels from 0 to 255, by a tensor or transform of the user's."""
    mine = seen.preprocessing.given or (seen.picture.tensor is not None and seen.preprocessing.form.shape is None)
    if not mine or len(seen.space) != 2 or seen.kept is None:
        return False
    low, high = seen.kept.aminmax()
    return bool(low >= 0 and LEVELS < high <= 255)


def _keeps_levels(model: nn.Module, seen: Seen) -> bool:
    """Whether levels are still such before the first convolution, or larger, as by a mean and deviation of 0 to 1."""
    low, high = first_numbers(model, seen.input)
    return (low >= 0 and high > LEVELS) or max(-low, high) > 255


def warn_of_unexplained(explanations: Mapping[Key, Explanation]) -> None:
    """A warning where a detector found nothing to explain in some pictures."""
    without = {
        seen.picture.name: "nothing" if target is None else f"no {target!r}"
        for (_, _, target), explanation in explanations.items()
        for seen in explanation.unexplained
    }
    if not without:
        return
    names = [*without]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    warnings.warn(
        f"The detector found {without[names[0]]} in {shown}, however unsure: not explained. Its own settings may leave "
        "out what is unsure: lower them, give other pictures, or ask for another label.",
        FeatureMapsWarning,
        stacklevel=4,
    )
