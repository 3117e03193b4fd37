"""Sections of a survey: what they hold, against slow definitions, and in headless Chromium."""

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect
from report_samples import sample_report
from survey_report_samples import COUNT, colour_model, colour_scope, colour_survey, write_world
from torchvision.transforms.functional import pil_to_tensor

import featuremaps as fm
from featuremaps.errors import SurveyError
from featuremaps.report.data import FailedSection
from featuremaps.report.survey_pictures import mask_uri
from featuremaps.report.survey_report import survey_report
from featuremaps.report.survey_sections import _of_every_kind, survey_sections
from featuremaps.survey.analysis.mistakes import Mistake, Mistakes

KINDS = ["specialists", "unit_pictures", "sums", "detectors", "mistakes"]


@pytest.fixture(scope="module")
def surveys(tmp_path_factory) -> tuple[fm.Survey, fm.Survey]:
    folder = tmp_path_factory.mktemp("surveys")
    return colour_survey(folder), colour_survey(folder, swapped=COUNT, seed=1, name="other")


@pytest.fixture(scope="module")
def sections(surveys):
    return survey_sections(surveys[0], {"swapped": surveys[1]}, name="here")


def test_the_questions_come_in_order(sections) -> None:
    assert [section.kind for section in sections] == KINDS
    assert all(section.title for section in sections)


def test_each_says_in_a_line_what_it_found(sections) -> None:
    """The line stands beside the heading of a part that is closed."""
    assert all(section.summary for section in sections)


def test_each_class_shows_its_own_channel_first(sections) -> None:
    classes = {one.label: one for one in sections[0].classes}
    assert classes["red"].channels[0].unit == "1:0"
    assert classes["green"].channels[0].unit == "1:1"
    shown = classes["green"].channels[0]
    # 14 green pictures and one red one that looks green; the strongest are the brightest.
    assert [one.name for one in shown.pictures] == [f"green/green{i}.png" for i in (13, 12, 11, 10)]
    assert "4 of these 4 are green" in shown.words
    assert shown.proven


def test_pictures_carry_the_part_the_unit_sees_and_its_map(surveys, sections) -> None:
    one = sections[0].classes[0].channels[0].pictures[0]
    assert one.part.size == (3, 3)
    maps = colour_scope().maps(surveys[0].pictures.paths[:1], "1")
    assert one.map.shape == maps.maps[0][1].shape


def test_the_weakest_of_a_class_is_the_one_that_was_missed(sections) -> None:
    units = {one.label: one for one in sections[1].units}
    last = list(units["red"].rows.values())[1][-1]
    assert last.name == "red/red00.png"
    assert "finds 92.9% (13 of 14" in units["red"].words


def test_sums_are_of_every_picture_in_order_of_class(surveys, sections) -> None:
    content = sections[2].to_json()
    names = [group["name"] for group in content["groups"]]
    place = names.index("red")
    (table,) = [rows for rows in content["datasets"].values() if "picture" in rows[0]]
    assert [row["class"] for row in table] == sorted(row["class"] for row in table)
    vectors = surveys[0].vectors("1", "mean", content["groups"][place]["channels"]).astype(float).sum(1)
    expected = dict(zip(surveys[0].pictures.names, vectors, strict=True))
    found = {row["picture"]: row[f"sum{place}"] for row in table}
    assert found == pytest.approx(expected, rel=1e-3)
    assert set(content["charts"]) == {f"{kind}-{g}" for kind in ("pictures", "values") for g in range(len(names))}


def test_a_detector_is_carried_to_the_other_domain_as_it_is(sections) -> None:
    place = next(number for number, one in enumerate(sections[3].detectors) if one.label == "red")
    content = sections[3].to_json()
    rows = content["datasets"]

    def marked(chart: str) -> list[float]:
        (layer,) = [one for one in content["charts"][chart]["layer"] if one["mark"]["type"] == "rule"]
        return [row["at"] for row in rows[layer["data"]["name"]]]

    def points(chart: str, rival: bool) -> dict[str, float]:
        layers = content["charts"][chart]["layer"]
        found = [one for one in layers if one["mark"]["type"] == "point" and ("shape" in one["encoding"]) == rival]
        return rows[found[0]["data"]["name"]][0]

    assert marked(f"scores-{place}-0")[0] == marked(f"scores-{place}-1")[0]
    here, there = points(f"roc-{place}-0", False), points(f"roc-{place}-1", False)
    assert (here["alarms"], here["recall"]) == pytest.approx((0.0, 13 / 14), abs=1e-4)
    # Every red picture looks green there.
    assert there["recall"] == 0.0
    assert points(f"roc-{place}-1", True)["recall"] == 0.0
    assert "finds 0.0% (0 of 14" in content["detectors"][place]["domains"][1]["words"]


def test_the_mistakes_name_whose_channels_were_louder(sections) -> None:
    content = sections[4].to_json()
    assert np.array(content["counts"]).sum() == 2 * COUNT
    (mistake,) = content["mistakes"]
    assert (mistake["truth"], mistake["predicted"], mistake["louder"]) == ("red", "green", "green")


def test_without_labels_channels_that_stand_out_are_shown(tmp_path) -> None:
    survey = colour_survey(tmp_path)
    bare = colour_scope().survey(
        [str(path) for path in survey.pictures.paths], "1", tmp_path / "bare", workers=0, predictions=True
    )
    (section,) = survey_sections(bare)
    assert section.kind == "unit_pictures"
    # Each colour stands out in half of the pictures, brightness in none, and channel 2 never fires.
    assert {unit.unit for unit in section.units[:2]} <= {"1:0", "1:1", "1:3"}
    assert section.units[-1].unit == "1:2"
    assert [len(row) for row in section.units[0].rows.values()] == [6, 6]
    assert "have no labels" in section.caption
    report = survey_report(bare)
    assert "without labels" in report.findings[0]
    assert [card.section for card in report.first.cards] == [section.title]
    assert not report.first.panels


def test_without_the_model_pictures_have_no_maps(surveys) -> None:
    found = survey_sections(fm.open_survey(surveys[0].path))
    assert [section.kind for section in found] == KINDS
    assert found[0].classes[0].channels[0].pictures[0].map is None


def test_a_mask_is_opaque_at_the_peak_and_clear_where_silent() -> None:
    from base64 import b64decode
    from io import BytesIO

    from PIL import Image

    uri = mask_uri(torch.tensor([[0.0, 1.0], [-3.0, 4.0]]))
    opacity = np.asarray(Image.open(BytesIO(b64decode(uri.split(",")[1]))).convert("LA"))[..., 1]
    assert opacity.tolist() == [[0, 64], [0, 255]]
    assert mask_uri(torch.zeros(2, 2)) != uri


def test_the_report_of_a_survey_alone(surveys, tmp_path) -> None:
    path = colour_scope().report_survey(surveys[0], tmp_path / "r.html", carry_to={"swapped": surveys[1]})
    text = path.read_text(encoding="utf-8")
    assert all(f'"kind":"{kind}"' in text for kind in KINDS)
    assert "was surveyed over 28 pictures of 2 classes" in text


def another_scope() -> fm.Scope:
    model = colour_model()
    with torch.no_grad():
        model[0].weight[0, 0] = 2.0
    return fm.Scope(model, classes=["red", "green"], name="others")


def test_another_models_maps_are_not_shown_beside_a_surveys_numbers(surveys, tmp_path) -> None:
    other = another_scope()
    asking = {
        "report_survey": lambda: other.report_survey(surveys[0], tmp_path / "r.html"),
        "report": lambda: other.report(Image.new("RGB", (32, 32)), tmp_path / "r.html", survey=surveys[0]),
        "unit_pages": lambda: other.unit_pages(surveys[0], tmp_path / "pages"),
    }
    for name, ask in asking.items():
        with pytest.raises(SurveyError, match="another model than the one given"):
            ask()
        assert not list(tmp_path.rglob("*.html")), name


def test_detectors_are_not_carried_to_a_survey_of_another_model(surveys, tmp_path) -> None:
    other = another_scope().survey(write_world(tmp_path / "world"), "1", tmp_path / "other", workers=0)
    with pytest.raises(SurveyError, match="survey 'there' is of another model, whose channels mean other things"):
        survey_sections(surveys[0], {"there": other})


def test_other_preprocessing_is_said(surveys, tmp_path) -> None:
    darker = fm.Scope(colour_model(), transform=lambda image: pil_to_tensor(image) / 512, classes=["red", "green"])
    other = darker.survey(write_world(tmp_path / "world"), "1", tmp_path / "other", workers=0, predictions=True)
    with pytest.warns(fm.FeatureMapsWarning, match="survey 'there' was made with other preprocessing"):
        survey_sections(surveys[0], {"there": other})


def test_a_report_on_pictures_asks_a_survey_too_and_carries_its_detectors_over(surveys, tmp_path) -> None:
    picture = Image.new("RGB", (32, 32), "red")
    options = {"survey": surveys[0], "carry_to": {"swapped": surveys[1]}, "anatomy": False}
    path = colour_scope().report(picture, tmp_path / "r.html", methods="grad_cam", **options)
    text = path.read_text(encoding="utf-8")
    assert all(f'"kind":"{kind}"' in text for kind in [*KINDS, "explanations"])
    assert '"name":"swapped"' in text


def test_the_command_line_reports_a_survey_without_pictures(surveys, tmp_path) -> None:
    from typer.testing import CliRunner

    from featuremaps.cli import app

    folder, other = (str(survey.path) for survey in surveys)
    out = tmp_path / "r.html"
    found = CliRunner().invoke(app, ["report", "--survey", folder, "--carry", f"swapped={other}", "-o", str(out)])
    assert found.exit_code == 0, found.output
    assert '"name":"swapped"' in out.read_text(encoding="utf-8")
    wrong = [["report"], ["report", "--survey", folder, "--carry", "swapped"], ["report", "--carry", f"a={other}"]]
    says = ["nothing to report", "write NAME=FOLDER", "give the first, --survey"]
    for arguments, message in zip(wrong, says, strict=True):
        assert message in str(CliRunner().invoke(app, arguments).exception)


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_a_reader_points_clicks_and_reads(visit, sections, width: int) -> None:
    page = visit(sample_report(sections=sections), width=width).page
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert page.locator("img:not([alt])").count() == 0
    expect(page.locator(".detectors figure.chart svg")).to_have_count(8)
    chart = page.locator(".sums figure.chart").first
    chart.focus()
    page.keyboard.press("Home")
    assert "picture green/green00.png, class green" in chart.get_attribute("aria-valuetext")
    page.keyboard.press("End")
    assert "picture red/red13.png, class red" in chart.get_attribute("aria-valuetext")
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 16, box["y"] + 130)
    expect(page.locator("#vg-tooltip-element.visible")).to_contain_text("red/red")
    page.locator(".sums label", has_text="Distributions").click()
    expect(page.locator(".sums figure.chart .mark-area path")).to_have_count(4)
    assert page.locator(".mistake").count() == 1
    cell = page.get_by_role("button", name="red called green: 1")
    cell.click()
    assert cell.get_attribute("aria-pressed") == "true"
    assert "red called green" in page.locator(".mistakes [role=status]").inner_text()
    cell.click()
    assert "most certain first" in page.locator(".mistakes [role=status]").inner_text()


def test_the_data_of_a_survey_report(surveys) -> None:
    report = survey_report(surveys[0], {"swapped": surveys[1]}, title="Mine")
    assert report.title == "Mine"
    assert report.findings[-1] == "What was found is carried over to swapped."


def test_a_part_that_cannot_be_made_says_why(tmp_path) -> None:
    survey = colour_survey(tmp_path)
    bare = colour_scope().survey(
        [(str(path), 0) for path in survey.pictures.paths], "1", tmp_path / "bare", labels=["red"], workers=0
    )
    found = survey_sections(bare)
    assert all(isinstance(section, FailedSection) for section in found[:4])
    assert "only 'red' has pictures" in found[0].message


def test_every_confusion_has_a_picture_before_one_has_two() -> None:
    kinds = ["ab"] * 5 + ["ba", "ac"]
    every = tuple(Mistake(row, str(row), *kind, 1 - row / 10) for row, kind in enumerate(kinds))
    assert [one.row for one in _of_every_kind(Mistakes(every, 10, lambda row: Image.new("RGB", (8, 8))), 4)] == [
        0,
        1,
        5,
        6,
    ]


def test_classes_that_are_not_shown_are_counted(tmp_path) -> None:
    world = write_world(tmp_path / "world")
    for number in range(8):
        (world / f"other{number}").mkdir()
        Image.new("RGB", (24, 24), (0, 0, 20 * number)).save(world / f"other{number}" / "a.png")
    survey = colour_scope().survey(world, "1", tmp_path / "many", workers=0, predictions=True)
    sections = survey_sections(survey)
    assert [len(part.classes) for part in sections[:1]] == [6]
    for part, shown in zip(sections[:4], (6, 3, 6, 6), strict=True):
        assert f"Shown are {shown} of 10 classes" in part.caption
    assert "Shown are" not in survey_sections(colour_survey(tmp_path))[0].caption


def test_outputs_that_had_no_names_have_those_of_the_model_that_opens_the_survey(tmp_path) -> None:
    world = write_world(tmp_path / "world", swapped=1)
    unnamed = fm.Scope(colour_model()).survey(world, "1", tmp_path / "survey", workers=0, predictions=True)
    with pytest.raises(SurveyError, match="outputs have no names"):
        unnamed.confusion()
    assert colour_scope().open_survey(unnamed.path).confusion().worst(1) == (("red", "green", 1),)
    # Names that it was made with stay.
    named = colour_survey(tmp_path)
    other = fm.Scope(colour_model(), classes=["a", "b"]).open_survey(named.path)
    assert other.model_classes == ("red", "green")
