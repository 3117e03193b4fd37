"""Models whose answer depends on more than the picture, and outputs whose first axis does not count the pictures."""

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import FeatureMapsWarning, ModelError, TargetError

PICTURES = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    """A convolution and four scores of `maps`, by a step of one's own between them."""

    def __init__(self, step: Callable[["Net", Tensor], Tensor], end: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.conv, self.head, self.norm = nn.Conv2d(3, 4, 3), nn.Linear(4, 4), nn.BatchNorm2d(4)
        self.step, self.end, self.count, self.average = step, end, 0, torch.zeros(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4)"""
        return self.end(self.head(self.step(self, self.conv(x)).mean((2, 3))))


def counts(model: Net, maps: Tensor) -> Tensor:
    """Another answer each time."""
    model.count += 1
    return maps * model.count


def averages(model: Net, maps: Tensor) -> Tensor:
    """A running mean of what it saw."""
    model.average = 0.5 * model.average + 0.5 * maps.detach().mean((0, 2, 3))[:, None, None]
    return maps - model.average


UNSTEADY: dict[str, Callable[[Net, Tensor], Tensor]] = {
    "dropout that stays on": lambda model, maps: F.dropout(maps, 0.5, training=True),
    "noise": lambda model, maps: maps + torch.randn_like(maps),
    "a counter": counts,
    "a counter in a buffer": lambda model, maps: maps * float(model.norm.num_batches_tracked.add_(1)),
    "one random number": lambda model, maps: maps * torch.rand(()),
    "NumPy's numbers": lambda model, maps: maps * float(np.random.rand()),
    # Several, since checks of types draw one now and then: the model may draw the very number that it drew alone.
    "Python's numbers": lambda model, maps: maps.flip(3) * (1 + sum(random.random() for _ in range(7))),
    "a running mean": averages,
    "statistics of the batch": lambda model, maps: F.batch_norm(maps, None, None, training=True) + maps,
    "the batch's largest": lambda model, maps: maps / maps.amax(),
}


@pytest.mark.parametrize("name", UNSTEADY)
@pytest.mark.parametrize("method", ["grad_cam", "saliency"])
def test_an_answer_that_depends_on_more_than_the_picture_is_a_doubt(name: str, method: str) -> None:
    """With every method, and in every call."""
    random.seed(3)
    np.random.seed(3)  # two numbers drawn at random may be alike
    torch.manual_seed(3)
    model = Net(UNSTEADY[name]).eval()
    scope = fm.Scope(model)
    for _ in range(2):
        heat = scope.explain(PICTURES[:2], method, target=1)
        assert all("gave other scores" in warnings[-1] for warnings in heat.warnings)


STATISTICS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda x: x.flatten(1).mean(1),
    "contrast": lambda x: x.flatten(1).std(1),
    "highest": lambda x: x.flatten(1).amax(1),
    "length": lambda x: x.flatten(1).norm(dim=1),
}
MIDDLES: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda values: values.mean(),
    "lower median": lambda values: values.median(),
    "quantile": lambda values: values.quantile(0.5),
    "middle of extremes": lambda values: (values.amin() + values.amax()) / 2,
}


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("middle", MIDDLES)
@pytest.mark.parametrize("shift", [0.0, -0.8], ids=["positive", "normalised"])
def test_a_picture_that_is_routed_by_the_middle_of_its_batch_is_a_doubt(
    statistic: str, middle: str, shift: float
) -> None:
    """Alone it is the middle, which either a strict comparison shows or the other one."""

    class Routed(nn.Module):
        def __init__(self, strict: bool) -> None:
            super().__init__()
            torch.manual_seed(5)
            self.conv, self.head, self.strict = nn.Conv2d(3, 4, 3), nn.Linear(4, 4), strict

        def forward(self, x: Tensor) -> Tensor:
            values = STATISTICS[statistic](x)
            rest = values - MIDDLES[middle](values)
            above = rest > 1e-5 if self.strict else rest > -1e-5
            return self.head(self.conv(x).relu().mean((2, 3))) * torch.where(above, 3.0, 1.0)[:, None]

    doubts = [
        fm.Scope(Routed(strict).eval()).explain(PICTURES[:1] + shift, "saliency", target=1).warnings[0]
        for strict in (True, False)
    ]
    assert any("gave other scores" in text for texts in doubts for text in texts)


@pytest.mark.parametrize("end", [lambda x: x - x.mean(0), lambda x: x @ x.T], ids=["centred", "each for each"])
def test_scores_made_of_the_batch_alone_are_a_doubt(end: Callable[[Tensor], Tensor]) -> None:
    """Of one picture they are nothing, or one number."""
    heat = fm.Scope(Net(lambda model, maps: maps, end).eval()).explain(PICTURES[:3], "saliency", target=1)
    assert all("gave other scores" in warnings[-1] for warnings in heat.warnings)


@pytest.mark.parametrize("name", ["noise", "a counter", "the batch's largest"])
def test_answers_and_concepts_carry_the_same_doubt(name: str) -> None:
    scope = fm.Scope(Net(UNSTEADY[name]).eval())
    with pytest.warns(FeatureMapsWarning, match="gave other scores"):
        scope.predict(PICTURES[:2])
    assert "gave other scores" in scope.factorize(PICTURES[:2], "conv", concepts=2, negative="clip").warnings[-1]


@pytest.mark.parametrize("name", ["noise", "one random number", "the batch's largest"])
def test_detectors_carry_it_too(name: str) -> None:
    """They give a dict of boxes for each picture."""

    def boxes(scores: Tensor) -> list[dict[str, Tensor]]:
        return [{"boxes": row[:, None] * torch.ones(4), "scores": row.sigmoid()} for row in scores]

    for step, doubted in ((UNSTEADY[name], True), (lambda model, maps: maps, False)):
        scope = fm.Scope(Net(step, boxes).eval())
        target = [lambda detections: detections[0]["scores"].sum()[None]]
        heat = scope.explain(PICTURES[:1], "grad_cam", layer="conv", target=target)
        assert any("gave other scores" in text for text in heat.warnings[0]) == doubted


@pytest.mark.parametrize("step", [lambda model, maps: maps, lambda model, maps: model.norm(maps)])
def test_nothing_is_said_of_a_steady_model(step: Callable[[Net, Tensor], Tensor]) -> None:
    """Batch norms use what they learned."""
    for dtype in (torch.float32, torch.bfloat16):
        heat = fm.Scope(Net(step).eval().to(dtype)).explain(PICTURES.to(dtype), "saliency", target=1)
        assert heat.warnings == ((),) * 4


def test_scores_in_float64_of_a_model_in_float32_are_steady() -> None:
    """They differ by the rounding of what they are made of."""
    model = Net(
        lambda model, maps: maps, lambda scores: scores.double() * (1 + 3e-6 * torch.arange(len(scores))[:, None])
    )
    assert fm.Scope(model.eval()).explain(PICTURES, "saliency", target=1).warnings == ((),) * 4


class OnePicture(nn.Module):
    """Takes one picture at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(1, 4)"""
        return self.conv(x).reshape(1, 4, -1).mean(2)


def test_models_of_single_pictures_are_left_alone() -> None:
    """They cannot be asked about two."""
    heat = fm.Scope(OnePicture()).explain(PICTURES[:1], layer="conv", target=1)
    assert heat.warnings == ((),)


def test_models_that_reshape_to_one_picture_say_what_to_do() -> None:
    """In a sentence, not in torch's words."""

    class Fixed(Net):
        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.conv(x).mean((2, 3)).view(1, 4))

    scope = fm.Scope(Fixed(lambda model, maps: maps).eval())
    with pytest.raises(ModelError, match="batch_size= that number"):
        scope.explain(PICTURES, layer="conv", target=1)
    assert len(scope.explain(PICTURES, layer="conv", target=1, batch_size=1)) == 4


@pytest.mark.parametrize("pictures", [2, 4])
def test_classes_before_pictures_are_refused_also_where_they_are_equally_many(pictures: int) -> None:
    """(classes, batch) is never read as (batch, classes)."""
    scope = fm.Scope(Net(lambda model, maps: maps, lambda scores: scores.T).eval())
    with pytest.raises(TargetError, match=r"first axis does not|axis 1 counts the pictures"):
        scope.explain(PICTURES[:pictures], layer="conv", target=1)
    with pytest.raises(TargetError, match=r"first axis does not|axis 1 counts the pictures"):
        scope.predict(PICTURES[:pictures])
