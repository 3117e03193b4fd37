"""The Python that a report hands out runs, and makes the map that it stands under."""

from pathlib import Path

import numpy as np
import pytest
import torch

import featuremaps as fm
from featuremaps.explain.options import ExplainOptions
from featuremaps.pictures.load import Picture
from featuremaps.report.explanation_report import explained_picture
from featuremaps.report.recipe import map_code, picture_code


@pytest.fixture(scope="module")
def comparison() -> fm.Comparison:
    scope = fm.load("demo")
    return scope.compare(
        fm.demo.images()[:2],
        ["grad_cam", "rise"],
        "layer4",
        ["scissors", fm.Margin("scissors", "hammer")],
        seed=3,
        options={"rise": {"masks": 8}},
    )


def test_the_code_runs_and_gives_the_same_maps(comparison) -> None:
    seen = fm.load("demo").see(fm.demo.images()[:2]).seen
    picture = explained_picture(comparison, seen[1], 1, ("scissors", "hammer"), "demo", "fm.demo.images()[1]")
    assert len(picture.maps) == 4
    for map in picture.maps:
        lines = f"{picture.code}\n{map.code}".removesuffix("\nheat.figure()")
        made: dict[str, object] = {}
        exec(lines, made)
        heat = made["heat"]
        assert map.cut == (not isinstance(heat, fm.Heatmaps))
        raw = (heat if isinstance(heat, fm.Heatmaps) else heat.shown()).maps[0]
        # Pictures that run together differ by rounding.
        torch.testing.assert_close(raw, map.map, rtol=1e-4, atol=1e-3 * float(raw.abs().max()))


def test_what_differs_from_the_defaults_is_written(comparison) -> None:
    options = ExplainOptions(seed=3, smooth="augment", of_methods={"rise": {"masks": 8}, "lime": {"samples": 9}})
    assert map_code("rise", "input", 7, options).splitlines()[0] == (
        "heat = scope.explain(picture, 'rise', target=7, smooth='augment', seed=3, masks=8)"
    )
    assert "picture, 'cam', layer='layer4')" in map_code("cam", "layer4", None, ExplainOptions())
    assert "..." in map_code("cam", "layer4", lambda scores: scores[:, 0], ExplainOptions())


def test_what_a_report_cannot_know_is_left_to_the_reader() -> None:
    lines = picture_code("MyNet", Picture("cat.png", path=Path("photos/cat.png"))).splitlines()
    assert lines[2:] == ["scope = ...  # fm.Scope of your MyNet", "picture = 'photos/cat.png'"]
    from PIL import Image

    known = picture_code("torchvision:resnet18", Picture("one", kept=Image.fromarray(np.zeros((4, 4, 3), np.uint8))))
    assert 'fm.load("torchvision:resnet18")  # and weights=' in known
    assert "# your picture 'one'" in known
