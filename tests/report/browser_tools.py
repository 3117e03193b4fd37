"""Reading the canvases of an open report, for the tests that run in a browser."""

from base64 import b64decode
from io import BytesIO

import numpy as np
import torch
from PIL import Image
from playwright.sync_api import expect
from report_samples import MAP, sample_picture

from featuremaps.report.explanations import HeatmapData

FIRST = ".map >> nth=0"
# A copy is read, because Chromium warns when the canvas on the page is read again and again.
COPY = """canvas => {
  const copy = Object.assign(document.createElement("canvas"), {width: canvas.width, height: canvas.height});
  copy.getContext("2d", {willReadFrequently: true}).drawImage(canvas, 0, 0);
  return copy.toDataURL("image/png");
}"""


# Everything a page does on a later frame comes later still, by so many milliseconds. With it in the environment
# (LATE_FRAMES=400 pytest -m browser) a test that looks at a page before the page is drawn fails every time.
LATE = """
for (const name of ["ResizeObserver", "IntersectionObserver"]) {
  window[name] = class extends window[name] {
    constructor(call, options) { super((entries, self) => setTimeout(() => call(entries, self), LATE_FRAMES), options); }
  };
}
const frame = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = call => frame(() => setTimeout(() => call(performance.now()), LATE_FRAMES));
"""
FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def settle(page):
    """Waits until what was asked of a page is laid out and drawn: two frames."""
    page.evaluate(FRAMES)


def close_dialog(page):
    """Escape, and what follows it: the dialog leaves the page and gives the focus back.

    A dialog that is closed has no role any more before it has told its listeners.
    """
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)


def pixels(page, index=0):
    """What the canvas of a map shows: (height, width, 3)."""
    settle(page)
    return drawing(page.locator(".matrix canvas").nth(index))


def drawing(canvas):
    """What any canvas shows, once it is in view and drawn: (height, width, 3)."""
    canvas.scroll_into_view_if_needed()
    canvas.evaluate(FRAMES)
    address = canvas.evaluate(COPY)
    return np.array(Image.open(BytesIO(b64decode(address.split(",")[1]))).convert("RGB"), dtype=int)


def one_map(values=MAP, **changes):
    return sample_picture(maps=(HeatmapData("grad_cam", "layer4", "tabby", values),), **changes)


def set_strength(page, percent):
    page.locator(".toolbar input[type=range]").fill(str(percent))


def bilinear(values, size):
    return torch.nn.functional.interpolate(values[None, None], size, mode="bilinear", align_corners=False)[0, 0]
