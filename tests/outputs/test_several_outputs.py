"""Models that return more than their class scores: which tensor is read, and what is said where nobody knows."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import TargetError

PICTURES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
NAMES = ["cat", "dog", "hen", "owl"]


class Both(NamedTuple):
    """An embedding and what is made of it."""

    features: Tensor
    answer: Tensor


@dataclass
class Result:
    """The same, as a dataclass."""

    features: Tensor
    answer: Tensor


class Net(nn.Module):
    """A convolution, an embedding of 8 and a head of 4 classes; `form` says what is returned."""

    def __init__(self, form: Callable[..., Any]) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv, self.head, self.form = nn.Conv2d(3, 8, 3), nn.Linear(8, 4), form

    def forward(self, x: Tensor) -> Any:
        """Whatever `form` makes of the scores, the embedding and the maps."""
        maps = self.conv(x)
        embedding = maps.relu().mean((2, 3))
        return self.form(self.head(embedding), embedding, maps)


SEVERAL: dict[str, Callable[..., Any]] = {
    "two heads": lambda scores, embedding, maps: (embedding[:, :3] * 2, scores),
    "two heads, one of shares": lambda scores, embedding, maps: (embedding[:, :3].sigmoid(), scores),
    "with the picture's own": lambda scores, embedding, maps: (embedding + 1, scores),
    "a confidence": lambda scores, embedding, maps: (scores, scores.softmax(1).amax(1)),
    "their entropy": lambda scores, embedding, maps: {"pred": scores, "entropy": scores.logsumexp(1, keepdim=True)},
    "a picture made of them": lambda scores, embedding, maps: (
        scores,
        scores[:, :3, None, None].expand(-1, -1, 16, 16) * 1,
    ),
    "named otherwise": lambda scores, embedding, maps: (scores, embedding * 2),
    "two heads in a dict": lambda scores, embedding, maps: {"a": embedding[:, :3] * 2, "b": scores},
}
PLAIN: dict[str, Callable[..., Any]] = {
    "embedding first": lambda scores, embedding, maps: (embedding, scores),
    "maps first": lambda scores, embedding, maps: [maps, scores],
    "scores first": lambda scores, embedding, maps: (scores, maps),
    "a named tuple": lambda scores, embedding, maps: Both(embedding, scores),
    "a dataclass": lambda scores, embedding, maps: Result(embedding, scores),
    "a dict": lambda scores, embedding, maps: {"features": embedding, "answer": scores},
    "a loss too": lambda scores, embedding, maps: (scores.sum(), embedding, scores),
    "a loss": lambda scores, embedding, maps: (scores.sum(), scores),
    "tokens": lambda scores, embedding, maps: (maps.flatten(2), scores),
    "a dict of one": lambda scores, embedding, maps: {"anything": scores},
    "a dict of one and a loss": lambda scores, embedding, maps: {"anything": scores, "loss": scores.sum()},
    "a dict in a dict": lambda scores, embedding, maps: {"head": {"logits": scores}, "features": maps},
    "dicts without known names": lambda scores, embedding, maps: {"a": {"b": {"c": scores}}, "d": {"e": embedding}},
    "a tuple in a tuple": lambda scores, embedding, maps: ((embedding, scores),),
    "out is something else": lambda scores, embedding, maps: {"out": embedding, "scores": scores},
    "out, and a helping head": lambda scores, embedding, maps: {"out": scores, "aux": embedding[:, :4] * 2},
    "by its name": lambda scores, embedding, maps: {"features": embedding, "logits": scores},
}


SINGLE: dict[str, Callable[..., Any]] = {
    "one score": lambda scores, embedding, maps: scores[:, :1],
    "squeezed": lambda scores, embedding, maps: scores[:, 0],
    "a sigmoid": lambda scores, embedding, maps: scores[:, :1].sigmoid(),
    "the second of a softmax": lambda scores, embedding, maps: scores[:, :2].softmax(1)[:, 1],
}


def expected(target: int) -> Tensor:
    """Grad-CAM by hand."""
    model = Net(lambda scores, embedding, maps: (scores, maps))
    scores, maps = model(PICTURES)
    gradients = torch.autograd.grad(scores[:, target].sum(), maps)[0]
    return (gradients.mean((2, 3), keepdim=True) * maps).sum(1).detach()


@pytest.mark.parametrize("name", [*SEVERAL, *PLAIN])
def test_names_tell_which_tensor_has_the_scores(name: str) -> None:
    """As many scores as names; the answers are those of the same tensor."""
    scope = fm.Scope(Net((SEVERAL | PLAIN)[name]), classes=NAMES)
    heat = scope.explain(PICTURES, layer="conv", method="grad_cam", target="owl")
    torch.testing.assert_close(heat.tensor, expected(3))
    answers = Net(lambda scores, embedding, maps: scores)(PICTURES).softmax(1)
    for answer, shares in zip(scope.predict(PICTURES, top=4), answers.tolist(), strict=True):
        assert [part.probability for part in answer] == pytest.approx(sorted(shares, reverse=True))


@pytest.mark.parametrize("name", PLAIN)
def test_one_that_leaves_no_choice_needs_no_names(name: str) -> None:
    """What all others went into; a loss and tokens are no class scores."""
    heat = fm.Scope(Net(PLAIN[name])).explain(PICTURES, layer="conv", method="grad_cam", target=3)
    torch.testing.assert_close(heat.tensor, expected(3))


@pytest.mark.parametrize("name", SEVERAL)
def test_without_names_it_is_refused_with_the_shapes(name: str) -> None:
    """Where nobody can tell, a function says it, and methods without a target run."""
    scope = fm.Scope(Net(SEVERAL[name]))
    for call in (
        lambda: scope.explain(PICTURES, layer="conv", target=1),
        lambda: scope.explain(PICTURES, layer="conv", method="finer_cam"),
        lambda: scope.predict(PICTURES),
    ):
        with pytest.raises(TargetError, match=r"\(2, 4\).* is not known.*classes=|classes=.*"):
            call()
    assert scope.explain(PICTURES, layer="conv", method="eigen_cam").answers == (None, None)
    with pytest.raises(TargetError, match="which of them is its class scores"):
        scope.draw(1, steps=2, size=16)


def test_equally_many_are_told_by_what_went_into_what() -> None:
    """With names for both, or without any; the part is named."""
    model = Net(lambda scores, embedding, maps: (embedding, scores))
    model.head = nn.Linear(8, 8)
    for names in (None, [f"class {number}" for number in range(8)]):
        scope = fm.Scope(model, classes=names)
        shares = model(PICTURES)[1].softmax(1)
        assert [answer[0].index for answer in scope.predict(PICTURES)] == shares.argmax(1).tolist()
        assert "8 class scores in part 1 of what the model returns" in scope.explain(PICTURES, layer="conv").how()


EQUAL: dict[str, Callable[..., Any]] = {
    "a helping head": lambda scores, embedding, maps: (scores, embedding[:, :4] * 2),
    "a list of heads": lambda scores, embedding, maps: [scores * 1, embedding[:, :4] * 2, embedding[:, 4:] * 2],
    "two of a tuple": lambda scores, embedding, maps: (scores[:, :2] * 1, scores[:, 2:] * 1),
    "mean and spread": lambda scores, embedding, maps: (embedding[:, :4] + 1, scores.exp()),
}


@pytest.mark.parametrize("form", EQUAL)
def test_of_several_alike_the_first_is_read_and_that_is_said(form: str) -> None:
    model = Net(EQUAL[form])
    scope, first = fm.Scope(model), fm.Scope(Net(lambda *parts: EQUAL[form](*parts)[0]))
    heat = scope.explain(PICTURES, layer="conv", target=1)
    torch.testing.assert_close(heat.tensor, first.explain(PICTURES, layer="conv", target=1).tensor)
    assert all(any("tensors of as many scores, and the first is read" in word for word in w) for w in heat.warnings)
    with pytest.warns(fm.errors.FeatureMapsWarning, match="and the first is read"):
        scope.predict(PICTURES)
    own = scope.explain(PICTURES, layer="conv", target=lambda outputs: outputs[1][:, 0])
    assert not any("first is read" in word for words in own.warnings for word in words)


def test_two_names_are_two_scores_before_they_are_one() -> None:
    """One score is of two names only where no part has two."""
    model = Net(lambda scores, embedding, maps: (embedding[:, :1] * 2, scores[:, :2]))
    expected = model(PICTURES)[1].argmax(1).tolist()
    answers = fm.Scope(model, classes=["m", "f"]).predict(PICTURES)
    assert [answer[0].index for answer in answers] == expected
    apart = Net(lambda scores, embedding, maps: scores[:, :2].unbind(1))
    with pytest.raises(TargetError, match="which of them is its class scores"):
        fm.Scope(apart, classes=["neg", "pos"]).explain(PICTURES, layer="conv", target=0)


def test_every_way_to_the_scores_reads_the_same_tensor() -> None:
    """Masked copies, the tail, all classes at once, a drawing and similarity."""
    scope = fm.Scope(Net(SEVERAL["two heads, one of shares"]), classes=NAMES)
    plain = fm.Scope(Net(lambda scores, embedding, maps: scores), classes=NAMES)
    for method in ("score_cam", "ablation_cam", "finer_cam", "occlusion", "rise"):
        made = [each.explain(PICTURES, layer="conv", method=method, target="hen") for each in (scope, plain)]
        torch.testing.assert_close(made[0].tensor, made[1].tensor)
    drawn = [each.draw("dog", steps=3, size=16) for each in (scope, plain)]
    assert drawn[0][0].value == pytest.approx(drawn[1][0].value)
    reference = torch.rand(3)
    similar = scope.explain(PICTURES, layer="conv", target=fm.Similarity(reference))
    by_hand = scope.explain(PICTURES, layer="conv", target=lambda out: torch.cosine_similarity(out[0], reference[None]))
    torch.testing.assert_close(similar.tensor, by_hand.tensor)


def test_a_dataclass_is_cut_picture_by_picture() -> None:
    """One target for each picture, functions among them."""
    scope = fm.Scope(Net(PLAIN["a dataclass"]), classes=NAMES)
    heat = scope.explain(PICTURES, layer="conv", target=[lambda out: out.answer[:, 2], fm.Logit(3)])
    torch.testing.assert_close(heat.tensor, torch.stack([expected(2)[0], expected(3)[1]]))


class Dense(nn.Module):
    """A map of 5 scores, as `form` turns it."""

    def __init__(self, form: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.form = nn.Conv2d(3, 10, 1), form

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 10, height, width), turned."""
        return self.form(self.conv(x))


@pytest.mark.parametrize(
    "form",
    [
        lambda maps: maps.permute(0, 2, 3, 1),
        lambda maps: maps.permute(0, 2, 3, 1).contiguous().softmax(-1),
    ],
    ids=["channels last", "a softmax over the last"],
)
def test_maps_of_scores_that_lie_otherwise_are_refused(form: Callable[[Tensor], Tensor]) -> None:
    """Rows of the picture are no classes."""
    scope = fm.Scope(Dense(form))
    with pytest.raises(TargetError, match=r"places lie along axes .*\(batch, classes, …places\)"):
        scope.explain(PICTURES, layer="conv", target=1)
    with pytest.raises(TargetError, match="places lie along axes"):
        scope.predict(PICTURES)
    assert scope.explain(PICTURES, layer="conv", method="eigen_cam").answers == (None, None)


def test_the_grid_of_a_detectors_anchors_is_no_segmentation() -> None:
    scope = fm.Scope(Dense(lambda maps: maps.unflatten(1, (2, 5)).permute(0, 1, 3, 4, 2)))
    with pytest.raises(TargetError, match="more axes than the 4 of its input.* detector's head gives for each anchor"):
        scope.explain(PICTURES, layer="conv", target=1)
    with pytest.raises(TargetError, match="more axes than the 4 of its input"):
        scope.predict(PICTURES)


def test_maps_of_scores_that_lie_as_usual_are_read() -> None:
    """(batch, classes, height, width), and a quarter of the picture's size."""
    for form in (lambda maps: maps, lambda maps: nn.functional.avg_pool2d(maps, 4)):
        heat = fm.Scope(Dense(form)).explain(PICTURES, layer="conv", target=fm.Logit(1))
        assert heat.answers is not None
        assert heat.answers[0] is not None


@pytest.mark.parametrize("form", ["embedding first", "two heads, one of shares", *SINGLE])
def test_a_survey_keeps_the_same_answers(form: str, tmp_path: Path) -> None:
    """Of the tensor that has as many scores as names, or of one score with two names."""
    forms = SEVERAL | PLAIN | SINGLE
    scope = fm.Scope(Net(forms[form]), classes=["no", "yes"] if form in SINGLE else NAMES)
    survey = scope.survey(list(PICTURES), "conv", out=tmp_path / "survey", workers=0)
    answers = scope.predict(PICTURES, top=4)
    kept = survey.predictions()
    assert kept is not None
    assert kept.indices.tolist() == [answer[0].index for answer in answers]
    assert kept.probabilities.tolist() == pytest.approx([answer[0].probability for answer in answers], rel=1e-3)


LEVELS: dict[str, Callable[[Tensor], Any]] = {
    "a U-Net's with deep supervision": lambda maps: [maps[:, :4] * 1, maps[:, 4:, ::2, ::2] * 2],
    "of a head before it is made boxes": lambda maps: (
        [maps[:, :4] * 1, maps[:, :4, ::2, ::2] * 2],
        [maps[:, :2] * 1, maps[:, :2, ::2, ::2] * 2],
    ),
}


@pytest.mark.parametrize("classes", [None, NAMES])
@pytest.mark.parametrize("form", LEVELS)
def test_maps_of_several_sizes_are_said_to_be_such(form: str, classes: list[str] | None) -> None:
    """Naming the classes, which may have been done, is no way out."""
    scope = fm.Scope(Net(lambda scores, embedding, maps: LEVELS[form](maps)), classes=classes)
    with pytest.raises(TargetError, match="maps of several sizes, .*deep supervision.*docs/detectors.md") as raised:
        scope.explain(PICTURES, layer="conv", target=1)
    assert "Name the classes" not in str(raised.value)


def test_where_names_fit_no_part_or_several_that_is_said() -> None:
    scope = fm.Scope(
        Net(lambda scores, embedding, maps: {"a": scores * 1, "b": embedding[:, :5] * 2}), classes=["x", "y", "z"]
    )
    with pytest.raises(TargetError, match="not just one of them has 3, as many as classes were named"):
        scope.explain(PICTURES, layer="conv", target=1)
