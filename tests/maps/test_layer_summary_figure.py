"""The figure of a walk: which layers it shows, and its curve beside their rows."""

import numpy as np
import pytest
import torch
from torch import nn

import featuremaps as fm
from featuremaps.plotting.contact_sheet import PITCH
from map_samples import pictures, texts
from method_samples import Little


def deep(count: int) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(count):
        layers += [nn.Conv2d(3, 3, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers)


def test_every_layer_has_its_row_and_the_curve_goes_through_rectified_ones() -> None:
    walk = fm.Scope(Little()).maps(pictures((16, 16)), "all")
    figure = walk.figure()
    shown = texts(figure)
    for row in walk.rows[:-1]:
        assert f"{row.layer}\n{row.channels} × {row.size[0]}×{row.size[1]}" in shown
    assert "\nfeatures\n" not in shown, "it gives what its last part gave"
    assert "before a ReLU" in shown
    zeros = figure.axes[1].lines[0]
    rectified = [i for i, row in enumerate(walk.rows) if row.min >= 0]
    np.testing.assert_allclose(zeros.get_xdata(), [walk.rows[i].zeros for i in rectified])
    np.testing.assert_allclose(zeros.get_ydata()[:3], [(i + 1) * PITCH + 0.5 for i in rectified[:3]])
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_of_many_layers_some_are_drawn_and_the_curve_has_all() -> None:
    walk = fm.Scope(deep(8)).maps(pictures((16, 16)), "all")
    figure = walk.figure(most=5)
    shown = texts(figure)
    assert "5 of 16 layers shown" in shown
    assert shown.count("3 × 16×16") == 5
    assert all(f"{i}\n3 × 16×16" in shown for i in (1, 15)), "the first and the last after a ReLU"
    assert sum(len(line.get_xdata()) for line in figure.axes[1].lines) == 2 * 16


@pytest.mark.parametrize("count", [1, 2])
def test_without_any_rectified_layer(count: int) -> None:
    model = nn.Sequential(*[nn.Conv2d(3, 3, 3, padding=1) for _ in range(count)])
    walk = fm.Scope(model).maps(pictures((16, 16)), "all")
    assert "layers shown" not in texts(walk.figure())
    assert len(walk.figure().axes[1].lines[0].get_xdata()) == count
