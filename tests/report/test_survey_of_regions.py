"""The report and the unit pages of surveys that count boxes or regions say so, and frame what counts."""

import json
from pathlib import Path

import pytest
from PIL import Image
from region_samples import CLASSES, BoxedDetector, Segmenter, scope_of, write_scenes

import featuremaps as fm
from featuremaps.errors import SurveyError
from featuremaps.report.survey_report import survey_report


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> fm.Survey:
    folder = tmp_path_factory.mktemp("boxes")
    write_scenes(folder / "pictures", 24)
    return scope_of(BoxedDetector()).survey(folder / "pictures", "fine", folder / "out", workers=0)


def test_a_report_of_boxes_says_what_counts(boxes: fm.Survey) -> None:
    made = survey_report(boxes)
    assert made.title == "What BoxedDetector does over 24 boxes in 24 pictures"
    assert made.findings[0].startswith(
        "BoxedDetector was surveyed over 24 boxes in 24 pictures by the 2 classes that it gives them: fine"
    )
    assert [section.title for section in made.sections] == [
        "Which channels each class uses",
        "Does one channel find its object in every picture?",
        "Are a class's channels its own?",
    ]
    assert not any("failure" in section.to_json() for section in made.sections)
    specialists, units, sums = made.sections
    assert [each.label for each in specialists.classes] == ["cat", "dog", "elsewhere"]
    cat = specialists.classes[0]
    assert cat.channels[0].unit == "fine:0"
    assert cat.channels[0].words.endswith("4 of these 4 are cat")
    assert "separate its 12 boxes from all others" in cat.words
    assert "each box that the model finds with a score of 0.5 or more" in specialists.caption
    assert "not the truth" in specialists.caption
    assert "finds 100.0% (12 of 12" in units.units[0].words
    assert "of the boxes of cat" in units.units[0].words
    assert sums.to_json()["rows"] == "regions"
    assert sums.sums.areas[0].value == 1.0


def test_the_boxes_are_cut_out_and_framed(boxes: fm.Survey) -> None:
    (first,) = boxes.top_pictures("fine:0", 1, label="cat", maps=True)
    row = first.row
    assert first.box == tuple(boxes.regions.boxes[row].round().tolist())
    assert first.crop.size == (8, 8)
    assert first.map is not None
    assert first.map.shape == (8, 8)
    spread = boxes.top_pictures("fine:0", 4, "spread", label="elsewhere")
    assert all(picture.whole and picture.doubt is None for picture in spread)
    assert repr(spread).startswith(
        "<TopPictures of fine:0: 4 spread from the strongest to the weakest, of 24 pictures of"
    )
    assert repr(boxes.top_pictures("fine:0", 2)).startswith("<TopPictures of fine:0: 2 strongest of 48 regions")
    bare = fm.open_survey(boxes.path).top_pictures("fine:0", 1)
    assert bare[0].box is None  # where it lies in the original is known with the model


def test_carrying_over_is_refused(boxes: fm.Survey) -> None:
    with pytest.raises(SurveyError, match="carrying over to other surveys is about whole pictures"):
        survey_report(boxes, {"other": boxes})


def test_unit_pages_frame_the_region_in_a_picture_of_any_size(tmp_path: Path) -> None:
    paths, scope = write_scenes(tmp_path / "pictures", 5), scope_of(Segmenter(), CLASSES)
    with Image.open(paths[4]) as image:
        low = image.crop((0, 0, 64, 48))
    low.save(paths[4])
    survey = scope.survey(tmp_path / "pictures", "stem", tmp_path / "out", workers=0)
    scope.unit_pages(survey, tmp_path / "pages", ["stem:0"], n=4)
    text = (tmp_path / "pages" / "data" / "0-0.js").read_text(encoding="utf-8")
    content = json.loads(text.removeprefix("featuremapsUnits(").removesuffix(");\n"))
    assert '"rows":"regions"' in (tmp_path / "pages" / "unit.html").read_text(encoding="utf-8")
    shown = content["units"][0]["top"]
    assert {survey.classes[survey.pictures.labels[one["row"]]] for one in shown[:2]} == {"red"}
    for one in shown:
        left, top, right, bottom = survey.regions.boxes[one["row"]]
        height = 48 if survey.pictures.numbers[one["row"]] == 4 else 64
        expected = [left / 64, top / height, right / 64, bottom / height]
        assert one["box"] == (None if expected == [0, 0, 1, 1] else pytest.approx(expected, abs=1e-5))
