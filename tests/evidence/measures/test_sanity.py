"""Sanity checks against plain loops and scipy; maps that know the model pass, and edges do not."""

from collections.abc import Iterator
from math import log

import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor

from evidence_samples import examined, measured, random
from featuremaps.evidence.registry import MEASURES


@pytest.mark.parametrize("order", ["cascading", "single"])
def test_randomisation_as_plain_loops(order: str) -> None:
    needs = examined(random(3, 2, 7, 6))
    actual = measured("parameter_randomisation", needs, order=order).values
    for i in range(3):
        heatmap = needs["heatmap"][i].flatten()
        each = [spearmanr(heatmap, maps[i].flatten()).statistic for _, maps in needs["explain_randomised"](order)]
        assert len(each) == 2
        assert float(actual[i]) == pytest.approx(sum(each) / 2, abs=1e-12)


def ssim(one: Tensor, other: Tensor, side: int) -> float:
    """Wang et al. 2004, eq. 13: the mean over all windows that lie inside; maps within −1 … 1."""
    one, other = one / one.abs().max(), other / other.abs().max()
    small, smaller, values = (0.03 * 2) ** 2, (0.01 * 2) ** 2, []
    for y in range(one.shape[0] - side + 1):
        for x in range(one.shape[1] - side + 1):
            a, b = one[y : y + side, x : x + side], other[y : y + side, x : x + side]
            covariance = ((a - a.mean()) * (b - b.mean())).mean()
            top = (2 * a.mean() * b.mean() + smaller) * (2 * covariance + small)
            values.append(top / ((a.mean() ** 2 + b.mean() ** 2 + smaller) * (a.var(correction=0) + b.var(correction=0) + small)))  # fmt: skip
    return float(torch.stack(values).mean())


@pytest.mark.parametrize(("size", "side"), [((10, 9), 7), ((6, 5), 5), ((4, 9), 3)])
def test_structure_as_plain_loops(size: tuple[int, int], side: int) -> None:
    needs = examined(random(2, 2, *size))
    actual = measured("parameter_randomisation_ssim", needs).values
    for i in range(2):
        each = [ssim(needs["heatmap"][i], maps[i], side) for _, maps in needs["explain_randomised"]("cascading")]
        assert float(actual[i]) == pytest.approx(sum(each) / 2, abs=1e-9)


def histogram_entropy(heatmap: Tensor) -> float:
    values = heatmap.flatten().tolist()
    low, high = min(values), max(values)
    counts = [0] * 100
    for value in values:
        counts[min(99, int((value - low) / (high - low) * 100))] += 1
    return -sum(count / len(values) * log(count / len(values)) for count in counts if count)


def test_emprt_as_plain_loops() -> None:
    needs = examined(random(3, 2, 30, 20))
    actual = measured("emprt", needs).values
    *_, (_, last) = needs["explain_randomised"]("cascading")
    for i in range(3):
        before, after = histogram_entropy(needs["heatmap"][i]), histogram_entropy(last[i])
        assert float(actual[i]) == pytest.approx((after - before) / before, abs=1e-9)


def test_random_target_asks_for_another_class_of_each_picture() -> None:
    maps, asked = random(5, 3, 7, 6), []

    def explain_class(classes: Tensor) -> Tensor:
        asked.append(classes.tolist())
        return maps[classes, torch.arange(3)]

    target = torch.tensor([0, 2, 4])
    for seed in range(12):
        needs = {"heatmap": maps[target, torch.arange(3)], "explain_class": explain_class, "target": target,
                 "classes": 5, "generator": torch.Generator().manual_seed(seed)}  # fmt: skip
        actual = measured("random_target", needs).values
        for i, other in enumerate(asked[-1]):
            assert other != int(target[i])
            expected = spearmanr(needs["heatmap"][i].flatten(), maps[other, i].flatten()).statistic  # type: ignore[index]
            assert float(actual[i]) == pytest.approx(expected, abs=1e-12)
    assert {classes[0] for classes in asked} == {1, 2, 3, 4}
    alone = measured("random_target", {**needs, "classes": 1})
    assert set(alone.undefined) == {"the model has a single class, and there is no other to ask for"}
    assert alone.values.isnan().all()


def test_random_labels() -> None:
    needs = examined(random(3, 2, 7, 6))
    actual = measured("random_labels", needs).values
    for i in range(3):
        pair = needs["heatmap"][i].flatten(), needs["random_label_heatmap"][i].flatten()
        assert float(actual[i]) == pytest.approx(float(spearmanr(*pair).statistic), abs=1e-12)


def randomised(*maps: Tensor) -> dict[str, object]:
    def explain_randomised(order: str) -> Iterator[tuple[str, Tensor]]:
        yield from ((f"layer{i}", heatmap) for i, heatmap in enumerate(maps))

    return {"heatmap": random(2, 9, 8), "explain_randomised": explain_randomised}


def test_a_map_that_does_not_change_fails_and_one_that_does_passes() -> None:
    measure = MEASURES["parameter_randomisation"]
    for maps, passed in ((random(2, 9, 8), False), (random(2, 9, 8, seed=1), True)):
        values = measured(measure.name, randomised(maps, 3 * maps)).values
        assert [measure.passed(value) for value in values.tolist()] == [passed, passed]
        similar = measured("parameter_randomisation_ssim", randomised(maps, 3 * maps)).values
        assert (similar > 0.9).tolist() == [not passed, not passed]
        assert [MEASURES["random_labels"].passed(value) for value in values.tolist()] == [passed, passed]


def test_similarities_that_sparse_maps_share_give_no_verdict() -> None:
    for name in ("parameter_randomisation_ssim", "emprt"):
        assert MEASURES[name].passed(1.0) is None


def test_layers_without_a_map_are_left_out() -> None:
    useless, useful = torch.ones(2, 9, 8).double(), random(2, 9, 8, seed=1)
    half_useless = torch.stack([useless[0], useful[1]])
    for name in ("parameter_randomisation", "parameter_randomisation_ssim"):
        expected = measured(name, randomised(useful)).values
        torch.testing.assert_close(measured(name, randomised(useful, useless)).values, expected)
        assert measured(name, randomised(useless, half_useless)).undefined[0].startswith("the map that it is compared")
        assert measured(name, randomised(useless, half_useless)).undefined[1] == ""
    for name in ("parameter_randomisation", "parameter_randomisation_ssim", "emprt"):
        nothing = measured(name, randomised())
        assert set(nothing.undefined) == {"the model has no layer whose weights could be made random"}
        assert nothing.values.isnan().all()
