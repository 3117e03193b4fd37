"""Scores that drown in their rounding are doubted, and no others."""

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.methods.passes import ENOUGH, SAFE, ScoreSpan
from method_samples import noise

WORDS = "differ by hardly more than their rounding"


class Offset(nn.Module):
    """Class scores that are a small answer to the picture on top of a large number."""

    def __init__(self, offset: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.features, self.head, self.offset = (
            nn.Sequential(nn.Conv2d(3, 12, 3, 2, 1), nn.ReLU()),
            nn.Linear(12, 4),
            offset,
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3))) + self.offset


METHODS = {"ablation_cam": {}, "occlusion": {"window": 4, "stride": 4}, "rise": {"masks": 16, "cells": 2}}


@pytest.mark.parametrize("method", METHODS)
def test_small_differences_of_large_scores(method: str) -> None:
    target = lambda scores: scores[:, 1]  # noqa: E731 — no class, so that RISE takes the scores as they are
    for offset, precision, doubtful in [(0.0, "float32", False), (300.0, "bfloat16", True), (1e5, "float32", True)]:
        scope = fm.Scope(Offset(offset).eval())
        heat = scope.explain(noise(2), method, layer="features", target=target, precision=precision, **METHODS[method])
        assert [any(WORDS in note for note in notes) for notes in heat.warnings] == [doubtful] * 2, (offset, precision)
        if doubtful:
            assert f"({precision})" in heat.warnings[0][-1]


def test_a_model_in_half_precision_rounds_so_too() -> None:
    scope = fm.Scope(Offset(300.0).eval().bfloat16())
    heat = scope.explain(noise(2), "ablation_cam", layer="features", target=1)
    assert all("(bfloat16)" in notes[-1] for notes in heat.warnings)


def test_methods_by_gradient_are_not_doubted() -> None:
    scope = fm.Scope(Offset(1e5).eval())
    for method in ("grad_cam", "shapley_cam", "saliency"):
        assert not any(
            WORDS in note for notes in scope.explain(noise(1), method, layer="features").warnings for note in notes
        )


def test_each_picture_has_a_span_of_its_own() -> None:
    span = ScoreSpan(2)
    noted = span.noting(lambda outputs, repeats: outputs)
    eps = torch.finfo(torch.float32).eps
    near = torch.full((ENOUGH,), 2.0) + torch.arange(ENOUGH) * eps
    far = torch.full((ENOUGH,), 2.0) + torch.arange(ENOUGH) * SAFE * 4 * eps
    noted(torch.cat([near, far]), ENOUGH)
    assert span.drowned(torch.float32).tolist() == [True, False]
    assert span.drowned(torch.bfloat16).tolist() == [True, True]
    few = ScoreSpan(1)
    few.noting(lambda outputs, repeats: outputs)(torch.ones(ENOUGH - 1), ENOUGH - 1)
    assert few.drowned(torch.float32).tolist() == [False]
