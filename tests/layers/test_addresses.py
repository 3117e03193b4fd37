import pytest

from featuremaps.errors import LayerNotFoundError
from featuremaps.layers.addresses import Address, glob, is_glob, parse


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("layer4", Address("layer4")),
        ("layer4.1.conv2", Address("layer4.1.conv2")),
        ("layer4:452", Address("layer4", channel=452)),
        ("layer4.0.relu#1", Address("layer4.0.relu", call=1)),
        ("layer4.0.relu#1:452", Address("layer4.0.relu", 1, 452)),
        ("last:7", Address("last", channel=7)),
    ],
)
def test_an_address_and_its_text(text, address):
    assert parse(text) == address
    assert str(address) == text


def test_the_name_leaves_the_channel_out():
    assert parse("a.b#1:3").name == "a.b#1"
    assert parse("a.b:3").name == "a.b"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the layer's name is missing"),
        ("  ", "the layer's name is missing"),
        (":3", "the layer's name is missing"),
        ("#1", "the layer's name is missing"),
        ("layer4:", "'' after the colon is not a channel number (0, 1, 2, …)"),
        ("layer4:abc", "'abc' after the colon is not a channel number (0, 1, 2, …)"),
        ("layer4:-1", "'-1' after the colon is not a channel number (0, 1, 2, …)"),
        ("layer4:1.5", "'1.5' after the colon is not a channel number (0, 1, 2, …)"),
        ("layer4:²", "'²' after the colon is not a channel number (0, 1, 2, …)"),
        ("layer4#x", "'x' after the # is not the number of a call (0 is the first)"),
        ("layer4#", "'' after the # is not the number of a call (0 is the first)"),
    ],
)
def test_what_cannot_be_read_is_explained(text, reason):
    with pytest.raises(LayerNotFoundError) as caught:
        parse(text)
    assert str(caught.value) == (
        f"layer address {text!r} cannot be read: {reason}. Write a layer as 'layer4', channel 452 of it as "
        "'layer4:452', the second call of a module that runs several times as 'layer4.0.relu#1'. "
        "scope.layers() lists all layers."
    )


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("layer*", ["layer1", "layer4"], ["layer1.0", "my.layer1"]),
        ("layer?.0", ["layer1.0"], ["layer12.0", "layer1.1"]),
        ("layer[12].conv[!2]", ["layer1.conv1", "layer2.conv3"], ["layer3.conv1", "layer1.conv2"]),
        ("**.conv2", ["conv2", "layer1.conv2", "layer1.0.conv2"], ["layer1.xconv2", "layer1.conv21"]),
        ("layer1.**", ["layer1.0", "layer1.0.conv1"], ["layer1", "layer10.0"]),
        ("**", ["a", "a.b.c"], []),
        ("a.b", ["a.b"], ["axb"]),
    ],
)
def test_a_star_stays_within_a_part_of_the_name(pattern, matching, other):
    matches = glob(pattern).fullmatch
    assert all(matches(name) for name in matching)
    assert not any(matches(name) for name in other)


def test_wildcards():
    assert [is_glob(text) for text in ("a*", "a?", "[ab]", "a.b", "a#1:2")] == [True, True, True, False, False]
