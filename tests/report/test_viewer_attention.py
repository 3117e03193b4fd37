"""The heads of every layer, in headless Chromium: a row a layer, the mean first, each opens large."""

import numpy as np
import pytest
import torch
from browser_tools import close_dialog, drawing
from matplotlib import colormaps
from PIL import Image
from playwright.sync_api import expect
from report_samples import sample_report

from featuremaps.report.attention import AttendingLayer, AttentionSection
from featuremaps.report.data import LayeredPicture

pytestmark = pytest.mark.browser

HEADS = torch.rand(3, 4, 6, generator=torch.Generator().manual_seed(0)) / 24


def opened(visit, width=1280):
    layers = tuple(AttendingLayer(f"blocks.{n}.attn", HEADS.roll(n, 0), HEADS.roll(n, 0).sum((1, 2))) for n in range(2))
    pictures = tuple(LayeredPicture(name, Image.new("RGB", (60, 40), "#888"), layers) for name in ("a", "b"))
    section = AttentionSection(pictures, "from the class token", notes=("3 of 24 patches stick out.",))
    return visit(sample_report(sections=(section,)), width=width).page


@pytest.mark.parametrize("width", [1280, 390])
def test_a_row_a_layer_and_the_mean_first(visit, width):
    page = opened(visit, width)
    assert page.locator(".attention-name").all_inner_texts() == ["blocks.0.attn", "blocks.1.attn"]
    names = page.locator(".attention-layer").first.locator(".tile-name").all_inner_texts()
    assert names == ["mean", "0", "1", "2"]
    shares = page.locator(".attention-layer").first.locator(".tile-value").all_inner_texts()
    assert shares[1:] == [f"{round(100 * float(share))} %" for share in HEADS.sum((1, 2))]
    assert "3 of 24 patches stick out." in page.locator(".attention-note").inner_text()
    shown = drawing(page.locator(".attention-layer canvas").nth(1))
    expected = np.array(colormaps["inferno"](HEADS[0].numpy() / HEADS[0].max().item()))[..., :3] * 255
    assert np.abs(shown - expected).max() <= 4


def test_a_head_opens_large_and_another_picture_is_chosen(visit):
    page = opened(visit)
    page.get_by_role("button", name="blocks.1.attn, head 2,").click()
    expect(page.get_by_role("dialog")).to_contain_text("head 2")
    close_dialog(page)
    page.get_by_label("b", exact=True).check()
    expect(page.locator(".attention-layer")).to_have_count(2)
