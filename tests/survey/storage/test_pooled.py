"""Pooling, ranking, merging and summing, each against a plain loop."""

import numpy as np
import pytest
import torch
from torch import Tensor

from featuremaps.survey.storage.pooled import best, class_sums, merged, pool, rows_and_columns, summary


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(5, 7), (1, 9), (3, 300), (1, 1)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_pooled_maps(size: tuple[int, int], layout: torch.memory_format) -> None:
    maps = noise(3, 4, *size).relu().contiguous(memory_format=layout)
    found = pool(maps)
    rows, columns = rows_and_columns(found.place.numpy())
    assert found.positions.tolist() == [size[0] * size[1]] * len(found.mean)
    for i in range(3):
        for c in range(4):
            own = maps[i, c]
            assert found.mean[i, c] == pytest.approx(float(own.mean()), abs=1e-6)
            assert found.max[i, c] == own.max()
            assert own[rows[i, c], columns[i, c]] == own.max()
            assert found.zeros[i, c] == int((own == 0).sum())


def test_the_first_of_equal_places_wins_in_both_layouts() -> None:
    maps = torch.zeros(1, 2, 4, 4)
    maps[0, 1, 1, 2] = maps[0, 1, 1, 3] = maps[0, 1, 3, 0] = 1.0
    for layout in (torch.contiguous_format, torch.channels_last):
        rows, columns = rows_and_columns(pool(maps.contiguous(memory_format=layout)).place.numpy())
        assert (rows[0, 1], columns[0, 1]) == (1, 2)
        assert (rows[0, 0], columns[0, 0]) == (0, 0)


def test_half_precision_is_pooled_in_full() -> None:
    maps = noise(2, 3, 16, 16).bfloat16()
    found = pool(maps)
    torch.testing.assert_close(found.mean, maps.float().mean((2, 3)))
    torch.testing.assert_close(found.max, maps.float().amax((2, 3)))


def ranked(values: Tensor, keep: int, weakest: bool) -> list[list[int]]:
    """By definition: sort by value, then by picture."""
    orders = []
    for channel in values.T.tolist():
        order = sorted(range(len(channel)), key=lambda i: (channel[i] if weakest else -channel[i], i))
        orders.append(order[:keep])
    return orders


@pytest.mark.parametrize("end", ["strongest", "weakest"])
def test_the_best_and_how_they_merge(end: str) -> None:
    values = noise(40, 6).round(decimals=1)  # many are equal
    values[3, 2], values[7, 2] = -0.0, 0.0
    places = torch.arange(240, dtype=torch.int32).reshape(40, 6)
    numbers = torch.arange(40)
    expected = ranked(values, 9, end == "weakest")
    assert best(values, numbers, places, 9, end).pictures.tolist() == expected
    parts = [best(values[own], numbers[own], places[own], 9, end) for own in (slice(0, 5), slice(5, 30), slice(30, 40))]
    for first, second, third in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        found = merged(merged(parts[first], parts[second], 9, end), parts[third], 9, end)
        assert found.pictures.tolist() == expected
        assert found.values.tolist() == [[float(values[i, c]) for i in order] for c, order in enumerate(expected)]
        assert found.places.tolist() == [[int(places[i, c]) for i in order] for c, order in enumerate(expected)]


def test_fewer_candidates_than_are_kept() -> None:
    found = best(noise(2, 3), torch.tensor([4, 9]), torch.zeros(2, 3, dtype=torch.int32), 100)
    assert found.values.shape == (3, 2)


def test_sums_of_classes() -> None:
    labels = np.array([2, 0, -1, 2, 0, 2])
    means, maxima = noise(4, 6).numpy(), noise(4, 6, seed=1).numpy()
    rows = np.flatnonzero(labels >= 0)
    found = class_sums(rows, labels[rows], means, maxima, 4)
    assert found.counts.tolist() == [2, 0, 3, 0]
    for label in (0, 2):
        own = labels == label
        np.testing.assert_allclose(found.sums[label], means[:, own].sum(1), rtol=1e-6)
        np.testing.assert_allclose(found.squares[label], (means[:, own] ** 2).sum(1), rtol=1e-6)
        np.testing.assert_array_equal(found.highest[label], maxima[:, own].max(1))
    assert np.isneginf(found.highest[[1, 3]]).all()
    assert (found.sums[[1, 3]] == 0).all()
    none = np.zeros(0, np.int64)
    assert class_sums(none, none, means, maxima, 2).counts.tolist() == [0, 0]
    twice = class_sums(np.array([3, 1, 3]), np.array([1, 1, 0]), means, maxima, 2)  # a picture of two classes
    np.testing.assert_allclose(twice.sums, np.stack([means[:, 3], means[:, 1] + means[:, 3]]), rtol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_a_summary_is_numpys(count: int) -> None:
    values = noise(3, count).numpy()
    found = summary(values)
    for name, share in {"q01": 0.01, "q25": 0.25, "q50": 0.5, "q99": 0.99}.items():
        np.testing.assert_allclose(found[name], np.quantile(values.astype(float), share, axis=1), rtol=1e-6)
    np.testing.assert_allclose(found["std"], values.astype(float).std(1), rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(found["max"], values.max(1))
