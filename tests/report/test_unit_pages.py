"""A page for every unit: the data against slow definitions, and the pages in headless Chromium, opened from the disk."""

import json

import numpy as np
import pytest
from page_laws import check_every_look, violations
from PIL import Image
from survey_report_samples import COUNT, colour_survey

import featuremaps as fm
from featuremaps.errors import LayerNotFoundError, OptionError
from featuremaps.report.unit_pages import layer_facts, write_unit_pages


@pytest.fixture(scope="module")
def survey(tmp_path_factory) -> fm.Survey:
    return colour_survey(tmp_path_factory.mktemp("units"))


def data_of(folder, key="0-0.js") -> dict:
    text = (folder / "data" / key).read_text(encoding="utf-8")
    return json.loads(text.removeprefix("featuremapsUnits(").removesuffix(");\n"))


def test_every_unit_has_what_the_survey_knows(survey, tmp_path) -> None:
    write_unit_pages(survey, tmp_path, n=3, studied=survey.studied)
    content = data_of(tmp_path)
    assert [unit["channel"] for unit in content["units"]] == [0, 1, 2, 3]
    red = content["units"][0]
    expected = survey.top("1:0", 3)
    assert [one["row"] for one in red["top"]] == [one.row for one in expected]
    assert [one["value"] for one in red["top"]] == pytest.approx([one.value for one in expected], rel=1e-5)
    assert red["statistics"]["active"] == pytest.approx(survey.statistics("1")["active"][0])
    assert [name for name, _ in red["profile"]] == ["red", "green"]
    for one in red["top"]:
        with Image.open(tmp_path / content["pictures"][str(one["row"])]["source"]) as picture:
            assert picture.size == (24, 24)
        assert one["map"].startswith("data:image/png")


def test_profile_and_neighbours_are_the_plain_definitions(survey) -> None:
    found = layer_facts(survey, "1")
    vectors, labels = survey.vectors("1").astype(np.float64), survey.pictures.labels
    for label in (0, 1):
        assert found.profile[label] == pytest.approx(vectors[labels == label].mean(0), rel=1e-9)
    for channel in (0, 1, 3):
        for other, value in zip(found.nearest[channel], found.correlations[channel], strict=True):
            if not np.isnan(value):
                assert value == pytest.approx(np.corrcoef(vectors[:, channel], vectors[:, other])[0, 1], abs=1e-9)
    # Channel 2 never fires, and so is like nothing.
    assert np.isnan(found.correlations[2]).all()


def test_some_units_a_drawing_and_no_model(survey, tmp_path) -> None:
    bare = fm.open_survey(survey.path)
    write_unit_pages(bare, tmp_path, ["1:3"], n=2, drawings={"1:3": Image.new("RGB", (8, 8), "red")})
    (unit,) = data_of(tmp_path)["units"]
    assert unit["channel"] == 3
    assert (tmp_path / unit["drawing"]).is_file()
    assert [one["map"] for one in unit["top"]] == [None, None]


def test_a_wrong_unit_or_number_says_so(survey, tmp_path) -> None:
    with pytest.raises(LayerNotFoundError, match="channels 0 to 3; 9 was asked for"):
        write_unit_pages(survey, tmp_path, ["1:9"], studied=survey.studied)
    with pytest.raises(OptionError, match="1 or more; got 0"):
        write_unit_pages(survey, tmp_path, n=0, studied=survey.studied)


def test_tops_are_those_of_each_unit(survey) -> None:
    found = survey.tops("1", 4, by="mean", end="weakest")
    for channel in range(4):
        expected = survey.top(f"1:{channel}", 4, by="mean", end="weakest")
        assert found["row"][channel].tolist() == [one.row for one in expected]
        assert found["value"][channel].tolist() == [one.value for one in expected]


@pytest.mark.browser
def test_a_page_opens_by_its_address_from_the_disk(chromium, axe, survey, tmp_path) -> None:
    page = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "request", lambda request: None if request.url.startswith(("file:", "data:")) else errors.append(request.url)
    )
    path = write_unit_pages(survey, tmp_path, n=4, studied=survey.studied)
    page.goto(f"{path.as_uri()}#1-3")
    page.wait_for_selector('#report[data-ready="1:3"]')
    assert page.locator("h1").inner_text() == "1:3"
    assert page.locator(".unit-top .found").count() == 4
    assert page.locator(".unit-top img").first.evaluate("image => image.decode().then(() => image.naturalWidth)") == 24
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    page.get_by_role("button", name="Previous unit").click()
    page.wait_for_selector('#report[data-ready="1:2"]')
    assert page.locator(".warning").inner_text() == "This channel is above 0 in none of the pictures."
    page.goto(f"{path.as_uri()}#1-77")
    page.wait_for_selector('#report[data-ready="1:77"]')
    assert "There is no page for 1:77" in page.locator(".failure").inner_text()
    check_every_look(page, axe)
    page.goto(path.as_uri())
    page.wait_for_selector('#report[data-ready="1"]')
    bricks = page.locator(".wall .brick-note")
    assert [text.split("\n")[0] for text in bricks.all_inner_texts()] == ["1:0", "1:1", "1:2", "1:3"]
    assert "never active" in bricks.nth(2).inner_text()
    assert violations(page, axe) == []
    page.get_by_label("Highest in").select_option("green")
    page.get_by_label("Search the units").fill("1:9")
    assert bricks.count() == 0
    page.get_by_role("button", name="Clear the filter").click()
    page.get_by_label("Sort").select_option("seldom")
    assert bricks.first.inner_text().startswith("1:2")
    page.get_by_label("Search the units").fill("1:3")
    page.locator(".wall a").click()
    page.wait_for_selector('#report[data-ready="1:3"]')
    assert page.locator(".unit-near img").count() == page.locator(".unit-near li").count() > 0
    assert violations(page, axe) == []
    assert errors == []
    assert len(survey.pictures) == 2 * COUNT
    page.context.close()


def test_the_scope_writes_them_with_its_maps_and_drawings(survey, tmp_path) -> None:
    scope = fm.Scope(survey.studied.model, survey.studied.preprocessing.transform)
    drawings = scope.draw(["1:3"], size=8, steps=2)
    assert scope.unit_pages(survey, tmp_path, ["1:3"], n=2, drawings=drawings).name == "unit.html"
    assert [unit["channel"] for unit in data_of(tmp_path)["units"]] == [3]
