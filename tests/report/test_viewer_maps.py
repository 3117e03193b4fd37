"""What the canvases of the report show, against torch and matplotlib, in headless Chromium."""

import numpy as np
import pytest
import torch
from browser_tools import FIRST, bilinear, one_map, pixels, set_strength
from matplotlib import colormaps
from PIL import Image
from report_samples import MAP, drawn, sample_picture, sample_report

from featuremaps.plotting.rendering import DIVERGING, SEQUENTIAL, overlay, scaled
from featuremaps.report.encode import quantise

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scale", ["max", "minmax", "signed"])
def test_maps_are_enlarged_and_scaled_as_in_torch(visit, scale):
    page = visit().page
    script = """async ({map, size, scale}) => {
      const {decode, scaled} = await import("featuremaps/grid.js");
      const got = scaled(decode(map), ...size, scale);
      return {low: got.low, high: got.high, values: Array.from(got.values)};
    }"""
    generator = torch.Generator().manual_seed(1)
    for shape, size in (((2, 3), (5, 4)), ((7, 7), (64, 96)), ((9, 9), (4, 3)), ((1, 1), (8, 8)), ((4, 5), (4, 5))):
        values = torch.randn(shape, generator=generator)
        large = bilinear((values.relu() if scale == "max" else values).double(), size)
        peak = large.abs().max()
        ends = {"max": (0, large.max()), "minmax": (large.min(), large.max()), "signed": (-peak, peak)}[scale]
        got = page.evaluate(script, {"map": quantise(values), "size": size, "scale": scale})
        tolerance = float(values.abs().max()) / 32767
        assert [got["low"], got["high"]] == pytest.approx([float(end) for end in ends], abs=tolerance)
        assert torch.tensor(got["values"]).reshape(size).double().allclose(large, atol=tolerance)


def test_the_colours_are_those_of_the_map(visit):
    values = torch.rand(4, 4, generator=torch.Generator().manual_seed(2))
    page = visit(sample_report(one_map(values, seen=drawn(256)))).page
    page.get_by_label("Fade weak areas").uncheck()
    set_strength(page, 100)
    large = bilinear(values, (256, 256))
    expected = colormaps["inferno"]((large / large.max()).numpy())[..., :3] * 255
    difference = np.abs(pixels(page) - expected)
    assert difference.mean() < 0.5
    assert difference.max() < 6  # the neighbouring entry of the table, where quantisation tips the scales


def test_strength_mixes_picture_and_map(visit):
    page = visit(sample_report(one_map(seen=drawn(256)))).page
    page.get_by_label("Fade weak areas").uncheck()
    shots = []
    for strength in (0, 50, 100):
        set_strength(page, strength)
        assert page.locator(".toolbar output").inner_text() == f"{strength}%"
        shots.append(pixels(page))
    bare, half, full = shots
    # WebP moves a colour by a few steps; the edge of the ellipse by more.
    assert np.median(np.abs(bare - np.array(drawn(256)))) <= 3
    assert np.abs(full - bare).max() > 100
    assert np.abs(half - (bare + full) / 2).max() <= 2


def test_original_overlay_and_raw_map(visit):
    page = visit(sample_report(one_map(seen=drawn(256)))).page
    page.get_by_role("radio", name="Original").check()
    assert np.median(np.abs(pixels(page) - np.array(drawn(256)))) <= 3
    page.get_by_role("radio", name="Raw map").check()
    raw = pixels(page)
    cells = colormaps["inferno"]((MAP.relu() / MAP.max()).numpy())[..., :3] * 255
    for row in range(2):
        for column in range(3):
            block = raw[row * 128 + 4 : (row + 1) * 128 - 4, column * 86 + 4 : (column + 1) * 85 - 4]
            assert np.abs(block - cells[row, column]).max() <= 2
    page.get_by_role("radio", name="Overlay").check()
    assert np.abs(pixels(page) - raw).max() > 30


def test_signed_values_get_their_own_colours_and_legend(visit):
    page = visit(sample_report(one_map(seen=drawn(256)))).page
    page.get_by_label("Values").select_option("signed")
    assert page.get_by_label("Colours").locator("option").all_inner_texts() == ["RdBu", "PuOr"]
    assert "its peak" in page.locator(".toolbar .legend").inner_text()
    page.get_by_role("radio", name="Raw map").check()
    raw = pixels(page)
    assert np.abs(raw[10, 250] - np.array(colormaps["RdBu_r"](0.5 - 2 / 6)[:3]) * 255).max() <= 4
    assert np.abs(raw[250, 10] - np.array(colormaps["RdBu_r"](1.0)[:3]) * 255).max() <= 2
    page.get_by_label("Values").select_option("minmax")
    assert page.get_by_label("Colours").input_value() == "inferno"
    page.get_by_label("Colours").select_option("viridis")
    assert np.abs(pixels(page)[10, 250] - np.array(colormaps["viridis"](0.0)[:3]) * 255).max() <= 2


def test_the_page_and_figures_in_python_paint_the_same(visit):
    """Bright where the map is weak, its colours where it is strong; one that only speaks against the target signed."""
    generator = torch.Generator().manual_seed(5)
    values, photograph = torch.rand(6, 6, generator=generator), drawn(256, "saddlebrown")
    for map, signed in ((values, False), (-values - 0.2, True)):
        page = visit(sample_report(one_map(map, seen=photograph))).page
        shown = scaled(bilinear(map, (256, 256)), "signed" if signed else "max")
        colormap = DIVERGING if signed else SEQUENTIAL
        difference = np.abs(
            pixels(page) - np.array(overlay(photograph, shown, alpha=0.7, colormap=colormap, signed=signed))
        )
        assert np.median(difference) <= 3  # WebP and the blending of browsers
        assert difference.mean() <= 4
        set_strength(page, 0)
        assert np.median(np.abs(pixels(page) - np.array(photograph))) <= 3


@pytest.mark.parametrize("flipped", [False, True])
def test_on_the_whole_original_picture(visit, flipped):
    box = (60.0, 10.0, 20.0, 50.0) if flipped else (20.0, 10.0, 60.0, 50.0)
    original = Image.new("RGB", (120, 60), "white")
    picture = one_map(torch.tensor([[0.0, 1.0]]), original=original, placement=box)
    page = visit(sample_report(picture)).page
    assert pixels(page).shape[0] == pixels(page).shape[1]
    page.get_by_label("Fade weak areas").uncheck()
    page.get_by_label("On the whole original picture").check()
    set_strength(page, 100)
    shot = pixels(page)
    height, width = shot.shape[:2]
    assert width == 2 * height

    def at(x, y):
        return shot[round(y / 60 * height), round(x / 120 * width)]

    bright, dark = np.array(colormaps["inferno"](1.0)[:3]) * 255, np.array(colormaps["inferno"](0.0)[:3]) * 255
    left, right = (bright, dark) if flipped else (dark, bright)
    assert np.abs(at(22, 30) - left).max() <= 3
    assert np.abs(at(58, 30) - right).max() <= 3
    assert np.ptp(at(100, 30)) <= 3
    assert 100 < at(100, 30)[0] < 200
    frame = page.locator(FIRST).bounding_box()
    readout = page.locator(".matrix .readout")
    page.mouse.move(frame["x"] + frame["width"] * 25 / 120, frame["y"] + frame["height"] / 2)
    assert readout.inner_text() == f"{int(flipped)} at [0, {int(flipped)}]"
    page.mouse.move(frame["x"] + frame["width"] * 100 / 120, frame["y"] + frame["height"] / 2)
    assert readout.inner_text() == "outside the model's view"


@pytest.mark.parametrize(("width", "single", "beside"), [(1440, True, True), (1440, False, False), (1000, True, False)])
def test_pictures_of_one_map_stand_beside_each_other(visit, width, single, beside):
    second = one_map(name="dog.png") if single else sample_picture("dog.png")
    page = visit(sample_report(one_map(), second), width=width).page
    first, other = (page.locator("article.picture").nth(place).bounding_box() for place in range(2))
    assert (first["y"] == other["y"]) is beside
    assert (other["x"] >= first["x"] + first["width"]) is beside
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
