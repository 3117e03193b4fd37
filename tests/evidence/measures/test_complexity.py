"""Gini index, entropy and effective places against plain loops, and closed forms."""

from math import exp, log

import pytest
import torch

from evidence_samples import measured, random


def test_as_plain_loops() -> None:
    heatmap = random(3, 7, 6)
    actual = {name: measured(name, {"heatmap": heatmap}).values for name in ("gini", "entropy", "effective_places")}
    for i in range(3):
        sizes = sorted(abs(value) for value in heatmap[i].flatten().tolist())
        whole, count = sum(sizes), len(sizes)
        shares = [size / whole for size in sizes]
        gini = 1 - 2 * sum(share * (count - k + 0.5) / count for k, share in enumerate(shares, start=1))
        assert float(actual["gini"][i]) == pytest.approx(gini, abs=1e-12)
        assert float(actual["entropy"][i]) == pytest.approx(-sum(share * log(share) for share in shares), abs=1e-12)
        assert float(actual["effective_places"][i]) == pytest.approx(1 / sum(share**2 for share in shares), abs=1e-9)


def test_some_places_equally_strong() -> None:
    for count in (1, 2, 20, 41):
        heatmap = torch.zeros(1, 7, 6)
        heatmap.view(-1)[:count] = torch.tensor([1.0, -1.0]).repeat(21)[:count]
        assert float(measured("effective_places", {"heatmap": heatmap}).values) == pytest.approx(count)
        assert exp(float(measured("entropy", {"heatmap": heatmap}).values)) == pytest.approx(count, rel=1e-5)
        assert float(measured("gini", {"heatmap": heatmap}).values) == pytest.approx(1 - count / 42, abs=1e-6)
