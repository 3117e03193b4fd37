"""What a model's class scores are: as said, as its graph or values show, and what everything makes of it."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import OptionError, TargetError
from featuremaps.outputs.class_outputs import ClassOutputs
from method_samples import noise, unchecked


class Ends(nn.Module):
    """Scores of a few classes, made into something else by `end`."""

    def __init__(self, end: Any = lambda scores: scores, classes: int = 4) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
        self.fc, self.end = nn.Linear(8, classes), end

    def scores(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(x).mean((2, 3))) * 20

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.scores(x))


INPUTS = noise(3)
ENDS = {
    "logits": (lambda scores: scores, {}, lambda scores: scores.softmax(1)),
    "softmax": (lambda scores: scores.softmax(1), {}, lambda scores: scores.softmax(1)),
    "log softmax": (lambda scores: scores.log_softmax(1), {}, lambda scores: scores.softmax(1)),
    "sigmoids": (torch.sigmoid, {}, torch.sigmoid),
    "sigmoids seen through a view": (
        lambda scores: scores.sigmoid().unflatten(1, (2, 2)).flatten(1),
        {},
        torch.sigmoid,
    ),
    "multi-label": (lambda scores: scores, {"outputs": "multi_label"}, torch.sigmoid),
    "said probabilities": (lambda scores: scores.sigmoid() * 1, {"outputs": "probabilities"}, torch.sigmoid),
    "said logarithms": (
        lambda scores: -nn.functional.softplus(-scores),
        {"outputs": "log_probabilities"},
        torch.sigmoid,
    ),
    "said logits": (lambda scores: scores.softmax(1), {"outputs": "logits"}, lambda s: s.softmax(1).softmax(1)),
}


@pytest.mark.parametrize("name", ENDS)
def test_probabilities_whatever_the_model_ends_in(name: str) -> None:
    end, said, by_hand = ENDS[name]
    model = Ends(end).eval()
    expected = by_hand(model.scores(INPUTS)).detach()
    scope = fm.Scope(model, **said)
    for answers, row in zip(scope.predict(INPUTS, 4), expected, strict=True):
        assert [answer.index for answer in answers] == row.argsort(descending=True).tolist()
        assert [answer.rank for answer in answers] == [1, 2, 3, 4]
        torch.testing.assert_close(
            torch.tensor([answer.probability for answer in answers]), row.sort(descending=True)[0]
        )
    record = scope.record(INPUTS, "conv", fm.Probability(2))
    torch.testing.assert_close(record.scores[0], expected[:, 2])
    heat = scope.explain(INPUTS, "rise", target=2, masks=4)
    torch.testing.assert_close(torch.tensor([answer.probability for answer in heat.answers]), expected[:, 2])


def test_score_cam_of_a_sigmoid_head_is_that_of_its_probabilities() -> None:
    """Squashed twice, the gains of channels would shrink and, for a softmax, turn round."""
    plain, ended = Ends().eval(), Ends(torch.sigmoid).eval()
    expected = fm.Scope(plain, outputs="multi_label").explain(INPUTS, "score_cam", layer="conv", target=1)
    torch.testing.assert_close(
        fm.Scope(ended).explain(INPUTS, "score_cam", layer="conv", target=1).tensor, expected.tensor
    )


@pytest.mark.parametrize("end", [torch.sigmoid, lambda scores: scores], ids=["sigmoid", "logit"])
def test_one_output_with_two_names(end: Any) -> None:
    model = Ends(end, 1).eval()
    share = model.scores(INPUTS).sigmoid()[:, 0].detach()
    scope = fm.Scope(model, classes=("no", "yes"))
    for answers, yes in zip(scope.predict(INPUTS), share.tolist(), strict=True):
        assert {answer.label: pytest.approx(answer.probability) for answer in answers} == {"yes": yes, "no": 1 - yes}
        assert answers[0].label == ("yes" if yes > 0.5 else "no")
    default = scope.explain(INPUTS, layer="conv")
    assert default.targets == tuple("yes" if yes > 0.5 else "no" for yes in share.tolist())
    no, yes = (scope.explain(INPUTS, layer="conv", target=name).tensor for name in ("no", "yes"))
    torch.testing.assert_close(no, -yes)


def test_scores_that_happen_to_lie_between_0_and_1_are_logits() -> None:
    model = Ends(lambda scores: scores / 1000 + 0.5).eval()
    shares = [answer.probability for answer in fm.Scope(model).predict(INPUTS[:1], 4)[0]]
    expected = model(INPUTS[:1]).softmax(1)[0].sort(descending=True)[0].detach()
    torch.testing.assert_close(torch.tensor(shares), expected)


def test_a_survey_keeps_such_probabilities(tmp_path: Any) -> None:
    model = Ends(torch.sigmoid).eval()
    survey = fm.Scope(model).survey(list(INPUTS), "conv", tmp_path / "s", workers=0, predictions=True)
    top, indices = model.scores(INPUTS).sigmoid().max(1)
    assert survey.predictions().indices.tolist() == indices.tolist()
    torch.testing.assert_close(
        torch.tensor(survey.predictions().probabilities).float(), top.detach(), atol=1e-3, rtol=0
    )


def test_a_drawn_probability_is_the_models(monkeypatch: pytest.MonkeyPatch) -> None:
    from featuremaps.draw.objective import ClassScore

    model = Ends(torch.sigmoid).eval()
    drawn = fm.Scope(model, outputs="probabilities").draw([ClassScore(1, probability=True)], size=16, steps=1)[0]
    assert 0 < drawn.value < 1


def test_every_heatmap_knows_what_it_explains_and_says_how_it_was_read() -> None:
    model = Ends().eval()
    scope = fm.Scope(model, classes=("a", "b", "c", "d"))
    shares = model.scores(INPUTS).softmax(1).detach()
    comparison = scope.compare(INPUTS, ["grad_cam", "saliency"], "conv", [None, "c"])
    for (_, _, target), heat in comparison.items():
        for answer, row, label in zip(heat.answers, shares, heat.targets, strict=True):
            assert answer is not None
            assert answer.label == label == ("abcd"[int(row.argmax())] if target is None else "c")
            assert answer.probability == pytest.approx(float(row[answer.index]), rel=1e-5)
            assert answer.rank == 1 + int((row > row[answer.index]).sum())
    heat = comparison["grad_cam", "conv", "c"]
    assert heat[1].answers == heat.answers[1:2]
    assert heat.captions[0] == f"c ({heat.answers[0].words})"
    assert heat.titles[0] == f"c {heat.answers[0].share}, no. {heat.answers[0].rank}"
    assert heat.how().splitlines()[:3] == [
        "grad_cam of conv",
        "conv: 8 channels of 8 × 8 places (channels first), followed from the picture",
        "4 class scores, made probabilities by a softmax (assumed); names were given",
    ]
    assert "explained: c (" in heat.how()
    assert comparison["saliency", "input", "c"].map().answers == heat.answers


def test_a_sigmoid_that_was_seen_was_not_said() -> None:
    words = fm.Scope(Ends(torch.sigmoid).eval()).explain(INPUTS, layer="conv").how()
    assert "4 class scores, taken as probabilities, as they are (the model keeps them between 0 and 1)" in words


@pytest.mark.parametrize(("share", "rank", "words"), [
    (0.873, 1, "87%, its own answer"), (0.001, 7, "<1%, its answer no. 7"), (0.0, 2, "0%, its answer no. 2"),
])  # fmt: skip
def test_an_answer_in_words(share: float, rank: int, words: str) -> None:
    from featuremaps.results.answer import Answer

    assert Answer("tabby", 281, share, 0.0, rank).words == words


def test_targets_that_are_no_class_have_no_probability() -> None:
    heat = fm.Scope(Ends().eval()).explain(INPUTS, layer="conv", target=lambda scores: scores.amax(1))
    assert heat.answers == (None,) * 3
    assert heat.captions[0] == heat.targets[0]


def test_a_target_is_checked_by_methods_that_use_none_and_that_is_said() -> None:
    scope = fm.Scope(Ends().eval())
    with pytest.raises(TargetError, match="target 9 is out of range"):
        scope.explain(INPUTS, "eigen_cam", layer="conv", target=9)
    heat = scope.explain(INPUTS, "eigen_cam", layer="conv", target=1)
    assert heat.warnings == (("eigen_cam uses no target: its map is the same for every class.",),) * 3
    assert (heat.targets, heat.answers) == (("",) * 3, (None,) * 3)
    assert scope.explain(INPUTS, "eigen_cam", layer="conv").warnings == ((),) * 3


def test_what_outputs_are_not() -> None:
    with (
        pytest.raises(OptionError, match=r"outputs='logit' is not known; choose .* Did you mean 'logits'"),
        unchecked(),
    ):
        fm.Scope(Ends(), outputs="logit")


def test_how_scores_are_read_in_words() -> None:
    scores = torch.tensor([[0.2, 0.8]])
    assert ClassOutputs().describe(scores) == (
        "2 class scores, taken as probabilities, as they are (by their values); their names are not known"
    )
    assert ClassOutputs(("a", "b"), "multi_label").describe(scores) == (
        "2 class scores, made probabilities by a sigmoid each (as outputs= says); names were given"
    )
    assert ClassOutputs().describe(torch.tensor([[3.0]])).startswith("1 class score, made probabilities by a sigmoid (")


@pytest.mark.parametrize("kind", ["probabilities", "log_probabilities"])
def test_scores_that_cannot_be_what_they_are_said_to_be(kind: Any) -> None:
    with pytest.raises(TargetError, match=f"the model's scores go from .* so they are no {kind}"):
        fm.Scope(Ends().eval(), outputs=kind).predict(INPUTS)


def test_several_labels_of_a_model_that_has_its_sigmoid_are_not_squashed_again() -> None:
    model = Ends(torch.sigmoid).eval()
    answers = fm.Scope(model, outputs="multi_label").predict(INPUTS, top=4)
    for answer, shares in zip(answers, model(INPUTS).tolist(), strict=True):
        assert [part.probability for part in answer] == pytest.approx(sorted(shares, reverse=True))


def test_answers_are_ranked_by_their_scores() -> None:
    from featuremaps.results.answer import Answers

    answers = Answers(torch.tensor([20.0, 25.0, 30.0, -1.0]), torch.tensor([1.0, 1.0, 1.0, 0.2]))
    assert [(answer.index, answer.rank) for answer in answers.top(4)] == [(2, 1), (1, 2), (0, 3), (3, 4)]


def test_an_embedding_taken_for_class_scores_is_doubted() -> None:
    """Rows of length 1 are no scores, unless somebody says so or names them."""
    unit = Ends(lambda scores: nn.functional.normalize(scores, dim=1)).eval()
    (doubts, *_) = fm.Scope(unit).explain(INPUTS, layer="conv").warnings
    assert any("have length 1, as embeddings have" in doubt for doubt in doubts)
    for said in (fm.Scope(unit, outputs="logits"), fm.Scope(unit, classes=list("abcd")), fm.Scope(Ends().eval())):
        assert not any("length 1" in doubt for one in said.explain(INPUTS, layer="conv").warnings for doubt in one)


def test_what_a_model_calls_an_embedding_is_doubted_as_class_scores() -> None:
    model = Ends(lambda scores: {"image_embeds": scores, "last_hidden_state": scores[:, None]}).eval()
    (doubts, *_) = fm.Scope(model).explain(INPUTS, layer="conv").warnings
    assert any("called image_embeds, an embedding" in doubt for doubt in doubts)
    similar = fm.Scope(model).explain(INPUTS, layer="conv", target=fm.Similarity(torch.ones(4)))
    for said in (fm.Scope(model, classes=list("abcd")).explain(INPUTS, layer="conv"), similar):
        assert not any("image_embeds" in doubt for one in said.warnings for doubt in one)


@pytest.mark.parametrize(
    "end",
    [
        lambda scores: scores.topk(3),
        lambda scores: scores.softmax(1).topk(3).values,
        lambda scores: scores.sort(1, descending=True).values.softmax(1),
        lambda scores: scores.sort(1, descending=True).values[:, :2] / 2,
    ],
)
def test_sorted_scores_are_of_no_known_class(end: Any) -> None:
    model = Ends(end).eval()
    for ask in (fm.Scope(model).predict, fm.Scope(model).explain):
        with pytest.raises(TargetError, match="the model gives its scores sorted"):
            ask(INPUTS)


def test_scores_that_happen_to_fall_are_read() -> None:
    model = Ends(lambda scores: scores * 0 + torch.arange(4.0).flip(0)).eval()
    assert fm.Scope(model).predict(INPUTS)[0][0].index == 0
