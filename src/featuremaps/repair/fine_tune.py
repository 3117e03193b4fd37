"""The model, whole or from a layer on, trained further, groups counting alike, with or without a penalty.

The penalty is that of right reason class artifact compensation, RR-ClArC (Dreyer, Pahde, Anders, Samek & Lapuschkin
2024, "From Hope to Safety", eq. 5): the squared derivative of the output along the shortcut's direction is added to
the loss. Without it, it is what deep feature reweighting does, of more layers than the last: of all, where no layer is
named. Where the shortcut lies in a region, and without the penalty, pictures have other pictures' regions in its place
(`counter_pictures`), and classes count alike. Batch norms keep their statistics.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from featuremaps.editing.edited_model import copy_of
from featuremaps.editing.edits import Edit, NewWeights
from featuremaps.errors import ModelError
from featuremaps.models.studied_model import StudiedModel
from featuremaps.progress import track
from featuremaps.repair.counter_pictures import coarse, donors, region
from featuremaps.repair.groups import Grouped
from featuremaps.repair.heads import balanced
from featuremaps.repair.options import RepairOptions
from featuremaps.repair.tail_batches import (
    TailBatch,
    WholeBatch,
    tail_batches,
    trained_after,
    way_to_train,
    whole_batches,
)
from featuremaps.repair.ways import FOLDS, Candidate, classes_of
from featuremaps.session import Session
from featuremaps.shortcuts.responses import Responses
from featuremaps.shortcuts.strata import effects
from featuremaps.survey.storage.reader import StoredSurvey

STRENGTHS = {"fine_tune": (0.0,), "right_reason": (0.001, 0.01, 0.1)}
"""What the squared derivative is multiplied by; the direction is as long as the shortcut moves the layer."""
STEPS = 600
SWAPPED = "its region from other pictures"
RATE, LEAST_SIZE = 0.01, 1e-3
"""Adam begins with steps of this share of a parameter's root mean square, or of so much at least; they end at none."""
TITLES = {
    "fine_tune": "layers trained further, groups counting alike",
    "right_reason": "later layers trained further with its direction penalised (RR-ClArC, Dreyer et al. 2024)",
}


def derivatives(
    scores: Float[Tensor, "picture output"],
    maps: Float[Tensor, "picture channel height width"],
    direction: Float[Tensor, " channel"],
) -> Float[Tensor, "picture output"]:
    """How fast each score grows as every place of its picture's maps moves along the direction; differentiable itself.

    Reverse differentiation twice: of the scores with weights, and of what comes back with respect to these.
    """
    weights = torch.zeros_like(scores, requires_grad=True)
    (back,) = torch.autograd.grad(scores, maps, weights, create_graph=True)
    along = torch.einsum("pchw,c->p", back, direction)
    (found,) = torch.autograd.grad(along.sum(), weights, create_graph=True)
    return found


@dataclass(frozen=True, eq=False)
class _Lesson:
    """A copy of a model to train: its batches, the weights to train with their `start`, and what is to be learned.

    `truth` is the output of each picture's class, `groups` says which have the shortcut and which do not count, and
    `region` where it lies in them; None where that is no part of them.
    """

    batches: Sequence[TailBatch | WholeBatch]
    weights: Mapping[str, nn.Parameter]
    start: Mapping[str, Tensor]
    direction: Float[Tensor, " channel"]
    outputs: Int[Tensor, " class"]
    truth: Int[Tensor, " picture"]
    groups: Grouped
    region: Bool[Tensor, "*place"] | None

    def train(self, learned: Int[Tensor, " _some"], strength: float, seed: int) -> None:
        """Train from the start on some pictures, by their places."""
        share = torch.zeros(len(self.truth), dtype=torch.float64)
        alike = torch.from_numpy(self.groups.numbers if self.region is None else self.groups.labels)
        share[learned] = balanced(alike[learned])
        share *= len(learned) / share.sum()
        used = torch.zeros(len(self.truth), dtype=torch.bool)
        used[learned] = True
        batches = [batch for batch in self.batches if used[batch.rows].any()]
        generator, optimizer = torch.Generator().manual_seed(seed), self._optimizer()
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, STEPS)
        order: list[int] = []
        for _ in range(STEPS):
            order = order or torch.randperm(len(batches), generator=generator).tolist()
            optimizer.zero_grad()
            batch = batches[order.pop()]
            maps = self._swapped(batch, used, generator).detach()
            self._loss(batch, maps, share, used, strength).backward()
            optimizer.step()
            schedule.step()

    @torch.no_grad()
    def _optimizer(self) -> torch.optim.Optimizer:
        """Adam for the weights as they were at the start, steps in proportion to their size (Shazeer & Stern 2018)."""
        parts = []
        for name, weight in self.weights.items():
            weight.copy_(self.start[name])
            size = float(weight.square().mean().sqrt())
            parts.append({"params": [weight], "lr": RATE * max(size, LEAST_SIZE)})
        return torch.optim.Adam(parts)

    def _swapped(self, batch: TailBatch | WholeBatch, used: Tensor, generator: torch.Generator) -> Tensor:
        """The batch with other pictures' regions in the place of the shortcut's, where it lies in one."""
        rows, maps = torch.from_numpy(batch.rows), batch.maps
        if self.region is None:
            return maps
        present = torch.from_numpy(self.groups.present)[rows]
        return torch.where(self.region.to(maps.device), maps[donors(present, used[rows], generator)], maps)

    def _loss(
        self, batch: TailBatch | WholeBatch, maps: Tensor, share: Tensor, used: Tensor, strength: float
    ) -> Tensor:
        maps.requires_grad_(strength > 0)
        scores = batch.scores(maps)
        rows, device = torch.from_numpy(batch.rows), scores.device
        counted = used[rows].to(device)
        entropy = nn.functional.cross_entropy(scores, self.truth[rows].to(device), reduction="none")
        each = share[rows].to(entropy) * entropy
        if strength:
            along = derivatives(scores, maps, self.direction.to(maps))[:, self.outputs.to(device)]
            each = each + strength * along.square().sum(1)
        return each[counted].mean()

    @torch.no_grad()
    def answers(self) -> Float[Tensor, "picture output"]:
        """The class scores of all pictures, as the model is now."""
        parts = [batch.scores(batch.maps).float().cpu() for batch in self.batches]
        return torch.cat(parts)[torch.from_numpy(_order(self.batches))]


def fine_tuned(
    studied: StudiedModel,
    survey: StoredSurvey,
    given: Responses,
    groups: Grouped,
    layer: str | None,
    folds: Int[np.ndarray, " picture"],
    options: RepairOptions,
) -> list[Candidate]:
    """A plan for each strength of the penalty, each picture answered by a copy that it did not train.

    All after `layer` is trained, or the whole model; the direction at the layer is how its means differ with the
    shortcut, within labels. A copy is trained; the model is not touched. Raises `ModelError` where nothing after the
    layer can be trained.
    """
    with _training(studied) as session:
        copied = copy_of(session.model)
        inside = Session(copied, session.layout)
        batches = _batches(inside, studied, survey, given.rows, layer, options.batch_size)
        weights = trained_after(copied, batches)
        if not weights:
            place = "nothing in" if layer is None else f"nothing after layer {layer!r} of"
            raise ModelError(
                f"{place} {type(copied).__name__} has weights that its class scores depend on, so there is nothing to "
                f"fine-tune.{'' if layer is None else ' Begin after an earlier one, from_layer=.'}"
            )
        start = {name: weight.detach().clone() for name, weight in weights.items()}
        outputs = torch.tensor(given.outputs)
        truth = outputs[torch.from_numpy(groups.labels)]
        direction = torch.zeros(0) if layer is None else _direction(batches, groups)
        where = _region(batches, groups) if options.how == "fine_tune" else None
        lesson = _Lesson(batches, weights, start, direction, outputs, truth, groups, where)
        answers = _held_out(lesson, folds, STRENGTHS[options.how], options.seed)

    def edit(strength: float) -> Edit:
        with _training(studied):
            lesson.train(torch.arange(len(truth)), strength, options.seed)
            made = {name: weight.detach().clone() for name, weight in weights.items()}
        return NewWeights(made, "fine-tuned" if layer is None else f"fine-tuned after {layer}")

    return [
        Candidate(
            options.how,
            TITLES[options.how],
            _settings(layer, strength, where is not None),
            classes_of(scores, np.array(given.outputs)),
            partial(edit, strength),
        )
        for strength, scores in answers.items()
    ]


def _settings(layer: str | None, strength: float, swaps: bool) -> str:
    """What is said of how a copy was trained."""
    parts = ["all layers" if layer is None else f"after {layer}"]
    parts += [f"penalty {strength:g}"] if strength else []
    return ", ".join([*parts, SWAPPED] if swaps else parts)


def _batches(
    session: Session,
    studied: StudiedModel,
    survey: StoredSurvey,
    rows: Int[np.ndarray, " picture"],
    layer: str | None,
    batch_size: int,
) -> Sequence[TailBatch | WholeBatch]:
    """The pictures at a layer with the model from there on, or as the whole model receives them."""
    if layer is None:
        return whole_batches(session, studied, survey, rows, batch_size)
    way = way_to_train(session, studied, survey, rows, layer)
    return tail_batches(session, studied, survey, rows, layer, batch_size, way)


def _direction(batches: Sequence[TailBatch | WholeBatch], groups: Grouped) -> Float[Tensor, " channel"]:
    """How far the shortcut moves the layer's means, compared label by label."""
    means = torch.cat([batch.maps.mean((2, 3)).cpu() for batch in batches]).numpy()[_order(batches)]
    moved, _ = effects(means, groups.present[:, None], groups.labels)
    return torch.from_numpy(np.nan_to_num(moved[0])).float()


def _region(batches: Sequence[TailBatch | WholeBatch], groups: Grouped) -> Bool[Tensor, "*place"] | None:
    """Where the shortcut lies in what the batches hold."""
    maps = torch.cat([coarse(batch.maps).cpu() for batch in batches])[torch.from_numpy(_order(batches))]
    return region(maps, groups.present, groups.labels, tuple(batches[0].maps.shape[2:]))


def _order(batches: Sequence[TailBatch | WholeBatch]) -> Int[np.ndarray, " picture"]:
    """What brings the batches' pictures back in order."""
    order: Int[np.ndarray, " picture"] = np.argsort(np.concatenate([batch.rows for batch in batches]))
    return order


def _held_out(
    lesson: _Lesson, folds: Int[np.ndarray, " picture"], strengths: Sequence[float], seed: int
) -> Mapping[float, Float[Tensor, "picture output"]]:
    """The class scores for each strength, of pictures that were not learned from."""
    plans = [(strength, fold) for strength in strengths for fold in range(FOLDS)]
    answers: dict[float, Tensor] = {}
    for strength, fold in track(plans, "fine-tuning copies"):
        here = torch.from_numpy(folds == fold)
        lesson.train((~here).nonzero()[:, 0], strength, seed)
        scores = lesson.answers()
        answers.setdefault(strength, torch.empty_like(scores))[here] = scores[here]
    return answers


@contextmanager
def _training(studied: StudiedModel) -> Iterator[Session]:
    """A session in which attention is computed by steps that can be differentiated twice."""
    with studied.session() as session, sdpa_kernel(SDPBackend.MATH):
        yield session
