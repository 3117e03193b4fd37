"""Where a shortcut lies is where pictures differ, and another's region goes with no class any more."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.shortcuts_samples import LABELS, Marked, MarkReader
from torch import Tensor

import featuremaps as fm
from featuremaps.editing.edits import NewWeights
from featuremaps.repair import fine_tune
from featuremaps.repair.counter_pictures import coarse, distance, donors, region


def test_the_distance_is_that_of_each_place_written_out() -> None:
    random = np.random.default_rng(0)
    maps, labels = random.normal(size=(30, 2, 3, 4)).astype(np.float32), np.repeat([0, 1, 2], 10)
    present = random.random(30) < 0.5
    present[20:] = True  # of the last label all have it, so that it does not count
    maps[present, :, 1, 2] += 3
    expected, weights = np.zeros((3, 4)), 0.0
    for label in (0, 1):
        with_it, without = maps[(labels == label) & present], maps[(labels == label) & ~present]
        weight = 1 / (1 / len(with_it) + 1 / len(without))
        weights += weight
        for y in range(3):
            for x in range(4):
                for channel in range(2):
                    a, b = with_it[:, channel, y, x].astype(float), without[:, channel, y, x].astype(float)
                    spread = (a.var(ddof=1) + b.var(ddof=1)) / 2
                    chance = 1 / len(a) + 1 / len(b)
                    expected[y, x] += weight * ((a.mean() - b.mean()) ** 2 / spread - chance) / 2
    np.testing.assert_allclose(distance(maps, present, labels), expected / weights)
    assert distance(maps, present, labels).argmax() == 6
    assert not distance(maps, np.ones(30, bool), labels).any()


@pytest.mark.parametrize("size", [(20,), (20, 16), (80, 64), (6, 20, 16)])
def test_a_region_is_found_where_it_is_a_part_and_nowhere_else(size: tuple[int, ...]) -> None:
    generator, labels = torch.Generator().manual_seed(0), np.repeat([0, 1], 40)
    present = np.tile([True, False], 40)
    bare = torch.randn(80, 2, *size, generator=generator)
    assert region(coarse(bare), present, labels, size) is None
    corner, mark = tuple(slice(0, side // 4) for side in size), bare.clone()
    mark[(torch.from_numpy(present), slice(None), *corner)] += 4
    found = region(coarse(mark), present, labels, size)
    assert found is not None
    assert found.shape == size
    assert found[corner].all()
    assert not found[tuple(slice(side // 2, None) for side in size)].any()
    assert (
        region(coarse(bare + torch.from_numpy(present).float().view(80, *[1] * (len(size) + 1))), present, labels, size)
        is None
    )


def test_donors_have_it_and_lack_it_alike_and_are_of_those_usable() -> None:
    present, usable = torch.arange(400) < 40, torch.arange(400) % 2 == 0
    chosen = donors(present, usable, torch.Generator().manual_seed(0))
    assert usable[chosen].all()
    assert 0.4 < present[chosen].float().mean() < 0.6
    alone = donors(torch.ones(5, dtype=torch.bool), torch.ones(5, dtype=torch.bool), torch.Generator().manual_seed(0))
    assert alone.shape == (5,)


class Cornered(Marked):
    """The mark is a bright corner."""

    def __post_init__(self) -> None:
        super().__post_init__()
        mark, corner = self.inputs[:, 3].mean((1, 2)), torch.zeros(16, 16)
        corner[:4, :4] = 16
        self.inputs[:, 3] = corner * mark[:, None, None] + 0.1 * torch.rand(len(mark), 16, 16)


def test_a_copy_learns_from_pictures_with_the_region_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_tune, "STEPS", 60)
    scope = fm.Scope(MarkReader(4.0).eval(), classes=LABELS, outputs="logits")
    survey = scope.survey(Cornered(count=60, first=0.8, others=0.2), "relu2", tmp_path / "survey", workers=0)
    shortcut = scope.find_shortcuts(survey)[0]
    seen: list[Tensor] = []

    def noted(*given: Tensor) -> Tensor:
        seen.append(found := donors(*given))
        return found

    monkeypatch.setattr(fine_tune, "donors", noted)
    made = scope.repaired(shortcut, survey, "fine_tune")
    assert len(seen) >= 60 * 4
    assert made.tried[0].settings == "all layers, its region from other pictures"
    assert made.repaired, made
    assert isinstance(made.edit, NewWeights)
