"""Scores that lie along the places of an input, of signals and volumes too, and lists with a part for each picture."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import TargetError


class Dense(nn.Module):
    """Scores of four classes at each place of a signal or volume, and what is made of them."""

    def __init__(self, axes: int, end: Callable[[Tensor], Tensor] = lambda scores: scores) -> None:
        super().__init__()
        torch.manual_seed(0)
        kind = {1: nn.Conv1d, 3: nn.Conv3d}[axes]
        self.features, self.classes, self.end = kind(2, 6, 4, stride=4), kind(6, 4, 1), end

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4, places)"""
        return self.end(self.classes(self.features(x).relu()))


SPACES = {1: (16,), 3: (8, 8, 16)}


@pytest.mark.parametrize("axes", SPACES)
def test_dense_scores_of_signals_and_volumes_are_averaged_or_masked(axes: int) -> None:
    model, inputs = Dense(axes).eval(), torch.rand(2, 2, *SPACES[axes])
    with torch.no_grad():
        scores = model(inputs)
    scope = fm.Scope(model)
    expected = scores.flatten(2).mean(2)
    assert [answers[0].score for answers in scope.predict(inputs)] == pytest.approx(expected.amax(1).tolist())
    place = (0,) * (axes - 1)
    for step in (1, 4):  # in the output's size, and in the picture's
        mask = torch.zeros([side * step for side in scores.shape[2:]])
        mask[tuple(slice(step) for _ in place)][..., : 2 * step] = 1
        masked = scores[:, 3][(slice(None), *place)][:, :2].mean(1)
        for given in (mask, mask.numpy(), mask.expand(2, *mask.shape)):
            record = scope.record(inputs, "features", fm.Mask(given, 3))
            torch.testing.assert_close(record.scores[0], masked)
            assert scope.explain(inputs, layer="features", target=fm.Mask(given, 3)).targets[0] == "class 3 in mask"


def test_scores_of_a_signal_after_its_places_are_refused() -> None:
    scope = fm.Scope(Dense(1, lambda scores: scores.transpose(1, 2)).eval())
    with pytest.raises(TargetError, match="places lie along axes 1"):
        scope.predict(torch.rand(2, 2, 16))


def test_class_maps_with_the_classes_last_are_refused_also_where_nothing_was_followed() -> None:
    class Lost(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            maps = super().forward(x)
            return torch.tensor(maps.detach().numpy()).movedim(1, -1)

    with pytest.raises(TargetError, match=r"places lie along axes 1, 2"):
        fm.Scope(Lost(3, 4, 4, stride=4)).predict(torch.rand(2, 3, 32, 16))


def test_numbers_of_a_list_as_long_as_there_are_pictures() -> None:
    """Each picture's function gets its part of the list, and where the list may count something else, that is said."""

    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> list[Tensor]:
            return list(self.conv(x).mean((2, 3)))

    scope, pictures = fm.Scope(Listed().eval()), torch.rand(4, 3, 8, 8)
    targets = [lambda rows, number=number: rows[0][number].reshape(1) for number in range(4)]
    heat = scope.explain(pictures, layer="conv", target=targets, batch_size=3)
    for number, picture in enumerate(pictures):
        alone = scope.explain(picture[None], layer="conv", target=[targets[number]])
        torch.testing.assert_close(heat.maps[number], alone.maps[0])
    with pytest.raises(TargetError, match="4 tensors of 4 numbers for as many pictures.*batch_size=3"):
        scope.explain(pictures, layer="conv", target=targets)


@pytest.mark.parametrize("squeeze", [lambda scores: scores.squeeze(1), lambda scores: scores.squeeze()])
@pytest.mark.parametrize("target", [None, 0, fm.Region(0), fm.Point((2, 3))])
def test_a_score_for_each_place_without_an_axis_of_classes_is_refused(squeeze: Any, target: Any) -> None:
    class Squeezed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scores = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            given: Tensor = squeeze(self.scores(x))
            return given

    with pytest.raises(TargetError, match=r"shape \(2, 8, 12\): one score for each place .*unsqueeze\(1\)"):
        fm.Scope(Squeezed().eval()).explain(torch.rand(2, 3, 8, 12), target=target)
