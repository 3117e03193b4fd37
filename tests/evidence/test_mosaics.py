"""Mosaics of a trial's own pictures: a picture in one cell, other classes in the rest, whatever runs together."""

from itertools import product

import numpy as np
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.evidence.mosaics import Mosaics

SIDE = 12


class Colours(nn.Module):
    """Two scores: how much red there is anywhere, and how much green."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 2, 1, bias=False)
        with torch.no_grad():
            self.features.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1, 0]])[:, :, None, None])

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.features(x).relu().mean((2, 3))
        return scores


def coloured(classes: list[int]) -> Tensor:
    """Noise in one colour for each class, and a little grey."""
    x = 0.01 * torch.ones(len(classes), 3, SIDE, SIDE)
    noise = torch.rand(len(classes), SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    for picture, one in enumerate(classes):
        x[picture, one] += noise[picture]
    return x


def tried(classes: list[int], targets: object = None, model: nn.Module | None = None, batch_size: int = 4) -> fm.Trial:
    scope = fm.Scope(model or Colours(), spatial=2)
    how = {"measures": "grid_pointing_game", "batch_size": batch_size}
    return scope.trial(coloured(classes), ["hires_cam", "input_x_gradient"], "features", targets, **how)  # type: ignore[arg-type]


def test_each_picture_stands_in_one_cell_and_other_classes_in_all_others() -> None:
    classes = [0, 0, 1, 0, 1, 0]
    x = coloured(classes)
    mosaic = Mosaics(fm.Scope(Colours(), spatial=2).see(x).seen, classes).of(x[1:4], [1, 2, 3])
    assert mosaic.inputs.shape == (3, 3, 2 * SIDE, 2 * SIDE)
    assert mosaic.complete.all()
    others = {1: [2, 4, 2], 2: [3, 5, 0], 3: [4, 2, 4]}  # the next ones of other classes, again where there are fewer
    for i, row in enumerate((1, 2, 3)):
        shown = list(others[row])
        for number, (top, left) in enumerate(product((0, SIDE), repeat=2)):
            own = number == row % 4
            at = slice(top, top + SIDE), slice(left, left + SIDE)
            assert mosaic.cells[i][at].all() if own else not mosaic.cells[i][at].any()
            assert torch.equal(mosaic.inputs[i][:, at[0], at[1]], x[row if own else shown.pop(0)])


def test_a_map_that_knows_the_class_lies_in_its_cell_and_chance_in_a_quarter() -> None:
    trial = tried([0, 1, 1, 0, 0, 1])
    for row in trial.explanations:
        assert trial.estimate(row, "grid_pointing_game").mean > 0.9
        assert trial.beats(row, ("random", "reference"), "grid_pointing_game")
    assert abs(trial.estimate(("centre", "reference"), "grid_pointing_game").mean - 0.25) < 1e-3


def test_what_runs_together_does_not_matter() -> None:
    classes = [0, 1, 1, 0, 0]
    together, alone = tried(classes), tried(classes, batch_size=1)
    np.testing.assert_allclose(together.values, alone.values, rtol=1e-5)


def test_without_another_class_or_a_class_at_all_there_is_no_number() -> None:
    of_one = tried([0, 0, 0]).estimate(("hires_cam", "features"), "grid_pointing_game")
    assert np.isnan(of_one.mean)
    assert of_one.why.startswith("no other picture of this size, explained for another class")
    no_class = tried([0, 1], targets=lambda output: output.sum(1)).estimate(
        ("hires_cam", "features"), "grid_pointing_game"
    )
    assert np.isnan(no_class.mean)
    assert no_class.why == "mosaics are for a class of a whole picture, and what is explained is none"


def test_a_model_that_takes_no_larger_pictures_says_so_and_nothing_else_is_lost() -> None:
    class Fixed(Colours):
        def forward(self, x: Tensor) -> Tensor:
            if x.shape[-1] != SIDE:
                raise ValueError("takes pictures of 12 × 12")
            return super().forward(x)

    scope = fm.Scope(Fixed(), spatial=2)
    measures = ("grid_pointing_game", "gini")
    trial = scope.trial(coloured([0, 1]), "hires_cam", "features", measures=measures)
    assert "takes pictures of 12 × 12" in trial.estimate(("hires_cam", "features"), "grid_pointing_game").why
    assert trial.estimate(("hires_cam", "features"), "gini").of == 2
