"""A class in the region that the model gives it: against plain loops, for every kind of scores, and what is refused."""

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import TargetError
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.outputs.place_scores import PlaceScores
from featuremaps.targets.targets import as_target, select

NAMES = ("background", "cat", "dog")


def dense(*space: int, classes: int = 3, seed: int = 0) -> Tensor:
    return torch.randn(2, classes, *(space or (4, 5)), generator=torch.Generator().manual_seed(seed)).double()


def by_loops(scores: Tensor, chosen: int) -> list[float]:
    """Seg-Grad-CAM, equation 2: the class's scores of the places at which it is the largest, one place at a time."""
    means = []
    for picture in scores.flatten(2):
        inside = [place[chosen] for place in picture.T if all(place[chosen] >= other for other in place)]
        means.append(float(sum(inside) / len(inside)))
    return means


@pytest.mark.parametrize("space", [(7,), (4, 5), (3, 4, 5)])
def test_the_region_of_a_class_is_where_its_score_is_largest(space: tuple[int, ...]) -> None:
    scores, known = dense(*space), ClassOutputs(NAMES, signal=len(space) == 1)
    bound = as_target("dog").bind(scores, known, 2)
    assert bound.scores(scores).tolist() == pytest.approx(by_loops(scores, 2), abs=1e-6)
    assert bound.region is not None
    torch.testing.assert_close(bound.region.bool(), scores.argmax(1) == 2)
    share = float((scores[0].argmax(0) == 2).double().mean())
    assert bound.labels[0] == f"dog in its {share:.0%} of the picture"
    assert bound.probability is not None
    mean = scores.softmax(1)[0, 2][scores[0].argmax(0) == 2].mean()
    assert float(bound.probability(scores, 1)[0]) == pytest.approx(float(mean), abs=1e-6)


def test_the_region_stays_where_it_is_for_copies_and_each_picture_has_its_own() -> None:
    scores, copies = dense(), dense(seed=1).repeat_interleave(3, 0) * torch.arange(1, 7)[:, None, None, None]
    bound = fm.Region(1).bind(scores, ClassOutputs(), 2)
    inside = scores.argmax(1) == 1
    expected = [float(copies[i, 1][inside[i // 3]].mean()) for i in range(6)]
    assert bound.scores(copies, 3).tolist() == pytest.approx(expected, abs=1e-5)
    assert bound.every_class is not None
    assert bound.every_class(copies, 3)[:, 1].tolist() == pytest.approx(expected, abs=1e-5)
    alone = fm.Region(1).bind(scores[1:], ClassOutputs(), 1)
    torch.testing.assert_close(alone.scores(scores[1:]), bound.scores(scores)[1:])
    several = as_target([fm.Region(1), fm.Logit(0)]).bind(scores, ClassOutputs(), 2)
    torch.testing.assert_close(several.scores(copies, 3)[:3], bound.scores(copies, 3)[:3])
    assert bound.of_classes is not None
    others = bound.of_classes(torch.tensor([2, 0]))
    assert float(others.scores(scores)[0]) == pytest.approx(float(scores[0, 2][inside[0]].mean()), abs=1e-6)


def test_what_lies_outside_may_be_infinite_and_leaves_the_gradient_alone() -> None:
    scores = dense()
    scores[:, 1] = torch.where(scores.argmax(1) == 1, scores[:, 1], -torch.inf)
    scores.requires_grad_()
    bound = fm.Region(1).bind(scores, ClassOutputs(kind="logits"), 2)
    (gradient,) = torch.autograd.grad(bound.scores(scores).sum(), scores)
    inside = scores.argmax(1) == 1
    expected = inside / inside.sum((1, 2), keepdim=True)
    torch.testing.assert_close(gradient[:, 1], expected.double(), check_dtype=False)
    assert not gradient[:, [0, 2]].any()


def test_without_a_target_the_largest_class_but_background() -> None:
    scores = torch.zeros(3, 3, 2, 5)
    scores[:, 0] = 1
    scores[0, 2, 0, :3] = 2
    scores[0, 1, 1, :2] = 2
    scores[1, 1, 0, 0] = 2
    bound = as_target(None).bind(scores, ClassOutputs(NAMES), 3)
    expected = (
        "dog in its 30% of the picture",
        "cat in its 10% of the picture",
        "background in its 100% of the picture",
    )
    assert bound.labels == expected
    unnamed = as_target(None).bind(scores, ClassOutputs(), 3)
    assert unnamed.labels[0] == "class 0 in its 50% of the picture"


def test_one_score_is_of_a_class_or_of_two() -> None:
    logits = torch.tensor([[[-1.0, 2.0], [-3.0, 4.0]], [[-1.0, -2.0], [-3.0, -4.0]]])[:, None]
    single = as_target(None).bind(logits, ClassOutputs(("tumour",)), 2)
    assert single.labels == (
        "tumour in its 50% of the picture",
        "tumour, which is given to no place, over the whole picture",
    )
    assert single.scores(logits).tolist() == pytest.approx([3.0, -2.5])
    pair = as_target(["tumour", "healthy"]).bind(logits, ClassOutputs(("healthy", "tumour")), 2)
    assert pair.scores(logits).tolist() == pytest.approx([3.0, 2.5])
    assert pair.labels[1] == "healthy in its 100% of the picture"
    both = as_target(None).bind(logits, ClassOutputs(("healthy", "tumour")), 2)
    assert both.labels == ("tumour in its 50% of the picture", "healthy in its 100% of the picture")
    shares = as_target(0).bind(logits[:1].sigmoid(), ClassOutputs(kind="probabilities"), 1)
    assert shares.scores(logits[:1].sigmoid()).tolist() == pytest.approx([float(logits[0, 0, :, 1].sigmoid().mean())])


def test_classes_that_do_not_exclude_each_other_have_regions_that_overlap() -> None:
    logits = torch.full((1, 2, 2, 2), -1.0)
    logits[0, 0, 0], logits[0, 1, :, 0] = 1.0, 3.0
    known = ClassOutputs(("road", "wet"), "multi_label")
    for which, place in (("road", (0, slice(None))), ("wet", (slice(None), 0))):
        bound = fm.Region(which).bind(logits, known, 1)
        assert bound.region is not None
        assert bound.region[0][place].all()
        assert bound.region.sum() == 2
    assert PlaceScores(logits, known, 1).winners.tolist() == [[[1, 0], [1, -1]]]
    assert PlaceScores(logits, known, 1).covers.tolist() == [[0.5, 0.5]]


def test_a_class_that_is_nowhere_is_refused_with_those_that_are_there() -> None:
    scores = torch.zeros(2, 3, 2, 2)
    scores[:, 0] = 1
    scores[1, 1, 0] = 2
    said = r"gives 'cat' to no place of picture 1 of the 2 that run together\. It gives background \(100%\): .*Logit\('cat'\)"
    with pytest.raises(TargetError, match=said):
        as_target("cat").bind(scores, ClassOutputs(NAMES), 2)
    with pytest.raises(
        TargetError, match=r"'class 2' to no place of the picture.*class 0 \(50%\), class 1 \(50%\).*Logit\(2\)"
    ):
        as_target(2).bind(scores[1:], ClassOutputs(), 1)
    with pytest.raises(TargetError, match=r"target 'cow' is not one of the model's 3 classes"):
        as_target("cow").bind(scores, ClassOutputs(NAMES), 2)
    with pytest.raises(TargetError, match="4 class names were given, and the model has 3 outputs"):
        as_target(None).bind(scores, ClassOutputs((*NAMES, "cow")), 2)
    with pytest.raises(TargetError, match=r"class scores per pixel.*shape \(2, 3\)"):
        fm.Region(1).bind(scores[:, :, 0, 0], ClassOutputs(), 2)


def test_a_point_is_one_place_of_the_input() -> None:
    scores, known = dense(), ClassOutputs(NAMES, space=(8, 15))
    bound = fm.Point((5, 14), "cat").bind(scores, known, 2)
    assert bound.labels == ("cat at (5, 14)",) * 2
    torch.testing.assert_close(bound.scores(scores), scores[:, 1, 2, 4].float())
    own = fm.Point((5, 14)).bind(scores, known, 2)
    assert own.indices is not None
    torch.testing.assert_close(own.indices, scores[:, :, 2, 4].argmax(1))
    for place in ((8, 0), (-1, 0), (1,)):
        with pytest.raises(
            TargetError, match=r"no place \(height, width\) of the model's input, whose size is \(8, 15\)"
        ):
            fm.Point(place).bind(scores, known, 2)
    assert select(fm.Point((5, 14), ["cat", "dog"]), [1], 2).which == ("dog",)


def test_a_class_over_the_whole_picture() -> None:
    scores, known = dense(), ClassOutputs(NAMES)
    logit, share = (target("dog").bind(scores, known, 2) for target in (fm.Logit, fm.Probability))
    assert (logit.labels[0], share.labels[0]) == (
        "dog over the whole picture",
        "probability of dog over the whole picture",
    )
    torch.testing.assert_close(logit.scores(scores), scores[:, 2].mean((1, 2)).float())
    torch.testing.assert_close(share.scores(scores), scores.softmax(1)[:, 2].mean((1, 2)).float())
    assert (logit.region, share.region) == (None, None)


def test_why_one_class_rather_than_another_in_a_region() -> None:
    scores, known = dense(), ClassOutputs(NAMES)
    winners = scores.argmax(1)
    bound = fm.Margin("cat", "dog", within=fm.Region("cat")).bind(scores, known, 2)
    copies = scores.repeat_interleave(2, 0) * 2
    for picture in range(2):
        inside = (winners[picture] == 1).nonzero().tolist()
        by_hand = sum(float(scores[picture, 1, y, x] - scores[picture, 2, y, x]) for y, x in inside) / len(inside)
        assert float(bound.scores(scores)[picture]) == pytest.approx(by_hand, abs=1e-6)
        assert bound.scores(copies, 2)[2 * picture : 2 * picture + 2].tolist() == pytest.approx([2 * by_hand] * 2)
        assert bound.labels[picture].startswith("cat rather than dog (cat in its ")
    assert bound.region is not None
    assert torch.equal(bound.region.bool(), winners == 1)
    assert bound.in_mirror is not None
    torch.testing.assert_close(bound.in_mirror().scores(scores.flip(-1)), bound.scores(scores))
    assert bound.in_mirror().labels == bound.labels
    corner = torch.zeros(scores.shape[2:])
    corner[0, 0] = 1
    own = fm.Margin(within=fm.Mask(corner, "dog")).bind(scores, known, 2)
    assert own.indices.tolist() == [2, 2]
    rival = scores[:, :2, 0, 0].amax(1)
    torch.testing.assert_close(own.scores(scores), (scores[:, 2, 0, 0] - rival).float())
    whole = fm.Margin("cat", "dog").bind(scores, known, 2)
    assert whole.labels[0] == "cat rather than dog over the whole picture"
    torch.testing.assert_close(whole.scores(scores), (scores[:, 1] - scores[:, 2]).mean((1, 2)).float())
    part = select(fm.Margin("cat", within=fm.Region(["cat", "dog"])), [1], 2)
    assert part.within == fm.Region(("dog",))
    with pytest.raises(TargetError, match=r"within=Logit\(which='cat'\) is no region of a segmentation"):
        fm.Margin("cat", "dog", within=fm.Logit("cat")).bind(scores, known, 2)


def test_a_region_in_a_mirrored_picture() -> None:
    scores = dense()
    bound = fm.Region(1).bind(scores, ClassOutputs(), 2)
    assert bound.in_mirror is not None
    torch.testing.assert_close(bound.in_mirror().scores(scores.flip(-1)), bound.scores(scores))


class Unpadded(nn.Module):
    """Its score for "spot" is the brightness in the middle of nine pixels, and there are 8 fewer each way."""

    def __init__(self, padding: int = 0) -> None:
        super().__init__()
        self.look = nn.Conv2d(1, 2, 9, padding=padding)
        nn.init.zeros_(self.look.weight)
        self.look.weight.data[1, 0, 4, 4] = 10.0
        self.look.bias = nn.Parameter(torch.tensor([0.0, -5.0]))

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.look(x)
        return scores


def test_scores_that_leave_the_edges_out_are_not_stretched_over_the_picture() -> None:
    x = torch.zeros(1, 1, 24, 20)
    x[0, 0, 6:9, 6:9] = 1
    scope = fm.Scope(Unpadded(), classes=["background", "spot"])
    refused = [
        lambda: scope.explain(x, "saliency", target=fm.Point((7, 7))),
        lambda: scope.explain(x, "saliency", target=fm.Mask(x[0, 0], "spot")),
        lambda: scope.regions(x),
    ]
    for ask in refused:
        with pytest.raises(TargetError, match=r"over pixels 4 to 20 × 4 to 16 of its input \(24 × 20\)"):
            ask()
    inner = scope.explain(x, "saliency", target=fm.Mask(x[0, 0, 4:-4, 4:-4], "spot"))
    default = scope.explain(x, "saliency")
    assert default.targets == ("spot in its 5% of the picture",)
    assert torch.equal(inner.tensor, default.tensor)
    assert torch.equal(default.tensor[0, 0] != 0, x[0, 0] > 0)
    assert default.regions == () or default.regions[0] is None  # there is no outline to draw
    padded = fm.Scope(Unpadded(4), classes=["background", "spot"])
    assert padded.explain(x, "saliency", target=fm.Point((7, 7))).targets == ("spot at (7, 7)",)
    assert padded.regions(x)[0].labels == ("background", "spot")


@pytest.mark.parametrize("kind", [list, tuple])
def test_one_of_several_equal_maps_of_scores_is_not_taken_for_the_answer(kind: type) -> None:
    class Supervised(nn.Module):
        """Deep supervision: a map of class scores from each of its depths, the best one last, or first."""

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.one, self.two = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 1), nn.Conv2d(8, 4, 1)

        def forward(self, x: Tensor) -> object:
            maps = self.conv(x).relu()
            both = self.one(maps), self.two(maps)
            return {"out": both[0], "aux": both[1]} if kind is dict else kind(both)

    with pytest.raises(TargetError, match=r"2 maps of class scores of shape \(1, 4, 12, 12\).*not known"):
        fm.Scope(Supervised().eval()).explain(torch.rand(1, 3, 12, 12), layer="conv")
    kind = dict  # an auxiliary head is named as one
    assert len(fm.Scope(Supervised().eval()).explain(torch.rand(1, 3, 12, 12), layer="conv")) == 1
