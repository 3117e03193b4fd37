from base64 import b64decode

import pytest

from featuremaps.errors import OptionError
from featuremaps.report.palettes import check_colormap, is_diverging, palettes, table


def test_tables_are_matplotlibs():
    from matplotlib import colormaps

    for name in ("inferno", "jet"):
        colours = b64decode(table(name))
        assert len(colours) == 768
        for index in (0, 77, 255):
            expected = [round(255 * part) for part in colormaps[name](index)[:3]]
            assert list(colours[3 * index : 3 * index + 3]) == expected


def test_jet_comes_only_by_name():
    assert "jet" not in [palette["name"] for palette in palettes()]
    assert [palette["name"] for palette in palettes(("jet", "jet"))].count("jet") == 1


def test_diverging_tables_are_known():
    assert is_diverging("RdBu_r")
    assert is_diverging("coolwarm")
    assert not is_diverging("inferno")
    assert [palette["diverging"] for palette in palettes()] == [False] * 4 + [True] * 2


def test_unknown_colormap_names_the_nearest():
    with pytest.raises(OptionError, match=r"colormap='infernal'.*Did you mean 'inferno'.*inferno, viridis"):
        check_colormap("infernal")
