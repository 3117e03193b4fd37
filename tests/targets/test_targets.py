"""What can be explained: every kind of target, and every message when one does not fit."""

from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import TargetError
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.outputs.outputs import class_label, logits_of, scores_of
from featuremaps.targets.targets import Each, Score, Target, as_target, select
from method_samples import Little, noise

NAMES = ("hammer", "saw, handsaw", "drill", "level")
IMAGENET = tuple(torchvision.models.SqueezeNet1_0_Weights.DEFAULT.meta["categories"])
SCORES = torch.tensor([[1.0, 4.0, -2.0, 0.5], [3.0, 2.5, 0.0, -1.0]])


def bound_scores(target: object, outputs: object = SCORES, classes: tuple[str, ...] | None = None) -> list[float]:
    scores = as_target(target).bind(outputs, ClassOutputs(classes), 2).scores(outputs)
    assert scores.dtype == torch.float32
    return [round(value, 5) for value in scores.tolist()]


def labels(target: object, classes: tuple[str, ...] | None = NAMES, outputs: object = SCORES) -> tuple[str, ...]:
    return as_target(target).bind(outputs, ClassOutputs(classes), 2).labels


@pytest.mark.parametrize(
    ("target", "scores", "names"),
    [
        (None, [4.0, 3.0], ("saw, handsaw", "hammer")),
        (2, [-2.0, 0.0], ("drill", "drill")),
        ("level", [0.5, -1.0], ("level", "level")),
        (" Handsaw ", [4.0, 2.5], ("saw, handsaw",) * 2),
        ("saw, handsaw", [4.0, 2.5], ("saw, handsaw",) * 2),
        ("3", [0.5, -1.0], ("level", "level")),
        (("drill", 0), [-2.0, 3.0], ("drill", "hammer")),
        ([1, 0], [4.0, 3.0], ("saw, handsaw", "hammer")),
        (torch.tensor([1, 0]), [4.0, 3.0], ("saw, handsaw", "hammer")),
        (torch.tensor(2), [-2.0, 0.0], ("drill", "drill")),
        (np.array([1, 0]), [4.0, 3.0], ("saw, handsaw", "hammer")),
        (np.int64(2), [-2.0, 0.0], ("drill", "drill")),
        ([np.int64(1), np.int64(0)], [4.0, 3.0], ("saw, handsaw", "hammer")),
        (fm.Logit("drill"), [-2.0, 0.0], ("drill", "drill")),
        (fm.Margin("hammer", "drill"), [3.0, 3.0], ("hammer rather than drill",) * 2),
        (fm.Margin(), [3.0, 0.5], ("saw, handsaw rather than hammer", "hammer rather than saw, handsaw")),
        (fm.Margin(2), [-6.0, -3.0], ("drill rather than saw, handsaw", "drill rather than hammer")),
        (fm.Margin([0, 1], 3), [0.5, 3.5], ("hammer rather than level", "saw, handsaw rather than level")),
        ([fm.Logit(2), fm.Margin(0, 1)], [-2.0, 0.5], ("drill", "hammer rather than saw, handsaw")),
        (lambda scores: scores[:, 0] * 2, [2.0, 6.0], ("<lambda>",) * 2),
    ],
)
def test_targets_of_classifiers(target: object, scores: list[float], names: tuple[str, ...]) -> None:
    assert bound_scores(target, classes=NAMES) == scores
    assert labels(target) == names


def test_classes_without_names_are_numbered() -> None:
    assert labels(None, None) == ("class 1", "class 0")
    assert class_label(7, NAMES) == "class 7"


def test_indices_are_those_of_the_first_class() -> None:
    for target, expected in ((None, [1, 0]), (fm.Margin(2, 0), [2, 2]), (fm.Probability([3, 1]), [3, 1])):
        assert as_target(target).bind(SCORES, ClassOutputs(), 2).indices.tolist() == expected
    assert as_target([fm.Logit(2), fm.Margin(0, 1)]).bind(SCORES, ClassOutputs(), 2).indices.tolist() == [2, 0]
    assert as_target([fm.Logit(2), torch.sum]).bind(SCORES, ClassOutputs(), 2).indices is None


def test_probability() -> None:
    e = SCORES.double().exp()
    expected = [round(float(e[i, 1] / e[i].sum()), 5) for i in range(2)]
    assert bound_scores(fm.Probability(1)) == expected
    assert labels(fm.Probability(1)) == ("probability of saw, handsaw",) * 2
    single = torch.tensor([[0.0], [2.0]])
    assert bound_scores(fm.Probability(), single) == [0.5, round(1 / (1 + np.exp(-2.0)), 5)]
    assert bound_scores(fm.Probability(0), torch.tensor([0.0, 2.0])) == [0.5, 0.8808]
    assert ClassOutputs().probabilities(torch.tensor([[1.0, 1.0]], dtype=torch.float16)).tolist() == [[0.5, 0.5]]


def test_further_outputs_belong_to_the_picture_they_were_made_from() -> None:
    """Three edits of picture 0, then three of picture 1."""
    outputs = torch.arange(24.0).reshape(6, 4)
    for target, expected in (
        (None, [1, 5, 9, 12, 16, 20]),
        (fm.Margin([0, 3], 1), [-1, -1, -1, 2, 2, 2]),
        ([fm.Logit(3), fm.Logit(0)], [3, 7, 11, 12, 16, 20]),
        (lambda scores: scores[:, 2], [2, 6, 10, 14, 18, 22]),
    ):
        assert as_target(target).bind(SCORES, ClassOutputs(), 2).scores(outputs, 3).tolist() == expected


def test_dense_scores_are_averaged_and_a_mask_picks_a_region() -> None:
    dense = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    assert bound_scores(fm.Logit(1), dense) == [round(float(dense[i, 1].mean()), 5) for i in range(2)]
    mask = torch.zeros(4, 5, dtype=torch.bool)
    mask[1:3, 2:4] = True
    expected = [round(float(dense[i, 2, 1:3, 2:4].mean()), 5) for i in range(2)]
    assert bound_scores(fm.Mask(mask, 2), {"out": dense}) == expected
    assert labels(fm.Mask(mask, 2), NAMES[:3], dense) == ("drill in mask",) * 2
    top = [int(dense[i, :, 1:3, 2:4].mean((1, 2)).argmax()) for i in range(2)]
    assert fm.Mask(mask).bind(dense, ClassOutputs(), 2).indices.tolist() == top
    each = torch.stack([mask, ~mask])
    repeated = fm.Mask(each, 0).bind(dense, ClassOutputs(), 2).scores(dense.repeat_interleave(2, 0), 2)
    torch.testing.assert_close(repeated[:2], dense[0, 0][mask].mean().expand(2))
    torch.testing.assert_close(repeated[2:], dense[1, 0][~mask].mean().expand(2))


def test_mask_that_does_not_fit() -> None:
    dense = torch.zeros(2, 3, 4, 5)
    with pytest.raises(TargetError, match=r"the mask is \(5, 4\) and the model's output \(4, 5\) .*resize the mask"):
        fm.Mask(torch.ones(5, 4)).bind(dense, ClassOutputs(), 2)
    for mask in (torch.ones(1, 1, 4, 5), torch.ones(3, 4, 5)):
        with pytest.raises(TargetError, match=r"a mask is \(height, width\), or one for each of 2 pictures; got shape"):
            fm.Mask(mask).bind(dense, ClassOutputs(), 2)
    with pytest.raises(TargetError, match="the mask is empty for at least one picture"):
        fm.Mask(torch.zeros(4, 5)).bind(dense, ClassOutputs(), 2)
    with pytest.raises(TargetError, match=r"class scores per pixel .* this one gives shape \(2, 4\)"):
        fm.Mask(torch.ones(4, 5)).bind(SCORES, ClassOutputs(), 2)
    with pytest.raises(TargetError, match="this one gives a list without any"):
        fm.Mask(torch.ones(4, 5)).bind([{"boxes": 1}], ClassOutputs(), 1)


def detections(*found: tuple[list[list[float]], list[int], list[float]]) -> list[dict[str, Tensor]]:
    return [
        {"boxes": torch.tensor(b).reshape(-1, 4), "labels": torch.tensor(la), "scores": torch.tensor(s)}
        for b, la, s in found
    ]


def test_box_sums_overlap_times_confidence() -> None:
    found = detections(
        ([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 5.0, 10.0], [50.0, 50.0, 60.0, 60.0]], [1, 2, 1], [0.8, 0.5, 0.9]),
        ([], [], []),
    )
    assert bound_scores(fm.Box((0.0, 0.0, 10.0, 10.0)), found) == [round(0.8 + 0.5 * 0.5, 5), 0.0]
    assert bound_scores(fm.Box((0.0, 0.0, 10.0, 10.0), label=2), found) == [0.25, 0.0]
    assert labels(fm.Box((0.0, 0.0, 10.0, 10.4), label=2), NAMES, found) == ("drill at (0, 0, 10, 10)",) * 2
    boxes = [fm.Box((0.0, 0.0, 10.0, 10.0)), fm.Box((1.0, 1.0, 2.0, 2.0))]
    assert bound_scores(boxes, found) == [round(0.8 + 0.5 * 0.5, 5), 0.0]
    with pytest.raises(
        TargetError,
        match="returns a Tensor, in which no detections were found. A detector gives boxes, labels and scores",
    ):
        fm.Box((0.0, 0.0, 1.0, 1.0)).bind(SCORES, ClassOutputs(), 2)


def test_similarity_is_the_cosine() -> None:
    reference = torch.tensor([1.0, 0.0, 0.0, 1.0])
    expected = [round(float(row @ reference / row.norm() / reference.norm()), 5) for row in SCORES]
    assert bound_scores(fm.Similarity(reference)) == expected
    assert bound_scores(fm.Similarity(SCORES * 3)) == [1.0, 1.0]
    with pytest.raises(TargetError, match="the reference has 3 features and the model's output 4"):
        bound_scores(fm.Similarity(torch.ones(3)))


@pytest.mark.parametrize(
    "outputs",
    [
        SCORES,
        (SCORES, "aux"),
        [SCORES],
        {"logits": SCORES, "loss": 0},
        OrderedDict(aux=SCORES * 0, out=SCORES),
        SimpleNamespace(loss=None, logits=SCORES),
        SCORES[..., None, None].expand(2, 4, 3, 3),
    ],
)
def test_scores_are_found_in_what_models_return(outputs: object) -> None:
    torch.testing.assert_close(scores_of(outputs), SCORES)


@pytest.mark.parametrize(
    ("outputs", "shown"),
    [
        ([], "a list"),
        ({"boxes": SCORES}, "a dict of 'boxes'"),
        ("text", "a str"),
        (torch.ones(2, 3, dtype=torch.long), "a Tensor"),
    ],
)
def test_outputs_without_scores(outputs: object, shown: str) -> None:
    with pytest.raises(TargetError, match=f"the model returns {shown}, in which no class scores were found.*Box"):
        as_target(None).bind(outputs, ClassOutputs(), 2)
    if not isinstance(outputs, Tensor):
        assert logits_of(outputs) is None


@pytest.mark.parametrize(
    ("target", "classes", "message"),
    [
        (4, None, "target 4 is out of range: the model gives 4 class scores, 0 to 3"),
        (-1, None, "target -1 is out of range"),
        ("9", NAMES, "target 9 is out of range"),
        ("hamer", NAMES, "target 'hamer' is not one of the model's 4 classes. Did you mean 'hammer'"),
        ("zzz", NAMES, r"target 'zzz' is not one of the model's 4 classes\.$"),
        ("hammer", None, r"target 'hammer' is a name, and this model's classes have none.*0 to 3.*classes=\[…\]"),
        ((0, 1, 2), None, r"3 targets for 2 pictures: a list gives one target per picture.*compare"),
        (torch.tensor([1]), None, "1 targets for 2 pictures"),
        ([fm.Logit(0)] * 3, None, "3 targets for 2 pictures"),
        (fm.Margin(1, 1), NAMES, "Margin compares a class with itself .'saw, handsaw'.*two different classes"),
        (
            lambda scores: scores,
            None,
            r"target '<lambda>' must return one score per picture, \(2,\); it gave shape \(2, 4\)",
        ),
        (lambda scores: 1.0, None, "it gave a float"),
    ],
)
def test_targets_that_do_not_fit(target: object, classes: tuple[str, ...] | None, message: str) -> None:
    with pytest.raises(TargetError, match=message):
        as_target(target).bind(SCORES, ClassOutputs(classes), 2).scores(SCORES)


def test_margin_needs_two_classes() -> None:
    with pytest.raises(TargetError, match="Margin needs at least two class scores, and the model gives one"):
        fm.Margin().bind(torch.zeros(2, 1), ClassOutputs(), 2)


@pytest.mark.parametrize(
    "target",
    [1.5, True, [], {}, object(), torch.tensor(1.5), torch.tensor([True, False]), np.array([0.5])],
)
def test_things_that_name_no_target(target: object) -> None:
    with pytest.raises(TargetError, match=r"target .* is not understood. Give a class index or name"):
        as_target(target)


def test_a_kind_of_target_is_none_yet() -> None:
    for kind in (fm.Logit, fm.Margin, fm.Box):
        with pytest.raises(TargetError, match=f"target {kind.__name__} is a kind of target: say of what"):
            as_target(kind)


def test_names_that_several_classes_have() -> None:
    original = ("crane", "hammer", "crane", "maillot", "maillot, tank suit", "tank suit, bathing suit")
    for name, indices in (("crane", "0, 2"), (" CRANE", "0, 2"), ("tank suit", "4, 5")):
        message = f"target '{name}' names several classes: {indices}. Give the index instead"
        with pytest.raises(TargetError, match=message):
            as_target(name).bind(torch.zeros(1, 6), ClassOutputs(original), 1)
    assert as_target("maillot").bind(torch.zeros(1, 6), ClassOutputs(original), 1).indices.tolist() == [3]


def test_names_of_imagenet_that_differ_in_case_only() -> None:
    """A Cardigan is a dog, a cardigan is not."""
    for name, index in (("Cardigan", 264), ("cardigan", 474), ("crane", 517), ("crane bird", 134), ("maillot", 638)):
        assert as_target(name).bind(torch.zeros(1, 1000), ClassOutputs(IMAGENET), 1).indices.tolist() == [index]
    with pytest.raises(TargetError, match="'CARDIGAN' names several classes: 264, 474"):
        as_target("CARDIGAN").bind(torch.zeros(1, 1000), ClassOutputs(IMAGENET), 1)


def test_names_of_imagenet() -> None:
    for name, index in (("tabby", 281), ("egyptian cat", 285), ("281", 281)):
        assert as_target(name).bind(torch.zeros(1, 1000), ClassOutputs(IMAGENET), 1).indices.tolist() == [index]
    with pytest.raises(TargetError, match="Did you mean 'Egyptian cat'"):
        as_target("egiptian cat").bind(torch.zeros(1, 1000), ClassOutputs(IMAGENET), 1)


def test_target_without_a_gradient() -> None:
    def top(scores: Tensor) -> Tensor:
        return scores.argmax(1).float()

    for target in (top, lambda scores: scores.detach()[:, 0]):
        with pytest.raises(
            TargetError, match=r"has no gradient: its score does not depend on the layers features .*keep"
        ):
            fm.Scope(Little()).explain(noise(2), layer="features", target=target)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_score_that_is_not_finite(value: float) -> None:
    def half(scores: Tensor) -> Tensor:
        return scores[:, 0] + torch.tensor([0.0, value, value])

    with pytest.raises(
        TargetError, match=f"the score of 'half' is not finite for pictures 1, 2: {value}.*Look for NaN"
    ):
        fm.Scope(Little()).explain(noise(3), layer="features", target=half)


def test_finer_cam_needs_a_class() -> None:
    with pytest.raises(TargetError, match="compares classes, and the target 'similarity' is not a class"):
        fm.Scope(Little()).explain(noise(1), "finer_cam", layer="features", target=fm.Similarity(torch.ones(4)))


def test_a_target_of_the_users_own() -> None:
    class Strongest:
        def bind(self, outputs: object, classes: object, batch: int) -> object:
            return Score(lambda scores: scores.amax(1)).bind(outputs, classes, batch)

    assert isinstance(Strongest(), Target)
    heat = fm.Scope(Little()).explain(noise(2), layer="features", target=Strongest())
    expected = fm.Scope(Little()).explain(noise(2), layer="features")
    torch.testing.assert_close(heat.tensor, expected.tensor)


def test_select_keeps_what_is_one_for_all_and_picks_what_is_one_per_picture() -> None:
    assert select(fm.Logit("a"), [1], 3) == fm.Logit("a")
    assert select(fm.Logit(("a", "b", "c")), [2, 0], 3) == fm.Logit(("c", "a"))
    assert select(fm.Margin([1, 2, 3], 0), [1], 3) == fm.Margin((2,), 0)
    mask = torch.rand(3, 4, 4)
    assert torch.equal(select(fm.Mask(mask), [2], 3).mask, mask[2:])
    assert select(one := fm.Mask(mask[0]), [2], 3) is one
    assert torch.equal(select(fm.Similarity(mask[0]), [1, 2], 4).reference, mask[0][1:3])
    box = fm.Box((0.0, 0.0, 1.0, 1.0))
    assert select(box, [2], 3) is box
    for wrong in (fm.Logit((1, 2)), fm.Mask(mask[:2]), Each((fm.Logit(1),)), fm.Similarity(mask[0])):
        with pytest.raises(TargetError, match="targets for 3 pictures"):
            select(wrong, [0], 3)


def test_targets_for_each_picture_through_explain_in_chunks() -> None:
    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.conv = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x).tanh()

    masks = torch.zeros(3, 8, 8)
    for i in range(3):
        masks[i, i, i] = 1
    scope, pictures = fm.Scope(Dense()), noise(3, (8, 8))
    for size in (1, 2, 3):
        heat = scope.explain(pictures, "hires_cam", layer="conv", target=fm.Mask(masks, 2), batch_size=size)
        for i in range(3):
            assert heat.tensor[i].nonzero().tolist() == [[i, i]]
    references = torch.eye(4)[:3]
    scope = fm.Scope(Little())
    whole = scope.explain(pictures, target=fm.Similarity(references), layer="features").tensor
    parts = scope.explain(pictures, target=fm.Similarity(references), layer="features", batch_size=2).tensor
    torch.testing.assert_close(parts, whole)


def test_arrays_of_classes_are_chosen_picture_by_picture() -> None:
    """Whatever they are inside of, in batches of one; one-hot rows are told from them."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4))
    scope, pictures = fm.Scope(model), torch.rand(2, 3, 9, 9)
    arrays = fm.Margin(np.array([1, 2]), np.array([0, 3]))
    lists = fm.Margin([1, 2], [0, 3])
    made = [scope.explain(pictures, layer="0", target=given, batch_size=1).tensor for given in (arrays, lists)]
    assert torch.equal(*made)
    for rows in (np.eye(4)[[1, 2]], np.eye(4, dtype=int)[[1, 2]], torch.eye(4)[[1, 2]]):
        with pytest.raises(TargetError, match=r"shape \(2, 4\) is not understood.*argmax"):
            scope.explain(pictures, layer="0", target=rows)


@pytest.mark.parametrize("sides", [(16, 8), (8, 24)])
def test_a_mask_of_another_shape_than_the_picture_is_refused(sides: tuple[int, int]) -> None:
    """One that is larger by the same factor both ways is averaged."""
    outputs = torch.rand(1, 3, 8, 8)
    with pytest.raises(TargetError, match="resize the mask"):
        fm.Mask(torch.ones(*sides), 1).bind(outputs, ClassOutputs(), 1)
    fm.Mask(torch.ones(16, 16), 1).bind(outputs, ClassOutputs(), 1)


def test_a_function_reads_outputs_whose_first_axis_counts_classes() -> None:
    class Turned(Little):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).T

    inputs, expected = noise(3), fm.Scope(Little()).explain(noise(3), layer="features", target=0).tensor
    scope = fm.Scope(Turned())
    for count in (3, 1):
        heat = scope.explain(inputs[:count], layer="features", target=lambda scores: scores[0])
        torch.testing.assert_close(heat.tensor, expected[:count])
    with pytest.raises(TargetError, match="its first axis does not count them"):
        scope.predict(inputs[:1])
