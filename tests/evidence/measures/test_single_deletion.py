"""Single-patch deletion against plain loops and scipy, and a closed form on a linear model."""

import pytest
import torch
from scipy.stats import spearmanr

from evidence_oracles import Linear
from evidence_samples import examined, measured, random


@pytest.mark.parametrize(("size", "grid"), [((8, 12), 4), ((9, 7), 3), ((3, 9), 4)])
def test_as_plain_loops(size: tuple[int, int], grid: int) -> None:
    pictures = random(3, 2, *size)
    needs = examined(pictures)
    actual = measured("single_deletion", needs, grid=grid).values
    rows, columns = min(grid, size[0]), min(grid, size[1])
    for i in range(3):
        score, drops, sums = examined(pictures[i : i + 1])["score"], [], []
        for a in range(rows):
            for b in range(columns):
                copy, total = pictures[i].clone(), 0.0
                for y in range(size[0]):
                    for x in range(size[1]):
                        if y * rows // size[0] == a and x * columns // size[1] == b:
                            copy[:, y, x] = 0
                            total += float(needs["heatmap"][i, y, x])
                drops.append(float(score(pictures[i : i + 1]) - score(copy[None])))
                sums.append(total)
        assert float(actual[i]) == pytest.approx(float(spearmanr(drops, sums).statistic), abs=1e-12)


def test_contributions_of_a_linear_model_agree_and_their_opposite_disagrees() -> None:
    pictures, model = random(3, 2, 8, 8), Linear(2, 8, 8)
    needs = {"heatmap": model.contributions(pictures), "inputs": pictures, "score": model.score}
    torch.testing.assert_close(measured("single_deletion", needs).values, torch.ones(3).double())
    needs["heatmap"] = -needs["heatmap"]
    torch.testing.assert_close(measured("single_deletion", needs).values, -torch.ones(3).double())


def test_no_number_where_patches_do_not_differ() -> None:
    pictures, heatmap = random(2, 2, 8, 8), random(2, 8, 8, seed=1)
    heatmap[1] = torch.tensor([1.0, -1.0]).repeat(8, 4)  # 0 in every patch, and not constant
    needs = {"heatmap": heatmap, "inputs": pictures, "score": lambda x: x.flatten(1).sum(1)}
    assert measured("single_deletion", needs).undefined == ("", "the map is the same in every patch")
    needs["score"] = lambda x: 5 + 1e-9 * x.flatten(1).sum(1)
    assert measured("single_deletion", needs).undefined[0] == "the score is the same whichever patch is missing"
