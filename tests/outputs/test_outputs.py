"""Reading what models return: which axis counts the pictures, and what the numbers already are."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import TargetError
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.outputs.outputs import are_probabilities, logits_of, scores_of
from method_samples import noise, unchecked


class Net(nn.Module):
    """Four scores, made into something else at the end."""

    def __init__(self, end=lambda scores: scores, outputs: int = 4) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
        self.fc = nn.Linear(8, outputs)
        with torch.no_grad():
            self.fc.weight *= 10
        self.end = end

    def forward(self, x: Tensor) -> object:
        return self.end(self.fc(self.conv(x).mean((2, 3))))


def grad_cam(model: Net, inputs: Tensor, score) -> Tensor:
    """By hand, of any score of the plain outputs."""
    maps = model.conv(inputs).detach().requires_grad_()
    gradient = torch.autograd.grad(score(model.end(model.fc(maps.mean((2, 3))))), maps)[0]
    return (gradient.mean((2, 3), keepdim=True) * maps).sum(1).detach()


def test_squeezed_outputs_of_one_picture_and_of_one_class() -> None:
    inputs = noise(1)
    squeezed, plain = Net(torch.squeeze).eval(), Net().eval()
    for target in (None, 2):
        found, expected = (fm.Scope(model).explain(inputs, layer="conv", target=target) for model in (squeezed, plain))
        assert found.targets == expected.targets
        torch.testing.assert_close(found.tensor, expected.tensor)
    assert scores_of(torch.tensor([1.0, 2.0]), 2).shape == (2, 1)
    assert scores_of(torch.tensor(1.0), 1).shape == (1, 1)
    three = fm.Scope(Net(torch.squeeze, 1).eval()).explain(noise(3), layer="conv")
    torch.testing.assert_close(three.tensor, grad_cam(Net(torch.squeeze, 1), noise(3), Tensor.sum))


@pytest.mark.parametrize(
    "end",
    [
        lambda scores: scores.t(),
        lambda scores: torch.stack([scores] * 5),
        lambda scores: torch.cat([scores, scores]),
        lambda scores: scores.mean(0),
    ],
    ids=["classes first", "time first", "copies", "a mean over the batch"],
)
def test_a_first_axis_that_does_not_count_the_pictures(end) -> None:
    with pytest.raises(TargetError, match="for 3 pictures: its first axis does not count them"):
        fm.Scope(Net(end).eval()).explain(noise(3), layer="conv", target=0)


def test_queries_are_not_classes() -> None:
    def detected(scores: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=torch.stack([scores, 2 * scores.flip(1), -scores], 1))

    model, inputs = Net(detected).eval(), noise(2)
    scope = fm.Scope(model, classes=["cup", "cat", "dog", "none"])
    with pytest.raises(TargetError, match=r"\(2, 3, 4\): scores of 3 queries or tokens .*target=Query\(0, class\)"):
        scope.explain(inputs, layer="conv", target="cup")
    heat = scope.explain(inputs, layer="conv", target=fm.Query(1, "cup"))
    assert heat.targets == ("cup of query 1",) * 2
    torch.testing.assert_close(heat.tensor, grad_cam(model, inputs, lambda out: out.logits[:, 1, 0].sum()))
    with pytest.raises(TargetError, match=r"Query\(3, …\) needs scores .* with more queries than 3"):
        scope.explain(inputs, layer="conv", target=fm.Query(3, 0))


def test_several_maps_are_no_class_scores() -> None:
    maps = [torch.rand(2, 4, 8, 8), torch.rand(2, 8, 4, 4)]
    assert logits_of(maps) is None
    assert ClassOutputs().given_if_any(maps, 2) is None
    assert ClassOutputs().given_if_any(torch.rand(2, 3, 4), 2) is None


@pytest.mark.parametrize("method", ["score_cam", "rise"])
def test_probabilities_are_not_squashed_again(method: str) -> None:
    """The model of the logarithms has the same probabilities, which softmax gives back."""
    inputs, options = noise(3), {"masks": 20} if method == "rise" else {}
    given, logarithms = Net(lambda scores: scores.softmax(1)).eval(), Net(lambda scores: scores.log_softmax(1)).eval()
    assert are_probabilities(given(inputs))
    assert not are_probabilities(logarithms(inputs))
    for target in (0, 3):
        of_given, of_logarithms = (
            fm.Scope(model).explain(inputs, method, layer="conv", target=target, **options).tensor
            for model in (given, logarithms)
        )
        torch.testing.assert_close(of_given, of_logarithms, rtol=1e-4, atol=1e-6)
    shares = fm.Scope(given).record(inputs, "conv", fm.Probability(1)).scores[0]
    torch.testing.assert_close(shares, given(inputs)[:, 1].detach())


def test_scores_that_only_look_like_probabilities() -> None:
    for scores in ([[0.5, 0.6]], [[1.5, -0.5]], [[0.5, 0.5], [0.2, 0.1]]):
        assert not are_probabilities(torch.tensor(scores))
        torch.testing.assert_close(ClassOutputs().probabilities(torch.tensor(scores)), torch.tensor(scores).softmax(1))


def test_one_score_with_two_names() -> None:
    model, inputs = Net(outputs=1).eval(), noise(2)
    scope, scores = fm.Scope(model, classes=["cat", "dog"]), Net(outputs=1)(inputs).detach()[:, 0]
    positive = grad_cam(model, inputs, Tensor.sum)
    torch.testing.assert_close(scope.explain(inputs, layer="conv", target="dog").tensor, positive)
    torch.testing.assert_close(scope.explain(inputs, layer="conv", target="cat").tensor, -positive)
    answers = tuple("dog" if score > 0 else "cat" for score in scores.tolist())
    assert scope.explain(inputs, layer="conv").targets == answers
    chances = scope.record(inputs, "conv", fm.Probability("cat")).scores[0]
    torch.testing.assert_close(chances, 1 - scores.sigmoid())
    assert scope.explain(inputs, layer="conv", target=fm.Margin("dog", "cat")).targets == ("dog rather than cat",) * 2


@pytest.mark.parametrize("count", [3, 5, 21])
def test_as_many_names_as_outputs(count: int) -> None:
    scope = fm.Scope(Net().eval(), classes=[f"name {number}" for number in range(count)])
    with pytest.raises(TargetError, match=f"{count} class names were given, and the model has 4 outputs"):
        scope.explain(noise(1), layer="conv", target=0)


@pytest.mark.parametrize(
    ("end", "score"),
    [
        (lambda scores: {"age": scores, "sex": -scores}, lambda out: out["sex"][:, 2]),
        (lambda scores: {"logits": scores, "sex": -scores}, lambda out: out["sex"][:, 2]),
        (lambda scores: (scores, -scores), lambda out: out[1][:, 2]),
        (
            lambda scores: [{"scores": row} for row in scores],
            lambda out: torch.stack([one["scores"][2] for one in out]),
        ),
    ],
    ids=["dict", "dict with logits", "tuple", "a list of dicts"],
)
def test_a_function_for_each_picture_gets_the_whole_output(end, score) -> None:
    model, inputs = Net(end).eval(), noise(2)
    expected = grad_cam(model, inputs, lambda out: score(out).sum())
    for target in (score, [score, score]):
        torch.testing.assert_close(
            fm.Scope(model).explain(inputs, layer="conv", target=target).tensor, expected, rtol=1e-4, atol=1e-6
        )


def test_similarity_to_the_pooled_embedding() -> None:
    outputs = SimpleNamespace(last_hidden_state=torch.rand(2, 5, 4), pooler_output=torch.rand(2, 4))
    reference = torch.rand(4)
    scores = fm.Similarity(reference).bind(outputs, ClassOutputs(), 2).scores(outputs)
    torch.testing.assert_close(scores, torch.cosine_similarity(outputs.pooler_output, reference[None]))


def test_a_mask_may_be_an_array_of_the_pictures_size() -> None:
    dense, mask = torch.rand(2, 3, 4, 4), np.zeros((8, 8), np.float32)
    mask[:2, 2:4] = 1
    with unchecked():
        scores = fm.Mask(mask, 1).bind(dense, ClassOutputs(), 2).scores(dense)
    torch.testing.assert_close(scores, dense[:, 1, 0, 1])
