"""A part that is closed says in a line what is in it."""

from section_samples import channels_section, filter_tile, filters_section, walk_section

from featuremaps.report.channels import ChannelsSection
from featuremaps.report.layer_walk import LayerWalkSection
from featuremaps.report.patterns import Pattern, PatternsSection


def test_what_is_inside_is_counted():
    assert channels_section().summary == "10 channels of 2 layers."
    assert walk_section().summary == "25 layers, from layer0.0 to layer4."
    tiles = (filter_tile(0, 1.0), filter_tile(1, 0.0, dead=True), filter_tile(2, 1.0, twin=0, likeness=0.99))
    section = filters_section(*tiles)
    assert section.summary == f"3 filters of {section.layer}: 1 dead, 1 nearly repeats another."
    assert PatternsSection((Pattern("layer4:4", ()), Pattern("layer4:7", ()))).summary == "layer4:4, layer4:7"


def test_sections_without_pictures_say_nothing():
    assert ChannelsSection(()).summary == ""
    assert LayerWalkSection(()).summary == ""
    assert PatternsSection(()).summary == ""
