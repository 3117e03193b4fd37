"""LIME beside captum's and Kernel SHAP beside exact Shapley values, by enumeration and by captum."""

import itertools
import math
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from featuremaps.errors import OptionError
from featuremaps.methods import lime_shap
from featuremaps.methods.lime_shap import kernel_shap, lime
from featuremaps.methods.segments import segmented
from method_samples import Little, cifar_model, noise, photographs, small_photographs, squeezenet
from perturbation_samples import score_of, seeded


def pieces_of(map: Tensor, labels: Tensor) -> Tensor:
    """The value of each piece of a painted map."""
    return torch.stack([map[labels == piece][0] for piece in range(int(labels.max()) + 1)])


def shapley_values(value: Callable[[tuple[int, ...]], float], players: int) -> Tensor:
    """The mean contribution over all orders of joining, by its definition."""
    result = torch.zeros(players)
    for player in range(players):
        others = [other for other in range(players) if other != player]
        for size in range(players):
            share = math.factorial(size) * math.factorial(players - size - 1) / math.factorial(players)
            for team in itertools.combinations(others, size):
                result[player] += share * (value((*team, player)) - value(team))
    return result


def shown(picture: Tensor, labels: Tensor, team: tuple[int, ...]) -> Tensor:
    """The picture where only these pieces are seen, and nothing of the rest."""
    return picture * torch.isin(labels, torch.tensor(team, dtype=labels.dtype))


@pytest.mark.parametrize("segmentation", ["grid", "slic"])
def test_kernel_shap_is_exact_where_all_combinations_fit(segmentation: str) -> None:
    model, pictures = Little(), noise(2, (12, 9))
    score = score_of(model, [1, 3])
    found = kernel_shap(pictures, score, seeded(), samples=64, segments=6, segmentation=segmentation, chunk=10)
    labels, count = segmented(pictures, 6, segmentation)
    assert count == 6
    for i, target in enumerate([1, 3]):
        alone = score_of(model, [target])
        expected = shapley_values(
            lambda team, i=i, alone=alone: float(alone(shown(pictures[i], labels[i], team)[None])), 6
        )
        torch.testing.assert_close(pieces_of(found[i, 0], labels[i]), expected, rtol=1e-3, atol=1e-4)


def test_kernel_shap_equals_captums_shapley_values_on_the_real_resnet20(shared: Path) -> None:
    from captum.attr import ShapleyValues

    model, pictures = cifar_model(shared), small_photographs(shared, ("cat",))
    labels, _ = segmented(pictures, 4, "slic")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = ShapleyValues(model).attribute(pictures, target=3, feature_mask=labels[:, None])
    found = kernel_shap(pictures, score_of(model, [3]), seeded(), samples=16, segments=4)
    assert float(expected.abs().max()) > 0.5
    torch.testing.assert_close(found.expand(-1, 3, -1, -1), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("segmentation", ["grid", "slic"])
def test_kernel_shap_gives_a_linear_model_its_own_terms(segmentation: str) -> None:
    """Also where few of all combinations are sampled, and whatever stands in for a hidden piece."""
    pictures, weights = noise(2, (20, 20)), torch.randn(3, 20, 20, generator=seeded(5))
    score = lambda new: (new * weights).sum((1, 2, 3)) + 7  # noqa: E731
    labels, count = segmented(pictures, 25, segmentation)
    for baseline in ("zero", "mean", "blur", "segment"):
        empty = lime_shap.piece_stand_in(pictures, labels, count, baseline)
        found = kernel_shap(
            pictures, score, seeded(), samples=90, segments=25, segmentation=segmentation, baseline=baseline
        )
        terms = ((pictures - empty) * weights).sum(1)
        for i in range(2):
            expected = torch.stack([terms[i][labels[i] == piece].sum() for piece in range(count)])
            torch.testing.assert_close(pieces_of(found[i, 0], labels[i]), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("samples", [26, 60, 301])
def test_kernel_shap_adds_up_to_the_score_whatever_the_samples(samples: int) -> None:
    model, pictures = Little(), noise(2, (20, 20))
    score = score_of(model, [0, 2])
    labels, count = segmented(pictures, 25, "slic")
    found = kernel_shap(pictures, score, seeded(1), samples=samples, segments=25)
    total = torch.stack([pieces_of(map, pieces).sum() for map, pieces in zip(found[:, 0], labels, strict=True)])
    torch.testing.assert_close(total, score(pictures) - score(torch.zeros_like(pictures)), rtol=1e-4, atol=1e-4)
    assert count == 25


def test_kernel_shap_comes_closer_to_the_exact_values_with_more_samples() -> None:
    model, pictures = Little(), noise(2, (15, 15))
    score = score_of(model, [0, 2])
    exact = kernel_shap(pictures, score, seeded(), samples=512, segments=9, segmentation="grid")
    errors = [
        float((kernel_shap(pictures, score, seeded(2), samples=n, segments=9, segmentation="grid") - exact).norm())
        for n in (20, 100, 500)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.1 * float(exact.norm())


def test_coalitions_follow_the_shapley_kernel_and_come_with_their_complements() -> None:
    known = torch.tensor([[True] * 6, [True, True, False, True, False, True]])
    drawn = lime_shap.paired_coalitions(known, 40000, seeded())
    assert not bool((drawn & ~known[:, None]).any())
    assert torch.equal(drawn[:, 1::2], known[:, None] & ~drawn[:, ::2])
    for i, number in enumerate((6, 4)):
        sizes = torch.bincount(drawn[i].sum(1), minlength=number + 1).double() / 40000
        kernel = torch.tensor([0.0] + [1 / (s * (number - s)) for s in range(1, number)] + [0.0]).double()
        torch.testing.assert_close(sizes[: number + 1], kernel / kernel.sum(), rtol=0, atol=0.01)
        shares = drawn[i].double().mean(0)
        torch.testing.assert_close(shares, known[i].double() / 2, rtol=0, atol=0.01)


def test_a_piece_that_a_picture_does_not_have_changes_nothing() -> None:
    """The same values as from the pieces alone, though the numbers have a gap."""
    coalitions = lime_shap.all_coalitions(torch.tensor([[True, False, True, True]]))
    worth = (coalitions * torch.tensor([3.0, 100.0, -1.0, 2.0])).sum(2).double()
    worth += (coalitions[..., 0] & coalitions[..., 3]) * 2
    known = torch.tensor([[True, False, True, True]])
    weights = lime_shap.shapley_kernel(coalitions, known)
    found = lime_shap.constrained(coalitions, weights, worth, torch.tensor([[6.0]]).double(), known)
    torch.testing.assert_close(found, torch.tensor([[4.0, 0.0, -1.0, 3.0]]).double())


def test_a_single_piece_has_all_of_the_score() -> None:
    pictures = noise(2, (6, 6))
    found = kernel_shap(pictures, lambda new: new.sum((1, 2, 3)), seeded(), segments=1)
    torch.testing.assert_close(found[:, 0, 0, 0], pictures.sum((1, 2, 3)))


def test_lime_equals_captums_with_the_same_samples(shared: Path) -> None:
    """Sampling and kernel are handed to captum; masking, weighting and the ridge regression are its own."""
    pytest.importorskip("sklearn")
    from captum._utils.models.linear_model import SkLearnRidge
    from captum.attr import Lime

    model, pictures = cifar_model(shared), small_photographs(shared, ("cat",))
    labels, count = segmented(pictures, 16, "slic")
    rows = (torch.rand((80, count), generator=seeded(4)) < 0.5).long()
    rows[0] = 1

    def closeness(_: Tensor, __: Tensor, row: Tensor, **___: object) -> float:
        distance = 1 - float(torch.nn.functional.cosine_similarity(row.float(), torch.ones(1, count)))
        return math.exp(-(distance**2) / (2 * 0.25**2))

    def given(*_: object, **__: object) -> Iterator[Tensor]:
        yield from rows[:, None]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = Lime(model, SkLearnRidge(alpha=1.0), closeness, perturb_func=given)
        expected = peer.attribute(
            pictures, target=3, feature_mask=labels[:, None], n_samples=80, perturbations_per_eval=8
        )
    score = score_of(model, [3])
    found = lime(pictures, score, score, seeded(4), samples=80, segments=16, baseline="zero", measure="score", chunk=7)
    assert float(expected.abs().max()) > 0.05
    torch.testing.assert_close(found.expand(-1, 3, -1, -1), expected, rtol=1e-3, atol=1e-4)


def test_lime_is_the_ridge_regression_of_its_paper() -> None:
    """Solved by the normal equations with an intercept column, one picture at a time."""
    pictures, model = noise(2, (12, 12)), Little()
    score, probability = score_of(model, [1, 3]), score_of(model, [1, 3], probability=True)
    labels, count = segmented(pictures, 9, "slic")
    rows = torch.rand((60, count), generator=seeded(2)) < 0.5
    rows[0] = True
    for measure, asked in (("score", False), ("probability", True)):
        found = lime(
            pictures, score, probability, seeded(2), samples=60, segments=9, measure=measure, width=0.4, penalty=2.0
        )
        for i, target in enumerate([1, 3]):
            alone, means = score_of(model, [target], asked), torch.zeros_like(pictures[i])
            for piece in range(count):
                inside = labels[i] == piece
                means[:, inside] = pictures[i][:, inside].mean(1, keepdim=True)
            values, weights = [], []
            for row in rows:
                kept = row[labels[i]]
                values.append(float(alone(torch.where(kept, pictures[i], means)[None])))
                weights.append(math.exp(-((1 - math.sqrt(int(row.sum()) / count)) ** 2) / (2 * 0.4**2)))
            design = torch.cat([torch.ones(60, 1), rows.float()], 1).double()
            penalty = 2.0 * torch.eye(count + 1).double()
            penalty[0, 0] = 0
            scaled = design.T * torch.tensor(weights).double()
            solved = torch.linalg.solve(scaled @ design + penalty, scaled @ torch.tensor(values).double())
            torch.testing.assert_close(pieces_of(found[i, 0], labels[i]).double(), solved[1:], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["lime", "kernel_shap"])
def test_batch_equals_one_by_one_chunks_equal_the_whole_and_a_seed_decides(name: str) -> None:
    model, pictures, targets = Little(), noise(3, (18, 15)), [1, 0, 3]

    def run(which: Tensor, targets: list[int], seed: int = 0, chunk: int = 0) -> Tensor:
        score = score_of(model, targets)
        if name == "lime":
            return lime(which, score, score, seeded(seed), samples=50, segments=20, chunk=chunk)
        return kernel_shap(which, score, seeded(seed), samples=50, segments=20, chunk=chunk)

    whole = run(pictures, targets)
    scale = float(whole.abs().max())
    assert scale > 0
    for chunk in (1, 7, 1000):
        torch.testing.assert_close(run(pictures, targets, chunk=chunk) / scale, whole / scale, rtol=0, atol=1e-4)
    alone = torch.cat([run(pictures[i, None], [target]) for i, target in enumerate(targets)])
    torch.testing.assert_close(alone / scale, whole / scale, rtol=0, atol=1e-4)
    assert torch.equal(run(pictures, targets), whole)
    assert not torch.allclose(run(pictures, targets, seed=1), whole, atol=0.01 * scale)


@pytest.mark.parametrize("name", ["lime", "kernel_shap"])
def test_a_model_that_looks_at_one_piece_lights_that_piece_up(name: str) -> None:
    pictures = noise(1, (20, 20))
    pictures[:, :, 4:8, 8:12] += 3
    score = lambda new: new[:, :, 4:8, 8:12].mean((1, 2, 3))  # noqa: E731
    given = {"samples": 200, "segments": 25, "segmentation": "grid", "baseline": "zero"}
    if name == "lime":
        found = lime(pictures, score, score, seeded(), **given)[0, 0]
    else:
        found = kernel_shap(pictures, score, seeded(), **given)[0, 0]
    elsewhere = found.clone()
    elsewhere[4:8, 8:12] = 0
    assert float(found[4:8, 8:12].min()) > 2
    assert float(elsewhere.abs().max()) < 0.05


def test_copies_are_streamed() -> None:
    sizes: list[int] = []

    def score(new: Tensor) -> Tensor:
        sizes.append(len(new))
        return new.mean((1, 2, 3))

    kernel_shap(noise(2), score, seeded(), samples=16, segments=4, chunk=10)
    assert sizes == [2, 2, 10, 10, 8]
    sizes.clear()
    lime(noise(2), score, score, seeded(), samples=7, segments=4, chunk=6)
    assert sizes == [6, 6, 2]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("lime", {"samples": 0}, "'samples' is how many copies with hidden pieces are scored, 1 or more; got 0"),
        ("lime", {"segments": 257}, "'segments' is about how many pieces the picture is cut into, 1 to 256; got 257"),
        ("lime", {"width": 0.0}, "'width' is the width of the kernel over cosine distances, 0.001 or more; got 0.0"),
        ("lime", {"penalty": -1.0}, "'penalty' is the weight of the ridge penalty, 0 or more; got -1.0"),
        ("kernel_shap", {"samples": 25, "segments": 25}, r"more than there are pieces \(25\), 26 or more; got 25"),
        ("kernel_shap", {"chunk": -1}, "'chunk' is how many copies"),
    ],
)
def test_options_that_do_not_fit(name: str, options: dict[str, float], message: str) -> None:
    mean = lambda new: new.mean((1, 2, 3))  # noqa: E731
    run = kernel_shap if name == "kernel_shap" else partial(lime, probability=mean)
    with pytest.raises(OptionError, match=message):
        run(noise(1), mean, generator=seeded(), **options)


@pytest.mark.parametrize("space", [(24,), (4, 6, 6)])
def test_stretches_and_supervoxels_have_their_own_terms_of_a_linear_model(space: tuple[int, ...]) -> None:
    inputs = torch.randn(2, 2, *space, generator=torch.Generator().manual_seed(3))
    weights = torch.randn(2, *space, generator=torch.Generator().manual_seed(4))
    score = lambda new: (new * weights).flatten(1).sum(1)  # noqa: E731
    labels, count = segmented(inputs, 6, "slic")
    terms = (inputs * weights).sum(1)
    expected = torch.zeros(2, count).scatter_add_(1, labels.flatten(1), terms.flatten(1))
    found = kernel_shap(inputs, score, seeded(), samples=64, segments=6)
    torch.testing.assert_close(found[:, 0], expected.gather(1, labels.flatten(1)).view_as(labels), atol=1e-4, rtol=1e-4)
    ridged = lime(inputs, score, score, seeded(), samples=400, segments=6, baseline="zero", penalty=0.0)
    torch.testing.assert_close(ridged, found, atol=1e-4, rtol=1e-4)


def test_both_find_the_fox_on_the_real_squeezenet(shared: Path) -> None:
    """It stands in the middle of its photograph, around it is grass."""
    model, pictures = squeezenet(shared), photographs(shared, (280,), 160)
    score, probability = score_of(model, [280]), score_of(model, [280], probability=True)
    given = {"samples": 120, "segments": 30}
    for found in (
        lime(pictures, score, probability, seeded(), **given)[0, 0],
        kernel_shap(pictures, score, seeded(), **given)[0, 0],
    ):
        middle = found[50:105, 40:125]
        assert 50 <= int(found.argmax()) // 160 <= 105
        assert float(middle.mean()) > 3 * float(found[:, :25].abs().mean())
