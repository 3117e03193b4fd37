"""A file of COCO's annotations where pictures, labels or masks are asked for."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import featuremaps as fm
from featuremaps.cli.app import app
from featuremaps.errors import ImageError, OptionError, SurveyError
from featuremaps.evidence.masks import masks_of
from featuremaps.pictures.coco import annotated_pictures
from featuremaps.survey.datasets import examples_of

SIZE = (48, 32)


def write(folder: Path, name: str = "instances_some.json", **changes: Any) -> Path:
    """Three pictures: a cat, a cat and a dog, nothing."""
    content: dict[str, Any] = {
        "images": [{"id": 10 + i, "file_name": f"{i}.png", "width": SIZE[0], "height": SIZE[1]} for i in range(3)],
        "annotations": [
            {"image_id": 10, "category_id": 7, "bbox": [4, 6, 10, 8]},
            {"image_id": 11, "category_id": 3, "bbox": [0, 0, 8, 8]},
            {"image_id": 11, "category_id": 7, "bbox": [20.0, 10.0, 6.0, 5.0]},
        ],
        "categories": [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog"}],
    }
    path = folder / name
    path.write_text(json.dumps(content | changes))
    return path


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, random = tmp_path_factory.mktemp("coco"), np.random.default_rng(0)
    (folder / "images" / "some").mkdir(parents=True)
    for number in range(3):
        image = Image.fromarray(random.integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8))
        image.save(folder / "images" / "some" / f"{number}.png")
    (folder / "annotations").mkdir()
    return write(folder / "annotations")


def test_each_picture_has_the_classes_and_boxes_of_its_things(coco: Path) -> None:
    pictures, names = annotated_pictures(coco)
    assert names == ("dog", "cat")
    assert [each.path.name for each in pictures] == ["0.png", "1.png", "2.png"]
    assert [each.labels for each in pictures] == [("cat",), ("dog", "cat"), ()]
    assert pictures[1].boxes == ((0, 0, 8, 8), (20, 10, 26, 15))


def test_where_pictures_are_asked_for_it_names_them(coco: Path) -> None:
    scope = fm.load("demo")
    assert [seen.picture.name for seen in scope.see(coco).seen] == ["0.png", "1.png", "2.png"]
    assert len(scope.explain(str(coco))) == 3


def test_a_survey_reads_the_classes_of_all_things_as_several_labels(coco: Path) -> None:
    plain, labelled = examples_of(coco), examples_of(coco, several=True)
    assert [plain[i].label for i in range(3)] == [None] * 3
    assert tuple(labelled.classes or ()) == ("dog", "cat")
    assert [labelled.read(i).labels for i in range(3)] == [(1,), (0, 1), ()]
    assert [examples_of(coco, several=True, classes=("cat", "dog")).read(i).labels for i in range(2)] == [(0,), (0, 1)]


def test_boxes_are_masks(coco: Path) -> None:
    scope = fm.Scope(torch.nn.Conv2d(3, 2, 3), fm.preprocess(size=(SIZE[1], SIZE[0])))
    seen = scope.see(coco).seen[:2]
    first, second = torch.zeros(2, SIZE[1], SIZE[0], dtype=torch.bool)
    first[6:14, 4:14] = True
    second[0:8, 0:8] = second[10:15, 20:26] = True
    things = [{"bbox": [0, 0, 8, 8]}, {"bbox": [20, 10, 6, 5]}]
    in_dicts = [{"bbox": [4, 6, 10, 8]}, {"boxes": torch.tensor([[0, 0, 8, 8], [20, 10, 26, 15]])}]
    for given in (coco, [(4, 6, 14, 14), [(0, 0, 8, 8), (20, 10, 26, 15)]], [[(4, 6, 14, 14)], things], in_dicts):
        found = masks_of(given, seen)
        assert torch.equal(found[0], first)
        assert torch.equal(found[1], second)
    with pytest.raises(OptionError, match=r"has no box in '2\.png' \(1 of 3 pictures have none\)"):
        masks_of(coco, scope.see(coco).seen)


def test_a_trial_takes_it_for_masks(coco: Path, tmp_path: Path) -> None:
    folder = coco.parent.parent / "images" / "some"
    pictures = [str(folder / f"{number}.png") for number in range(2)]
    arguments = ["trial", *pictures, "-m", "demo", "--method", "grad_cam", "--measure", "pointing_game"]
    result = CliRunner().invoke(app, [*arguments, "--masks", str(coco), "-o", str(tmp_path / "trial")])
    assert result.exit_code == 0, result.output


def test_what_is_no_annotation_is_said(coco: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("[1, 2]")
    for call, error in ((lambda: fm.load("demo").see(other), ImageError), (lambda: examples_of(other), SurveyError)):
        with pytest.raises(error, match="no annotations as COCO has them"):
            call()
    with pytest.raises(ImageError, match=r"were not found: 0\.png lies in none of"):
        annotated_pictures(write(tmp_path))
    with pytest.raises(ImageError, match="of category 7, which is not among"):
        annotated_pictures(write(coco.parent, "wrong.json", categories=[]))
    with pytest.raises(ImageError, match="one of its images has no 'file_name'"):
        annotated_pictures(write(coco.parent, "wrong.json", images=[{"id": 1}]))
    other.write_text("{")
    with pytest.raises(ImageError, match="cannot be read as JSON"):
        annotated_pictures(other)
