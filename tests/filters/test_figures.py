"""Figures of filters: the right kind for every kernel, colours about the middle, dead and doubled filters marked."""

import numpy as np
import pytest
import torch
from matplotlib import colormaps
from torch import nn

from featuremaps.errors import OptionError
from featuremaps.filters.figures import COLOUR_GAP, GAP
from filter_samples import of, seeded
from map_samples import texts
from method_samples import unchecked


def tiles(figure, sheet: int = 0) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for image in figure.axes[sheet].images]


def test_three_channels_are_colours_about_mid_grey() -> None:
    module = seeded(nn.Conv2d, 3, 2, 2)
    with torch.no_grad():
        module.weight[0] = torch.tensor([2.0, 0.0, -1.0])[:, None, None]
        module.weight[1] = 0.5
    own = tiles(of(module).figure())
    assert own[0][0, 0].tolist() == [255, 128, 64]
    assert own[1][0, 0].tolist() == [255, 255, 255]
    shared = of(module).figure(scaling="layer")
    assert tiles(shared)[1][0, 0].tolist() == [159, 159, 159]
    assert "mid-grey is 0; one scale for all: ±2" in texts(shared)
    assert "mid-grey is 0; each filter has its own scale: ± its largest weight" in texts(of(module).figure()).replace(
        "\n", " "
    )


def test_the_frequency_response_stands_beside_a_first_layer_only() -> None:
    first = of(seeded(nn.Conv2d, 3, 5, 3)).figure()
    assert len(first.axes) == 2
    assert tiles(first, 1)[0].shape == (64, 64, 3)
    assert "right: frequency response" in texts(first)
    assert len(of(seeded(nn.Conv2d, 1, 5, 3)).figure().axes) == 2
    assert len(of(seeded(nn.Conv2d, 6, 6, 3, groups=6)).figure().axes) == 1


def test_one_channel_is_red_and_blue() -> None:
    module = seeded(nn.Conv2d, 4, 4, (1, 2), groups=4)
    with torch.no_grad():
        module.weight[0] = torch.tensor([3.0, -3.0])
    pixels = tiles(of(module).figure())[0]
    ends = [np.rint(np.array(colormaps["RdBu_r"](end)[:3]) * 255).tolist() for end in (1.0, 0.0)]
    assert pixels[0].tolist() == ends


def test_many_channels_are_a_row_with_the_largest_norms_first_and_the_rest_counted() -> None:
    module = seeded(nn.Conv2d, 64, 20, 3)
    figure = of(module).figure()
    norms = module.weight.detach()[0].flatten(1).norm(dim=1)
    expected = sorted(range(64), key=lambda channel: -float(norms[channel]))[:8]
    sheet = figure.axes[0]
    assert [text.get_text() for text in sheet.texts[:8]] == [str(channel) for channel in expected]
    shown = texts(figure)
    assert shown.count("+ 56 more") == 16
    assert "(first 16 shown)" in shown
    assert f"filter 3\nnorm {float(module.weight[3].detach().norm()):.3g}" in shown
    assert len(tiles(figure)) == 16 * 8


def test_channels_of_a_group_have_the_numbers_of_the_layer() -> None:
    figure = of(seeded(nn.Conv2d, 8, 4, 3, groups=2)).figure(which=[3])
    assert {text.get_text() for text in figure.axes[0].texts[:4]} == {"4", "5", "6", "7"}


def test_gaps_of_a_dilation_stay_empty() -> None:
    pixels = tiles(of(seeded(nn.Conv2d, 5, 2, 3, dilation=2)).figure())[0]
    assert pixels.shape == (5, 5, 3)
    assert (pixels[1] == GAP).all()
    assert not (pixels[::2, ::2] == GAP).all(-1).any()
    assert "gaps of the dilation are empty" in texts(of(seeded(nn.Conv2d, 5, 2, 3, dilation=2)).figure())


def test_slices_of_a_volume_lie_beside_each_other() -> None:
    colours = tiles(of(seeded(nn.Conv3d, 3, 4, (2, 3, 3))).figure())[0]
    assert colours.shape == (3, 7, 3)
    assert (colours[:, 3] == COLOUR_GAP).all()
    rows = tiles(of(seeded(nn.Conv3d, 5, 4, (2, 3, 3))).figure())
    assert len(rows) == 4 * 5
    assert rows[0].shape == (3, 7, 3)


def test_points_are_a_matrix() -> None:
    module = seeded(nn.Conv2d, 12, 5, 1)
    figure = of(module).figure()
    values = np.asarray(figure.axes[0].images[0].get_array())
    weights = module.weight.detach().flatten(1)
    np.testing.assert_allclose(values, weights / weights.abs().amax(1, keepdim=True), rtol=1e-6)
    assert figure.axes[0].get_xlabel() == "input channel"
    shared = np.asarray(of(module).figure(scaling="layer").axes[0].images[0].get_array())
    np.testing.assert_allclose(shared, weights / weights.abs().max(), rtol=1e-6)


@pytest.mark.parametrize("shape", [(8, 4), (2, 3), (1, 1)])
def test_axes_of_a_matrix_are_numbered_in_whole_numbers(shape: tuple[int, int]) -> None:
    figure = of(seeded(nn.Conv2d, *shape, 1)).figure()
    ticks = [float(tick) for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis) for tick in axis.get_majorticklocs()]
    assert all(tick == round(tick) for tick in ticks)


def test_a_kernel_longer_than_the_usual_response_has_one_as_long() -> None:
    found = of(seeded(nn.Conv2d, 3, 2, (5, 70)))
    response = tiles(found.figure(), 1)[0]
    assert response.shape == (70, 70, 3)


def test_lines() -> None:
    single = of(seeded(nn.Conv1d, 1, 6, 9)).figure()
    assert np.asarray(single.axes[0].images[0].get_array()).shape == (6, 9)
    assert single.axes[0].get_xlabel() == "position in the kernel"
    several = of(seeded(nn.Conv1d, 12, 6, 9)).figure()
    assert tiles(several)[0].shape == (8, 9, 3)
    assert "a row for each of 8 channels, largest norms first, + 4 more" in texts(several).replace("\n", " ")


def test_dead_and_doubled_filters_are_marked() -> None:
    module = seeded(nn.Conv2d, 3, 6, 3)
    with torch.no_grad():
        module.weight[1] = 0
        module.weight[4] = 2 * module.weight[2]
    shown = [text.get_text() for text in of(module).figure().axes[0].texts]
    assert shown == ["0", "1 dead", "2 ≈ 4", "3", "4 ≈ 2", "5"]
    edges = [patch.get_linewidth() > 1 for patch in of(module).figure().axes[0].patches]
    assert edges == [False, True, True, False, True, False]


def test_some_filters_only() -> None:
    figure = of(seeded(nn.Conv2d, 3, 9, 3)).figure([7, 2])
    assert [text.get_text() for text in figure.axes[0].texts] == ["7", "2"]
    assert "(first 4 shown)" in texts(of(seeded(nn.Conv2d, 3, 9, 3)).figure(most=4))
    with pytest.raises(OptionError, match="it has filters 0 to 8, there is no 9"):
        of(seeded(nn.Conv2d, 3, 9, 3)).figure([9])
    for wrong in ("12", 2, [1.5], [True]):
        with unchecked(), pytest.raises(OptionError, match=r"which is the numbers of filters, such as \[0, 5\]; got"):
            of(seeded(nn.Conv2d, 3, 9, 3)).figure(wrong)
    with pytest.raises(OptionError, match="most is how many filters are shown, 1 or more; got -3"):
        of(seeded(nn.Conv2d, 3, 9, 3)).figure(most=-3)
    with pytest.raises(OptionError, match="no filter was chosen"):
        of(seeded(nn.Conv2d, 3, 9, 3)).figure([])
