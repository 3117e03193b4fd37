"""Sensitivity, agreement under flips and shifts, and stability over seeds against plain loops, and captum."""

import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor

from evidence_oracles import Linear
from evidence_samples import examined, measured, random
from featuremaps.methods.random_numbers import uniform


def noises(*size: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [0.1 * (2 * uniform(size, generator).double() - 1) for _ in range(6)]


def test_sensitivity_as_plain_loops() -> None:
    pictures = random(3, 2, 7, 6)
    largest = measured("max_sensitivity", examined(pictures), radius=0.1, samples=6).values
    average = measured("average_sensitivity", examined(pictures), radius=0.1, samples=6).values
    for i in range(3):
        needs = examined(pictures[i : i + 1])
        length = float(needs["heatmap"].square().sum()) ** 0.5
        changes = []
        for noise in noises(2, 7, 6):
            other = needs["explain_again"](pictures[i : i + 1] + noise)
            changes.append(float((other - needs["heatmap"]).square().sum()) ** 0.5 / length)
        assert float(largest[i]) == pytest.approx(max(changes), abs=1e-12)
        assert float(average[i]) == pytest.approx(sum(changes) / 6, abs=1e-12)


def test_gradient_of_a_linear_model_is_not_sensitive_and_its_contributions_are_as_the_noise() -> None:
    pictures, model = random(3, 1, 6, 5), Linear(1, 6, 5)
    needs = {"inputs": pictures, "heatmap": model.gradient(pictures), "explain_again": model.gradient}
    for name in ("max_sensitivity", "average_sensitivity"):
        result = measured(name, {**needs, "generator": torch.Generator().manual_seed(3)})
        assert result.undefined == ("", "", "")
        assert not result.values.any()
    needs = {"inputs": pictures, "heatmap": model.contributions(pictures), "explain_again": model.contributions}
    needs["generator"] = torch.Generator().manual_seed(3)  # type: ignore[assignment]
    result = measured("average_sensitivity", needs, radius=0.1, samples=6)
    lengths = [(model.weights * noise).norm() for noise in noises(1, 6, 5)]
    expected = torch.stack(lengths).mean() / model.contributions(pictures).flatten(1).norm(dim=1)
    torch.testing.assert_close(result.values, expected, rtol=0, atol=1e-10)


@pytest.mark.filterwarnings("ignore")
def test_as_captum() -> None:
    metrics = pytest.importorskip("captum.metrics")
    pictures = random(3, 1, 7, 6)
    needs = examined(pictures)
    remaining = iter(noises(1, 7, 6))

    def explain(x: Tensor | tuple[Tensor]) -> tuple[Tensor]:
        return (needs["explain_again"](x[0] if isinstance(x, tuple) else x)[:, None],)

    def perturb(x: Tensor) -> Tensor:
        return x + next(remaining)

    peer = metrics.sensitivity_max(explain, pictures, perturb, n_perturb_samples=6, max_examples_per_batch=3)
    actual = measured("max_sensitivity", needs, radius=0.1, samples=6).values
    torch.testing.assert_close(actual, peer.double(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("shift", [1 / 32, 0.3])
def test_shifts_as_plain_loops(shift: float) -> None:
    pictures = random(2, 2, 7, 6)
    actual = measured("shift_agreement", examined(pictures), shift=shift).values
    down, right = max(1, round(shift * 7)), max(1, round(shift * 6))
    for i in range(2):
        needs, agreements = examined(pictures[i : i + 1]), []
        for dy, dx in ((down, 0), (-down, 0), (0, right), (0, -right)):
            moved = torch.zeros_like(pictures[i])
            for y in range(7):
                for x in range(6):
                    moved[:, y, x] = pictures[i][:, min(max(y - dy, 0), 6), min(max(x - dx, 0), 5)]
            other = needs["explain_again"](moved[None])[0]
            both = [(float(needs["heatmap"][0, y, x]), float(other[y + dy, x + dx])) for y in range(7)
                    for x in range(6) if 0 <= y + dy < 7 and 0 <= x + dx < 6]  # fmt: skip
            agreements.append(float(spearmanr(*zip(*both, strict=True)).statistic))
        assert float(actual[i]) == pytest.approx(sum(agreements) / 4, abs=1e-12)


def test_flips_as_plain_loops() -> None:
    pictures = random(2, 2, 7, 6)
    actual = measured("flip_agreement", examined(pictures)).values
    for i in range(2):
        needs = examined(pictures[i : i + 1])
        other = needs["explain_again"](pictures[i : i + 1].flip(3))[0]
        both = [(float(needs["heatmap"][0, y, x]), float(other[y, 5 - x])) for y in range(7) for x in range(6)]
        assert float(actual[i]) == pytest.approx(float(spearmanr(*zip(*both, strict=True)).statistic), abs=1e-12)


def test_a_map_that_moves_with_the_picture_agrees() -> None:
    pictures = random(3, 2, 9, 8)
    explain = lambda x: x.square().sum(1)  # noqa: E731
    needs = {"inputs": pictures, "heatmap": explain(pictures), "explain_again": explain}
    for name in ("flip_agreement", "shift_agreement"):
        torch.testing.assert_close(measured(name, needs).values, torch.ones(3).double())
        stuck = {**needs, "explain_again": lambda x: explain(pictures).repeat_interleave(len(x) // 3, 0)}
        assert (measured(name, stuck).values < 0.6).all()


def test_seeds() -> None:
    maps = [random(2, 7, 6, seed=seed) for seed in range(4)]
    result = measured("seed_stability", {"explain_seeded": lambda seed: maps[seed]}, seeds=4).values
    for i in range(2):
        pairs = [spearmanr(maps[a][i].flatten(), maps[b][i].flatten()).statistic for a in range(4) for b in range(a)]
        assert float(result[i]) == pytest.approx(sum(pairs) / 6, abs=1e-12)
    assert measured("seed_stability", {"explain_seeded": lambda seed: maps[0]}).values.tolist() == pytest.approx([1, 1])


def test_a_broken_map_on_the_way_is_undefined() -> None:
    pictures = random(3, 1, 4, 4)

    def explain(x: Tensor | tuple[Tensor]) -> Tensor:
        maps = x.sum(1).clone()
        maps[len(x) // 3] = torch.nan  # the first copy of the second picture
        return maps

    needs = {"inputs": pictures, "heatmap": pictures.sum(1), "explain_again": explain}
    for name in ("max_sensitivity", "average_sensitivity", "shift_agreement"):
        result = measured(name, {**needs, "generator": torch.Generator().manual_seed(0)})
        assert result.undefined[0] == result.undefined[2] == ""
        assert "not finite" in result.undefined[1]
        assert result.values.isnan().tolist() == [False, True, False]
