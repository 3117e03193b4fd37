"""Copies run together, never more than a chunk, and in order; rounding gives no order."""

import pytest
import torch
from torch import Tensor

from evidence_samples import random
from featuremaps.evidence.copies import in_chunks, rounded, scores_of


@pytest.mark.parametrize(("chunk", "sizes"), [(1, [2] * 7), (5, [4, 4, 4, 2]), (6, [6, 6, 2]), (100, [14])])
def test_chunks_are_full_and_never_too_large(chunk: int, sizes: list[int]) -> None:
    copies, made, gradients = [random(2, 3, 4, seed=seed) for seed in range(7)], [], []

    def score(x: Tensor) -> Tensor:
        made.append(len(x))
        gradients.append(torch.is_grad_enabled())
        return x.flatten(1).sum(1)

    expected = torch.stack([copy.flatten(1).sum(1) for copy in copies], 1)
    assert torch.equal(scores_of(copies, score, chunk), expected)
    assert made == sizes
    assert not any(gradients)


def test_maps_keep_their_shape_and_may_be_made_by_gradients() -> None:
    copies = [random(2, 3, 4, 5, seed=seed) for seed in range(3)]

    def explain(x: Tensor) -> Tensor:
        assert torch.is_grad_enabled()
        return x.sum(1)

    maps = torch.cat(list(in_chunks(copies, explain, 4)), 1)
    assert torch.equal(maps, torch.stack(copies, 1).sum(2))


def test_rounding() -> None:
    scores = torch.tensor([[8.0, 8.000001, 4.0], [0.0, 0.0, 0.0], [3e-9, 2e-9, -1e-9]], dtype=torch.float64)
    assert len(rounded(scores)[0].unique()) == 2
    assert rounded(scores)[1].tolist() == [0, 0, 0]
    assert len(rounded(scores)[2].unique()) == 3
    assert ((rounded(scores) - scores).abs() <= 1e-6 * scores.abs().amax(1, keepdim=True)).all()
