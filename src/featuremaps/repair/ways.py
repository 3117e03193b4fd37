"""Ways to repair, as plans: each answers all pictures, every one without having learned from it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from featuremaps.editing.edits import Edit, NewWeights, Removal, channels_out
from featuremaps.repair.features import Head, Worked
from featuremaps.repair.groups import Grouped
from featuremaps.repair.heads import balanced, fitted, hard

FOLDS = 4
PENALTIES = (1e-3, 1e-2, 1e-1)
STRENGTHS = (2.0, 8.0)
COUNTS = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A way with its settings: what it answers to each picture, held out, and the edit that it comes to.

    `title` names the method, `settings` what was chosen for it.
    """

    way: str
    title: str
    settings: str
    called: Int[np.ndarray, " picture"]
    edit: Callable[[], Edit]


def removals(
    shift: Float[np.ndarray, " channel"], removal: Removal, slopes: Float[np.ndarray, " channel"], layer: str
) -> tuple[tuple[str, str, Removal], ...]:
    """The edits of a layer to try: the direction, and ever more of the channels that carry most of it to the answer."""
    carried = shift * slopes
    order = np.argsort(-np.abs(carried), kind="stable")
    at = removal.values @ removal.directions
    edits = [("projection", "", removal)]
    for count in COUNTS:
        if count < len(order):
            channels = order[:count].tolist()
            held = [0.0 if carried[channel] > 0 else float(at[channel]) for channel in channels]
            settings = "1 channel" if count == 1 else f"{count} channels"
            edits.append(("channels", settings, channels_out(layer, channels, len(order), held)))
    return tuple(edits)


def inside(
    worked: Worked, edits: Sequence[tuple[str, str, Removal]], outputs: Int[np.ndarray, " class"]
) -> list[Candidate]:
    """Plans that change the layer inside: nothing is learned, so every picture counts as held out."""
    titles = {
        "projection": "the direction taken out (P-ClArC, Anders et al. 2022)",
        "channels": "channels taken out (ablation by contribution)",
    }
    plans = []
    for number, (way, settings, edit) in enumerate(edits, 1):
        called = classes_of(worked.probabilities[number], outputs)
        plans.append(Candidate(way, titles[way], settings, called, lambda edit=edit: edit))  # type: ignore[misc]
    return plans


def heads(
    worked: Worked,
    head: Head,
    groups: Grouped,
    outputs: Int[np.ndarray, " class"],
    folds: Int[np.ndarray, " picture"],
) -> list[Candidate]:
    """Plans that train the last layer anew, each picture answered by one that was trained on the other folds."""
    labels, numbers = torch.from_numpy(groups.labels), torch.from_numpy(groups.numbers)
    own = torch.from_numpy(outputs)[labels]
    probability = worked.probabilities[0].gather(1, own[:, None])[:, 0]

    def balance(rows: Tensor) -> Tensor:
        return balanced(numbers[rows])

    plans = [
        _head_plan("balanced_head", f"penalty {penalty:g}", worked, head, own, balance, penalty, outputs, folds)
        for penalty in PENALTIES
    ]
    for strength in STRENGTHS:

        def hardness(rows: Tensor, strength: float = strength) -> Tensor:
            return hard(labels[rows], probability[rows], strength)

        for penalty in PENALTIES[:2]:
            settings = f"γ {strength:g}, penalty {penalty:g}"
            plans.append(_head_plan("hard_head", settings, worked, head, own, hardness, penalty, outputs, folds))
    return plans


TITLES = {
    "balanced_head": "the last layer trained anew, groups counting alike (DFR, Kirichenko et al. 2023)",
    "hard_head": "the last layer trained anew on what is hard (AFR, Qiu et al. 2023)",
}


def _head_plan(
    way: str,
    settings: str,
    worked: Worked,
    head: Head,
    own: Int[Tensor, " picture"],
    weighed: Callable[[Tensor], Tensor],
    penalty: float,
    outputs: Int[np.ndarray, " class"],
    folds: Int[np.ndarray, " picture"],
) -> Candidate:
    kept = torch.from_numpy(outputs).unique()
    numbers = torch.searchsorted(kept, own)

    def fit(rows: Tensor) -> tuple[Tensor, Tensor]:
        """Of the outputs that pictures are called by; beside all others they stay as high as they were, on the mean."""
        weight, bias = head.weight.clone(), head.bias.clone()
        anchors = weight[kept], bias[kept]
        made = fitted(worked.features[rows], numbers[rows], weighed(rows), *anchors, penalty)
        for whole, before, after in zip((weight, bias), anchors, made, strict=True):
            whole[kept] = after - (after - before).mean(0)
        return weight, bias

    scores = torch.empty(len(own), len(head.weight))
    for fold in range(FOLDS):
        weight, bias = fit(torch.from_numpy(np.flatnonzero(folds != fold)))
        here = torch.from_numpy(folds == fold)
        scores[here] = worked.features[here] @ weight.T + bias

    def edit() -> Edit:
        weight, bias = fit(torch.arange(len(own)))
        return NewWeights({f"{head.name}.weight": weight, f"{head.name}.bias": bias}, f"{way.replace('_', ' ')}")

    return Candidate(way, TITLES[way], settings, classes_of(scores, outputs), edit)


def best_plan(plans: Sequence[Candidate], groups: Grouped, choosing: Bool[np.ndarray, " picture"]) -> Candidate:
    """The plan that helps the worst group most, among pictures to choose on; ties go by the mean of groups."""
    return max(plans, key=lambda plan: groups.worth(plan.called, choosing))


def crossed(
    plans: Sequence[Candidate], groups: Grouped, half: Bool[np.ndarray, " picture"]
) -> Int[np.ndarray, " picture"]:
    """What the best plan answers where for each half of the pictures it is chosen on the other."""
    for_half, for_rest = (best_plan(plans, groups, choosing).called for choosing in (~half, half))
    return np.where(half, for_half, for_rest)


def classes_of(
    scores: Float[Tensor, "picture output"], outputs: Int[np.ndarray, " class"]
) -> Int[np.ndarray, " picture"]:
    """The class that each picture is called, −1 for an output that no label has."""
    of_output = np.full(scores.shape[1], -1)
    of_output[outputs] = np.arange(len(outputs))
    return of_output[scores.argmax(1).numpy()]


def dealt(groups: Grouped, generator: np.random.Generator) -> Int[np.ndarray, " picture"]:
    """The fold of each picture, each group's shared out evenly."""
    numbers = 2 * groups.labels + groups.present
    folds = np.empty(len(numbers), int)
    for group in np.unique(numbers):
        rows = generator.permutation(np.flatnonzero(numbers == group))
        folds[rows] = (np.arange(len(rows)) + generator.integers(FOLDS)) % FOLDS
    return folds
