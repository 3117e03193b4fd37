"""A small network with everything that a call could leave changed, and every kind of call on it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.survey.analysis.detector import Detector


class Network(nn.Module):
    """Convolutions with batch norms, a functional ReLU, a counter in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(6, 8, 3, 1, 1), nn.BatchNorm2d(8))
        self.head = nn.Linear(8, 4)
        self.register_buffer("runs", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Four scores."""
        self.runs += 1
        return self.head(torch.relu(self.body(self.stem(x))).mean((2, 3)))


def network(seed: int = 0) -> Network:
    """In training mode but for a batch norm, with a gradient and a frozen weight: all of it must come back."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Network()
        for norm in (model.stem[1], model.body[1]):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
    model.train()
    model.stem[1].eval()
    model.stem[0].weight.requires_grad_(False)
    model.head.weight.grad = torch.ones_like(model.head.weight)
    return model


def pictures(seed: int = 0, count: int = 2) -> Tensor:
    """Preprocessed pictures."""
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def explained(method: str, **options: Any) -> Callable[[fm.Scope, Tensor], Tensor]:
    """A call of `explain`, whose maps it gives."""
    return lambda scope, inputs: scope.explain(inputs, method, layer="stem", target=1, **options).tensor


CALLS: dict[str, Callable[[fm.Scope, Tensor], Tensor]] = {
    "grad_cam": explained("grad_cam"),
    "guided_backprop": explained("guided_backprop"),
    "lrp": explained("lrp"),
    "deep_lift": explained("deep_lift"),
    "eigen_cam": explained("eigen_cam"),
    "score_cam": explained("score_cam"),
    "ablation_cam": explained("ablation_cam"),
    "occlusion": explained("occlusion", window=4, stride=4),
    "rise": explained("rise", masks=8),
    "integrated_gradients": explained("integrated_gradients", steps=4),
    "maps": lambda scope, inputs: scope.maps(inputs, "body").tensor,
    "record": lambda scope, inputs: scope.record(inputs, "stem", 1).gradients["stem"],
    "layers": lambda scope, inputs: torch.tensor([layer.channels or 0 for layer in scope.layers(inputs)]),
    "draw": lambda scope, inputs: scope.draw("body:3", steps=1, size=16)[0].picture,
    "project": lambda scope, inputs: scope.project(inputs, "body:3").units[0][0].signal,
    "detector": lambda scope, inputs: Detector(scope.model, "body", [1, 2])(inputs),
}
