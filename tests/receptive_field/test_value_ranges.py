"""What a model's operations keep its scores between: never narrower than what they give, and how scores are read."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.layers.known import known_layers
from featuremaps.layers.model_output import WHOLE
from featuremaps.outputs.class_outputs import WAY_OUT

PICTURES = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))
End = Callable[[Tensor], Tensor]
SHARES: dict[str, End] = {
    "a sigmoid": torch.sigmoid,
    "in place": lambda scores: (scores * 1).sigmoid_(),
    "the second of a softmax": lambda scores: scores.softmax(1)[:, 1:2],
    "the second, squeezed": lambda scores: scores.softmax(1)[:, 1],
    "the opposite": lambda scores: 1 - scores.sigmoid(),
    "the opposite, written otherwise": lambda scores: -scores.sigmoid() + 1,
    "a mean of two": lambda scores: torch.stack([scores.sigmoid(), (2 * scores).sigmoid()]).mean(0),
    "half the sum of two": lambda scores: (scores.sigmoid() + (2 * scores).sigmoid()) / 2,
    "a mean over places": lambda scores: scores[..., None].expand(-1, -1, 5).sigmoid().mean(2),
    "clamped": lambda scores: scores.sigmoid().clamp(1e-6, 1 - 1e-6),
    "ordinal": lambda scores: scores.sigmoid().cumprod(1),
    "a product": lambda scores: scores.sigmoid() * (1 - scores.sigmoid()),
    "a gate times": lambda scores: scores.softmax(1) * scores.sigmoid(),
    "half of tanh": lambda scores: (scores.tanh() + 1) / 2,
    "exp of a log-softmax": lambda scores: scores.log_softmax(1).exp()[:, :3],
    "some of them": lambda scores: scores.softmax(1)[:, [0, 2]],
    "the most": lambda scores: torch.maximum(scores.sigmoid(), (-scores).sigmoid()),
    "a sigmoid written out": lambda scores: 1 / (1 + (-scores).exp()),
    "a sigmoid by a reciprocal": lambda scores: ((-scores).exp() + 1).reciprocal(),
    "clipped ReLU": lambda scores: scores.relu().clamp(max=1),
}
LOGARITHMS: dict[str, End] = {
    "logsigmoid": F.logsigmoid,
    "log of a sigmoid": lambda scores: scores.sigmoid().log(),
    "some of a log-softmax": lambda scores: scores.log_softmax(1)[:, :2],
}
SQUASHED: dict[str, tuple[End, str]] = {
    "percent": (lambda scores: 100 * scores.softmax(1), "between 0 and 100"),
    "a loss": (lambda scores: -scores.log_softmax(1), "above 0"),
    "twice": (lambda scores: scores.sigmoid() + scores.sigmoid(), "between 0 and 2"),
    "distances": (lambda scores: torch.cdist(scores, torch.eye(4)), "above 0"),
    "squared distances": (lambda scores: ((scores[:, None] - torch.eye(4)) ** 2).sum(2), "above 0"),
    "lengths": (lambda scores: (scores[:, None] - torch.eye(4)).norm(dim=2), "above 0"),
    "roots": (lambda scores: (scores[:, None] - torch.eye(4)).square().sum(2).sqrt(), "above 0"),
    "lengths of capsules": (lambda scores: (lambda n: n / (1 + n))(scores[..., None].norm(dim=2) ** 2), "above 0"),
    "angles": (lambda scores: F.normalize(scores).acos(), "between 0 and 3.14159"),
    "evidence": (lambda scores: F.softplus(scores) + 1, "above 1"),
    "one more than a ReLU": (lambda scores: scores.relu() + 1, "above 1"),
    "one by a length": (lambda scores: 1 / torch.cdist(scores, torch.eye(4)), "above 0"),
    "positive": (torch.abs, "above 0"),
}
LOGITS: dict[str, End] = {
    "clamped by a tensor of its own": lambda scores: scores.sigmoid().clamp(min=scores.tanh() * 9),
    "between two": lambda scores: scores.clamp(scores.tanh() - 3, scores.sigmoid() + 5),
    "at least another": lambda scores: torch.clamp_min(scores.tanh(), scores),
    "twice another": lambda scores: torch.add(scores.sigmoid(), scores.sigmoid(), alpha=2),
    "whole parts": lambda scores: torch.div(scores.tanh(), 3, rounding_mode="floor"),
    "one by another": lambda scores: scores.tanh() / scores.tanh(),
    "as they are": lambda scores: scores,
    "negative": lambda scores: -(scores**2),
    "distances, negative": lambda scores: -torch.cdist(scores, torch.eye(4)),
    "an odd power": lambda scores: scores**3,
    "sums": lambda scores: scores[..., None].expand(-1, -1, 3).tanh().sum(2),
    "of a reciprocal": lambda scores: 1 / (scores + 0.1),
    "sharpened": lambda scores: scores.log_softmax(1) * 3,
    "two together": lambda scores: scores.log_softmax(1) + (2 * scores).log_softmax(1),
    "a gate": lambda scores: scores * scores.sigmoid(),
    "by an unknown": lambda scores: scores.sigmoid() * torch.tensor([3.0, 1.0, 2.0, 4.0]),
    "of a table": lambda scores: torch.arange(8.0)[scores.sigmoid().mul(4).long()],
}
RECTIFIED: dict[str, End] = {
    "a ReLU": torch.relu,
    "a mean of ReLUs": lambda scores: scores[..., None].expand(-1, -1, 3).relu().mean(2),
}
"""As SqueezeNet's are, which are logits."""


class Ends(nn.Module):
    """Four scores, and what is made of them."""

    def __init__(self, end: End) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.conv, self.head, self.end = nn.Conv2d(3, 4, 3), nn.Linear(4, 4), end

    def forward(self, x: Tensor) -> Any:
        """See above."""
        return self.end(self.head(self.conv(x).relu().mean((2, 3))))


def doubts(heat: fm.Heatmaps) -> list[str]:
    """What is said of the scores."""
    return [text for some in heat.warnings for text in some if text.startswith("the model")]


ENDS = SHARES | LOGARITHMS | RECTIFIED | {name: end for name, (end, _) in SQUASHED.items()} | LOGITS


@pytest.mark.parametrize("name", ENDS)
def test_no_value_lies_outside_its_range(name: str) -> None:
    """Whatever the scores are, also great ones."""
    model = Ends(ENDS[name]).eval()
    low, high, *_ = known_layers(model, PICTURES).outputs[WHOLE].range
    for scale in (1.0, 30.0):
        values = model.end(scale * torch.randn(64, 4, generator=torch.Generator().manual_seed(2)))
        assert low - 1e-9 <= float(values.min()) <= float(values.max()) <= high + 1e-9


@pytest.mark.parametrize("name", SHARES)
def test_shares_are_not_squashed_again(name: str) -> None:
    """By whatever way they came to lie between 0 and 1."""
    model = Ends(SHARES[name]).eval()
    given = model(PICTURES).detach().reshape(3, -1)
    heat = fm.Scope(model).explain(PICTURES, layer="conv", target=0)
    assert [answer.probability for answer in heat.answers] == pytest.approx(given[:, 0].tolist(), abs=1e-6)
    assert "as they are (the model keeps them between 0 and 1)" in heat.how()
    assert not doubts(heat)


@pytest.mark.parametrize("name", LOGARITHMS)
def test_logarithms_are_undone(name: str) -> None:
    """Of shares that are no alternatives, too."""
    model = Ends(LOGARITHMS[name]).eval()
    answers = fm.Scope(model).predict(PICTURES, top=4)
    for answer, row in zip(answers, model(PICTURES).exp().tolist(), strict=True):
        assert [part.probability for part in answer] == pytest.approx(sorted(row, reverse=True), abs=1e-6)


@pytest.mark.parametrize("name", SQUASHED)
def test_what_can_be_no_logits_is_said(name: str) -> None:
    """In `how()`, and as a doubt; not where the user says what they are."""
    end, between = SQUASHED[name]
    model = Ends(end).eval()
    heat = fm.Scope(model).explain(PICTURES, layer="conv", target=0)
    assert f"assumed, but the model keeps its scores {between}, as no logits are" in heat.how()
    words = f"the model keeps its scores {between}, as no logits are: {WAY_OUT}"
    assert doubts(heat) == [words] * 3
    assert not doubts(fm.Scope(model, outputs="logits").explain(PICTURES, layer="conv", target=0))
    assert not doubts(fm.Scope(model).explain(PICTURES, "eigen_cam", layer="conv"))


@pytest.mark.parametrize("name", RECTIFIED)
def test_logits_that_end_in_a_relu_are_not_doubted(name: str) -> None:
    heat = fm.Scope(Ends(RECTIFIED[name]).eval()).explain(PICTURES, layer="conv", target=0)
    assert not doubts(heat)
    assert "made probabilities by a softmax (assumed)" in heat.how()


@pytest.mark.parametrize("name", LOGITS)
def test_nothing_is_claimed_of_logits(name: str) -> None:
    """Not even of those that happen to have one sign."""
    model = Ends(LOGITS[name]).eval()
    known = known_layers(model, PICTURES).outputs[WHOLE].range
    assert known.low == -math.inf
    assert not known.logarithm
    if name != "of a table":
        assert "made probabilities by a softmax (assumed)" in fm.Scope(model).explain(PICTURES, layer="conv").how()
