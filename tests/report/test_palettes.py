from featuremaps.report.palettes import is_diverging, palettes


def test_jet_comes_only_by_name():
    assert "jet" not in [palette["name"] for palette in palettes()]
    assert [palette["name"] for palette in palettes(("jet", "jet"))].count("jet") == 1


def test_diverging_tables_are_known():
    assert is_diverging("RdBu_r")
    assert is_diverging("coolwarm")
    assert not is_diverging("inferno")
    assert [palette["diverging"] for palette in palettes()] == [False] * 4 + [True] * 2
