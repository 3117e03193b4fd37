"""What is kept of every channel's map beside its mean and its highest value, and a shortcut that nothing else tells."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.shortcuts_samples import LABELS, Marked, MarkReader
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.shortcuts import attributes
from featuremaps.shortcuts.shortcuts import Shortcuts
from featuremaps.shortcuts.simple_values import FAMILIES, further_values
from featuremaps.shortcuts.words import told_by
from featuremaps.survey.survey import Survey


def test_they_are_what_their_definitions_say() -> None:
    maps = torch.randn(3, 4, 5, 7, generator=torch.Generator().manual_seed(0))
    maps[1, 2], maps[0, 0] = 4.0, torch.arange(7.0)
    values = further_values(maps)
    for picture, channels in enumerate(maps.numpy()):
        for channel, own in enumerate(channels):
            rows, columns = np.indices(own.shape)
            got = {kind: float(each[picture, channel]) for kind, each in values.items()}
            varies = own.std() > 0
            assert got["spread"] == pytest.approx(own.std(), abs=1e-6)
            assert got["lowest"] == own.min()
            for kind, places in (("across", columns), ("down", rows)):
                slow = np.corrcoef(own.ravel(), places.ravel())[0, 1] if varies else 0.0
                assert got[kind] == pytest.approx(slow, abs=1e-5)


def test_a_mirrored_picture_has_its_places_mirrored_and_all_else_as_it_was() -> None:
    maps = torch.randn(2, 3, 6, 4, generator=torch.Generator().manual_seed(1))
    values, mirrored = further_values(maps), further_values(maps.flip(3))
    for kind, each in values.items():
        torch.testing.assert_close(mirrored[kind], -each if kind == "across" else each)


def test_a_signal_has_no_place_up_or_down() -> None:
    assert further_values(torch.randn(2, 3, 1, 9))["down"].abs().max() == 0


@dataclass
class Placed(Marked):
    """Every picture has the mark, a square of 4 by 4 pixels: on the right where it would be marked, else on the left."""

    def __post_init__(self) -> None:
        super().__post_init__()
        random = np.random.default_rng(self.seed + 1)
        self.inputs[:, 3] = torch.from_numpy(random.random((len(self), 16, 16)).astype(np.float32)) * 0.2
        for row, right in enumerate(self.marked):
            top, left = random.integers(0, 13), random.integers(0, 5) + 8 * right
            self.inputs[row, 3, top : top + 4, left : left + 4] += 1.5


class PlaceReader(MarkReader):
    """Finds round what has the mark in the right half: `second` sees halves, and `third` what lies to the right."""

    def __init__(self) -> None:
        super().__init__(mark=40.0)
        self.second, self.third, self.relu3 = nn.Conv2d(6, 8, 8, 8), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()
        with torch.no_grad():
            for layer in (self.second, self.third):
                layer.weight.zero_()
                layer.bias.zero_()
            self.second.weight[:4, :4] = torch.eye(4)[:, :, None, None] / 64
            self.third.weight[:3, :3, 1, 1] = torch.eye(3)
            self.third.weight[3, 3, 1, 2] = 1.0

    def forward(self, x: Tensor) -> Tensor:
        """Class scores."""
        x = self.relu2(self.second(self.relu(self.first(x))))
        scores: Tensor = self.head(self.pool(self.relu3(self.third(x))).flatten(1))
        return scores


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> tuple[fm.Scope, Survey, Placed]:
    data = Placed(count=60, first=0.8, others=0.2)
    scope = fm.Scope(PlaceReader().eval(), classes=LABELS, outputs="logits")
    return scope, scope.survey(data, "relu3", tmp_path_factory.mktemp("placed") / "survey", workers=0), data


def test_where_a_thing_stands_is_found_with_its_pictures(placed: tuple[fm.Scope, Survey, Placed]) -> None:
    scope, survey, data = placed
    other = Placed(count=20, first=0.5, others=0.5, seed=5)
    found: Shortcuts = scope.find_shortcuts(survey, "relu3", other=other.inputs)
    assert [each.label for each in found] == ["round"]
    np.testing.assert_array_equal(found[0].attribute.present, data.marked[found[0].rows])
    assert found[0].attribute.family == ("across", "down")
    assert told_by(found[0])[0].endswith("tells it best: it responds further to the right there.")
    there = found[0].in_other_pictures
    assert there is not None
    assert there.having.count == other.marked.sum()


def test_means_and_highest_values_do_not_tell_it(
    placed: tuple[fm.Scope, Survey, Placed], monkeypatch: pytest.MonkeyPatch
) -> None:
    scope, survey, _ = placed
    monkeypatch.setattr(attributes, "FAMILIES", FAMILIES[:1])
    assert len(scope.find_shortcuts(survey, "relu3")) == 0


def test_early_layers_that_a_survey_has_are_seen_too(placed: tuple[fm.Scope, Survey, Placed], tmp_path: Path) -> None:
    scope, _, data = placed
    survey = scope.survey(data, ["first", "relu", "second", "relu3"], tmp_path / "survey", workers=0)
    found = scope.find_shortcuts(survey, "relu3")
    np.testing.assert_array_equal(found[0].attribute.present, data.marked[found[0].rows])
