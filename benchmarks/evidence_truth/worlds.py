"""Worlds: a model, pictures, and an order of explanations that is known to be the true one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

import featuremaps as fm
from benchmarks.evidence_truth.nets import SIDE, Linear, Quarter, cue_net, cue_pictures, cue_used
from featuremaps.demo.world import scene
from featuremaps.evidence.explainer import Key
from featuremaps.evidence.options import TRIAL_METHODS

SIMPLE_METHODS = (
    "grad_cam",
    "layer_cam",
    "hires_cam",
    "saliency",
    "input_x_gradient",
    "integrated_gradients",
    "smooth_grad",
    "guided_backprop",
    "lrp",
    "occlusion",
)
WITHIN = 4 / 128
"""How far from the object a peak may lie, as a share of the side: 4 pixels of a scene."""


Truth = Float[np.ndarray, " picture"]


@dataclass(frozen=True)
class World:
    """What a trial is made of, and `truth`: how good each explanation of each picture is."""

    scope: fm.Scope
    pictures: Any
    targets: Any
    masks: Sequence[Any] | None
    methods: Sequence[str] = TRIAL_METHODS
    layers: Sequence[str] = ("layer3", "last")
    truth: Callable[["World", fm.Trial], Mapping[Key, Truth]] = field(default=lambda world, trial: by_masks(trial))
    about: Mapping[str, float] = field(default_factory=dict)

    def trial(self, measures: Sequence[str], count: int, **options: Any) -> fm.Trial:
        """A trial on the first so many pictures."""
        masks = None if self.masks is None else list(self.masks[:count])
        targets = self.targets[:count] if isinstance(self.targets, list) else self.targets
        pictures, how = self.pictures[:count], {"masks": masks, "measures": tuple(measures)} | options
        return self.scope.trial(pictures, self.methods, list(self.layers), targets, **how)


def by_masks(trial: fm.Trial, names: Sequence[str] = ("pointing_game", "energy_inside")) -> dict[Key, Truth]:
    """The mean of the pointing game and of the energy inside."""
    columns = [trial.measures.index(name) for name in names]
    return {row: trial.values[trial.rows.index(row), columns].mean(0) for row in trial.explanations}


def by_energy(world: World, trial: fm.Trial) -> dict[Key, Truth]:
    """The energy inside alone, where what decides is a region without a middle."""
    return by_masks(trial, ["energy_inside"])


def by_contributions(world: World, trial: fm.Trial) -> dict[Key, Truth]:
    """The correlation of the maps with the exact contributions."""
    pictures = world.pictures[: len(trial.pictures)]
    exact = world.scope.model.contributions(pictures).flatten(1)  # type: ignore[operator, union-attr]
    comparison = world.scope.compare(pictures, world.methods, list(world.layers), targets=world.targets)
    alike = {}
    for (method, layer, _), explained in comparison.items():
        heat = explained if hasattr(explained, "upsample") else explained.map()
        pairs = zip(exact.numpy(), heat.upsample().tensor.flatten(1).numpy(), strict=True)
        alike[method, layer] = np.array([np.corrcoef(*pair)[0, 1] for pair in pairs])
    return alike


def linear(number: int) -> World:
    """Clouds before a linear model."""
    random = torch.Generator().manual_seed(100 + number)
    pictures = torch.nn.functional.avg_pool2d(torch.randn(20, 3, SIDE, SIDE, generator=random), 3, 1, 1) * 2
    scope = fm.Scope(Linear(number), spatial=2)
    return World(scope, pictures, 1, None, SIMPLE_METHODS, ("features",), by_contributions)


def planted(number: int) -> World:
    """Noise before a model that sees one quarter of it."""
    pictures = torch.rand(20, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(200 + number)) + 0.2
    model = Quarter(number)
    seen = torch.nn.functional.max_pool2d(model.inside[None].float(), 3, 1, 1)[0] > 0  # what its 3 × 3 windows reach
    return World(fm.Scope(model, spatial=2), pictures, 1, [seen] * 20, SIMPLE_METHODS, ("features",), by_energy)


def cue(number: int) -> World:
    """Pictures with a coloured square that decides the class, before a network trained on them."""
    model = cue_net(number)
    right, used = cue_used(model, 70_000 + number)
    pictures, labels, masks = cue_pictures(20, 80_000 + number)
    about = {"right": right, "cue used": used}
    return World(fm.Scope(model), pictures, labels.tolist(), list(masks), TRIAL_METHODS, ("5", "11"), about=about)


def demo(number: int, domain: str) -> World:
    """Clutter scenes before the bundled network that learned no shortcut."""
    first = 9_000_000 + 1000 * number
    scenes = [scene(("scissors", "hammer")[i % 2], domain, False, seed=first + i) for i in range(20)]
    return World(
        fm.load("demo-fixed"),
        [each.picture for each in scenes],
        [each.label for each in scenes],
        [each.mask for each in scenes],
    )


KINDS: dict[str, Callable[[int], World]] = {
    "linear": linear,
    "planted": planted,
    "cue": cue,
    "photograph": partial(demo, domain="photograph"),
    "xray": partial(demo, domain="xray"),
}
