"""Detectors trained on letterboxed pictures of several proportions, whose evidence is planted beside the boxes."""

import json
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner

import featuremaps as fm
import trained_detectors
from featuremaps.cli.app import app
from featuremaps.errors import FeatureMapsWarning
from featuremaps.plotting.outlines import BOX
from trained_detectors import NAMES, SIDE, Corners, Letterboxed, Scene, scene, scope_of

Kind = Literal["yolo", "detr"]
KINDS: tuple[Kind, ...] = ("yolo", "detr")
SCENES = [scene((97, 61), (0, 1), 1000), scene((160, 90), (1,), 1003), scene((70, 133), (0, 1), 1002)]
IMAGES = [each.image for each in SCENES]
ROWS = (0, 0, 1, 2, 2)
METHODS: dict[str, dict[str, Any]] = {
    "layer_cam": {},
    "hires_cam": {},
    "integrated_gradients": {},
    "d_rise": {"masks": 300, "cells": 8},
    "occlusion": {"window": 8, "stride": 4},
}
NEAR = 6
"""By so many pixels of the input, less than a cell of the finest map, a map may point beside the evidence."""


def share(map: Tensor, box: Corners, slack: float = 0) -> float:
    """How much of a map of the original lies in a box."""
    left, top, right, bottom = (max(0, round(edge)) for edge in (box[0] - slack, box[1] - slack, *box[2:]))
    within = map[top : bottom + round(slack), left : right + round(slack)]
    return float(within.sum() / map.sum())


def of_label(found: Scene, label: int | None) -> tuple[Corners, Corners]:
    """The evidence and the box planted of a label."""
    number = found.labels.index(int(label or 0))
    return found.evidence[number], found.boxes[number]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", METHODS)
def test_maps_on_the_original_point_at_the_evidence_and_not_at_the_box(method: str, kind: Kind) -> None:
    explained = scope_of(kind).explain(IMAGES, method, **METHODS[method])
    heat = (explained if isinstance(explained, fm.Heatmaps) else explained.map()).upsample()
    assert heat.picture_numbers == ROWS
    for row, box in enumerate(heat.boxes):
        assert box is not None
        found = SCENES[heat.picture_numbers[row]]
        evidence, planted = of_label(found, box.index)
        _, map = heat.pictures[row].original(heat.maps[row].relu())
        assert tuple(map.shape) == (found.image.height, found.image.width)
        slack = NEAR * Letterboxed(found.image.size).scale
        y, x = divmod(int(map.argmax()), map.shape[1])
        assert evidence[0] - slack <= x <= evidence[2] + slack, (row, x, y, evidence)
        assert evidence[1] - slack <= y <= evidence[3] + slack, (row, x, y, evidence)
        assert share(map, evidence, slack) > 2.5 * share(map, planted)


@pytest.mark.parametrize("answer", ["rows", "listed", "agnostic"])
def test_pictures_of_different_sizes_together_are_as_one_by_one(answer: trained_detectors.Answer) -> None:
    scope = scope_of("yolo", answer)
    heat = scope.explain(IMAGES, "hires_cam")
    assert heat.picture_numbers == ROWS
    for picture, image in enumerate(IMAGES):
        alone = scope.explain(image, "hires_cam")
        for row, own in zip(heat.rows_of(picture), range(len(alone)), strict=True):
            torch.testing.assert_close(heat.maps[row], alone.maps[own], rtol=1e-4, atol=1e-6)
            assert heat.boxes[row] is not None
            assert heat.boxes[row].label == alone.boxes[own].label  # type: ignore[union-attr]
            assert heat.boxes[row].box == pytest.approx(alone.boxes[own].box, abs=1e-3)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", KINDS)
def test_boxes_on_the_original_are_the_models_own_taken_back_by_hand(kind: Kind) -> None:
    """Near to what was planted, as trained; and to a tenth of a pixel what the letterbox makes of the model's box."""
    scope = scope_of(kind)
    heat = scope.explain(IMAGES, "hires_cam")
    for row, box in enumerate(heat.boxes):
        assert box is not None
        found = SCENES[heat.picture_numbers[row]]
        way = Letterboxed(found.image.size)
        on_original = heat.pictures[row].box_on_original(box.box)
        assert on_original == pytest.approx(way.on_original(box.box), abs=0.5)
        assert on_original == pytest.approx(of_label(found, box.index)[1], abs=7 * way.scale)


def test_each_place_of_the_input_goes_back_to_within_a_pixel() -> None:
    scope = scope_of("yolo")
    for seen in scope.see(IMAGES).seen:
        way, size = Letterboxed(seen.picture.image.size), seen.picture.image.size  # type: ignore[union-attr]
        for share_of in (0.1, 0.5, 0.9):
            x, y = (int(way.corner[i] + share_of * (SIDE - 2 * way.corner[i])) for i in (0, 1))
            one = torch.zeros(SIDE, SIDE)
            one[y, x] = 1
            _, map = seen.original(one)
            rows, columns = torch.arange(size[1]) + 0.5, torch.arange(size[0]) + 0.5
            middle = [float((map.sum(0) * columns).sum() / map.sum()), float((map.sum(1) * rows).sum() / map.sum())]
            assert middle == pytest.approx(way.on_original((x + 0.5, y + 0.5)), abs=1)


def crossing() -> Scene:
    """A cat and a dog whose boxes lie on each other."""
    return scene((128, 128), (0, 1), 7, [(20, 20), (38, 40)])


def test_of_boxes_on_each_other_suppression_over_all_classes_leaves_the_surest() -> None:
    both = scope_of("yolo").explain(crossing().image, "hires_cam")
    assert {box.label for box in both.boxes if box} == {"cat", "dog"}
    for answer in ("listed", "agnostic"):
        scope = scope_of("yolo", answer)  # type: ignore[arg-type]
        heat = scope.explain(crossing().image, "hires_cam")
        (box,) = heat.boxes
        assert box is not None
        (row,) = [row for row, other in enumerate(both.boxes) if other and other.label == box.label]
        torch.testing.assert_close(heat.maps[0], both.maps[row], rtol=1e-4, atol=1e-6)
        lost = ({*NAMES} - {box.label}).pop()
        with pytest.warns(FeatureMapsWarning, match=f"found no '{lost}'"):
            scope.explain(crossing().image, "hires_cam", target=lost)


FACTORY = f"""
import sys
sys.path.insert(0, {str(Path(trained_detectors.__file__).parent)!r})
from trained_detectors import NAMES, trained, transform

def build():
    model = trained("yolo")
    model.answer = "rows"
    return model, transform(), NAMES
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command line explains and reports of two pictures."""
    folder = tmp_path_factory.mktemp("letterboxed")
    (folder / "build.py").write_text(FACTORY)
    paths = [str(folder / f"{name}.png") for name in ("wide", "tall")]
    for path, image in zip(paths, IMAGES[1:], strict=True):
        image.save(path)
    common = [*paths, "-m", f"{folder / 'build.py'}:build", "--method", "hires_cam"]
    for arguments in (
        ["explain", *common, "-o", str(folder / "out"), "--on", "original"],
        ["report", *common, "-o", str(folder / "report.html")],
    ):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
    return folder


def test_the_command_line_draws_boxes_on_the_original(written: Path) -> None:
    """The outermost pixels in the colour of a box's line are those of its corners, to within a pixel."""
    heat = scope_of("yolo").explain(IMAGES[1], "hires_cam")
    (box,) = heat.boxes
    assert box is not None
    (path,) = (written / "out").glob("wide*.png")
    size = IMAGES[1].size
    picture = np.asarray(Image.open(path).convert("RGB"))
    assert picture.shape[:2] == size[::-1]
    line = [int(BOX[i : i + 2], 16) for i in (1, 3, 5)]
    y, x = np.nonzero((picture == line).all(2))
    edges = Letterboxed(size).on_original(box.box)
    within = [min(max(edge, 0), size[i % 2]) for i, edge in enumerate(edges)]
    assert (x.min(), y.min(), x.max() + 1, y.max() + 1) == pytest.approx(within, abs=1)


def test_the_report_lays_its_input_on_the_original(written: Path) -> None:
    page = (written / "report.html").read_text()
    (payload,) = re.findall(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)[:1]
    sections = {one["kind"]: one for one in json.loads(payload)["sections"]}
    pairs = zip(sections["explanations"]["pictures"], sections["boxes"]["pictures"], IMAGES[1:], strict=True)
    for picture, boxes, image in pairs:
        way = Letterboxed(image.size)
        assert picture["placement"] == pytest.approx(way.on_original((0, 0, SIDE, SIDE)), abs=1)
        assert len(boxes["boxes"]) >= 1
        left, top, right, bottom = picture["placement"]
        for box in boxes["boxes"]:
            edges = [
                start + edge * length
                for edge, (start, length) in zip(
                    box["edges"], ((left, right - left), (top, bottom - top)) * 2, strict=True
                )
            ]
            assert edges == pytest.approx(way.on_original([edge * SIDE for edge in box["edges"]]), abs=1)
