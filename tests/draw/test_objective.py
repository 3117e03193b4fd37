"""Objectives: their values and gradients beside loops, their algebra, and what is wrong with bad ones."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from featuremaps.draw.model_view import Responses
from featuremaps.draw.objective import (
    Channel,
    ClassScore,
    Combination,
    Direction,
    Ground,
    Layer,
    Neuron,
    Objective,
    interpolated,
    likeness,
)
from featuremaps.draw.reference import Caricature, Match
from featuremaps.errors import LayerNotFoundError, OptionError, TargetError
from featuremaps.outputs.class_outputs import ClassOutputs

GENERATOR = torch.Generator().manual_seed(0)
MAPS = torch.randn(2, 3, 4, 5, generator=GENERATOR, dtype=torch.float64)
REFERENCE = torch.randn(1, 3, 4, 5, generator=GENERATOR, dtype=torch.float64)
VECTOR = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
SCORES = torch.randn(2, 4, generator=GENERATOR, dtype=torch.float64)


def positions(maps: Tensor) -> list[tuple[int, int]]:
    return [(y, x) for y in range(maps.shape[1]) for x in range(maps.shape[2])]


def channel(maps: Tensor, scores: Tensor) -> Tensor:
    return sum(maps[1, y, x] for y, x in positions(maps)) / 20


def neuron(maps: Tensor, scores: Tensor) -> Tensor:
    return maps[2, 3, 1]


def middle(maps: Tensor, scores: Tensor) -> Tensor:
    return maps[2, 2, 2]


def layer(maps: Tensor, scores: Tensor) -> Tensor:
    return sum(maps[c, y, x] ** 2 for c in range(3) for y, x in positions(maps)) / 60


def along(a: Tensor, r: Tensor, sharpness: float) -> Tensor:
    dot = sum(a[c] * r[c] for c in range(3))
    cosine = dot / (torch.sqrt(sum(v**2 for v in a)) * torch.sqrt(sum(v**2 for v in r)))
    return dot * max(cosine, torch.tensor(0.1, dtype=a.dtype)) ** sharpness


def direction(maps: Tensor, scores: Tensor) -> Tensor:
    unit = VECTOR / math.sqrt(1 + 4 + 0.25)
    return sum(along(maps[:, y, x], unit, 2.0) for y, x in positions(maps)) / 20


def class_score(maps: Tensor, scores: Tensor) -> Tensor:
    return scores[3]


def probability(maps: Tensor, scores: Tensor) -> Tensor:
    return scores[3].exp() / sum(score.exp() for score in scores)


def match(maps: Tensor, scores: Tensor) -> Tensor:
    far = sum((maps[c, y, x] - REFERENCE[0, c, y, x]) ** 2 for c in range(3) for y, x in positions(maps))
    return -far / sum(value**2 for value in REFERENCE.flatten())


def caricature(maps: Tensor, scores: Tensor) -> Tensor:
    total = sum(along(maps[:, y, x], REFERENCE[0, :, y, x], 1.0) for y, x in positions(maps)) / 20
    return total / (sum(value**2 for value in REFERENCE.flatten()) / 20)


def combination(maps: Tensor, scores: Tensor) -> Tensor:
    return channel(maps, scores) - 2 * neuron(maps, scores) + 0.5 * class_score(maps, scores)


CASES: dict[str, tuple[Objective, Callable[[Tensor, Tensor], Tensor]]] = {
    "channel": (Channel("a", 1), channel),
    "neuron": (Neuron("a", 2, (3, 1)), neuron),
    "middle neuron": (Neuron("a", 2), middle),
    "layer": (Layer("a"), layer),
    "direction": (Direction("a", VECTOR, 2.0), direction),
    "class": (ClassScore(3), class_score),
    "probability": (ClassScore(3, probability=True), probability),
    "match": (Match("a", REFERENCE, maps=REFERENCE), match),
    "caricature": (Caricature("a", REFERENCE, maps=REFERENCE), caricature),
    "combination": (Channel("a", 1) - 2.0 * Neuron("a", 2, (3, 1)) + 0.5 * ClassScore(3), combination),
}


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients_equal_slow_ones(case: str) -> None:
    objective, slow = CASES[case]
    if case in ("class", "probability", "combination"):
        assert objective.outputs
    results = []
    for values in (
        lambda maps, scores: objective.values(Responses({"a": maps}, scores)),
        lambda maps, scores: torch.stack([slow(maps[row], scores[row]) for row in range(2)]),
    ):
        maps, scores = MAPS.clone().requires_grad_(), SCORES.clone().requires_grad_()
        found = values(maps, scores)
        gradients = torch.autograd.grad(found.sum(), [maps, scores], materialize_grads=True, allow_unused=True)
        results.append((found, *gradients))
    for fast, expected in zip(*results, strict=True):
        torch.testing.assert_close(fast.double(), expected, rtol=1e-6, atol=1e-7)


def test_sums_and_differences_are_written_as_people_write_them() -> None:
    a, b = Channel("a", 1), Channel("b", 2)
    assert (a + b).label == "a:1 + b:2"
    assert (a - 0.5 * b).label == "a:1 - 0.5*b:2"
    assert (-a).label == "-a:1"
    assert (a + b).layers == ("a", "b")
    assert Neuron("a", 1, (3, 5)).label == "a:1@3,5"
    assert Neuron("a", 1, (3, 5)).placed
    assert (a + Neuron("b", 1, (3, 5))).placed
    assert not Neuron("a", 1).placed


def test_a_named_combination_stays_one_term() -> None:
    pair = Combination(((1.0, Channel("a", 1)), (1.0, Channel("a", 2))), name="pair")
    assert (2.0 * pair).label == "2*pair"


def test_interpolation_goes_from_one_to_the_other() -> None:
    a, b = Channel("a", 0), Channel("a", 1)
    looked = Responses({"a": MAPS})
    steps = interpolated(a, b, 5)
    values = torch.stack([step.values(looked) for step in steps])
    for number, share in enumerate((0, 0.25, 0.5, 0.75, 1)):
        torch.testing.assert_close(values[number], (1 - share) * a.values(looked) + share * b.values(looked))
    with pytest.raises(OptionError, match="2 or more steps"):
        interpolated(a, b, 1)


def test_likeness_is_the_mean_cosine_of_gram_matrices() -> None:
    maps = torch.randn(3, 4, 5, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    grams = [torch.stack([(m[i] * m[j]).sum() for i in range(4) for j in range(4)]) for m in maps]
    slow = [
        sum(float(grams[i] @ grams[j] / grams[i].norm() / grams[j].norm()) for j in range(3) if j != i) / 2
        for i in range(3)
    ]
    torch.testing.assert_close(likeness(maps), torch.tensor(slow, dtype=torch.float64))
    assert likeness(maps[:1]).item() == 0
    torch.testing.assert_close(likeness(maps[:1].repeat(3, 1, 1, 1)), torch.ones(3, dtype=torch.float64))


def test_bad_objectives_say_what_there_is() -> None:
    classes = ClassOutputs(("cat", "dog", "hen", "owl"))
    ground = Ground(Responses({"a": MAPS.float()}, SCORES.float()), classes)
    with pytest.raises(LayerNotFoundError, match="a has channels 0 to 2, there is no 3"):
        Channel("a", 3).grounded(ground)
    with pytest.raises(LayerNotFoundError, match=r"rows 0 to 3 and columns 0 to 4.*no place \(4, 0\)"):
        Neuron("a", 1, (4, 0)).grounded(ground)
    with pytest.raises(OptionError, match="each of the 3 channels of a, not all zero; got shape"):
        Direction("a", torch.ones(4)).grounded(ground)
    with pytest.raises(OptionError, match="not all zero"):
        Direction("a", torch.zeros(3)).grounded(ground)
    with pytest.raises(TargetError, match="owl"):
        ClassScore("howl").grounded(ground)
    assert ClassScore("hen").grounded(ground).which == 2
    assert ClassScore(2).grounded(ground).label == "hen"
    with pytest.raises(OptionError, match="has not been looked at"):
        Match("a", REFERENCE.float()).values(Responses({"a": MAPS.float()}))
    with pytest.raises(LayerNotFoundError, match="there is no 9"):
        (Channel("a", 1) + Channel("a", 9)).grounded(ground)
