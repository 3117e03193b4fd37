"""Several layers at once: one result each, one figure for all."""

from pathlib import Path

import pytest

from map_samples import PNG, little, texts

LAYERS = ["features.conv1", "features.conv2", "features"]


def test_each_layer_as_if_asked_for_alone() -> None:
    found = little(LAYERS)
    assert list(found) == LAYERS
    assert len(found) == 3
    for layer in LAYERS:
        assert (found[layer].tensor == little(layer).tensor).all()
    with pytest.raises(KeyError, match="no maps of layer 'feature'.*Did you mean 'features'"):
        found["feature"]


def test_figure_has_a_row_a_layer_and_one_kind_of_colours() -> None:
    figure = little(LAYERS).figure(1, most=4)
    assert [axes.get_ylabel() for axes in figure.axes[:15:5]] == LAYERS
    shown = texts(figure)
    assert "picture 1: the strongest channels of 3 layers" in shown
    assert "each map has its own scale: ± its largest magnitude" in shown
    assert "one scale per layer" in texts(little(LAYERS, scaling="layer").figure())


def test_layers_with_few_channels_leave_places_empty() -> None:
    assert len(little(LAYERS).figure(most=8).axes) == 3 * 9 + 1


def test_save_and_show(tmp_path: Path) -> None:
    found = little(LAYERS)
    assert len(found.save(tmp_path)) == 3 * 4
    assert (tmp_path / "picture 0__maps__features.conv2.png").is_file()
    assert repr(found).splitlines()[0] == "<LayerMaps of 3 layers:"
    assert found._repr_png_().startswith(PNG)
