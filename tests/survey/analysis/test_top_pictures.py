"""A unit's pictures: which they are, beside sorting; where they look, beside projecting; and what the figure shows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from survey_samples import survey_of, write_pictures
from tiny_surveys import survey_of_scope

from featuremaps.errors import LayerNotFoundError, OptionError, SurveyError
from featuremaps.models.studied_model import StudiedModel
from featuremaps.projection.projections import PixelBox
from featuremaps.survey.analysis.top_pictures import TopPicture, TopPictures, top_pictures
from featuremaps.survey.figures.top_pictures import FRAME, framed
from featuremaps.survey.survey import Survey, open_survey
from map_samples import real_scope, texts
from method_samples import unchecked
from snapshots import snapshot

LAYER = "features.5"


@pytest.fixture(scope="module")
def photographs(shared: Path) -> list[Path]:
    return sorted((shared / "images" / "imagenet").glob("*.jpg"))[:20]


@pytest.fixture(scope="module")
def survey(shared: Path, photographs: list[Path]) -> Survey:
    return survey_of_scope(real_scope(shared), photographs, [LAYER], [0] * 10 + [1] * 9 + [-1], classes=("a", "b", "c"))


@pytest.fixture(scope="module")
def studied(shared: Path) -> StudiedModel:
    scope = real_scope(shared)
    return StudiedModel(scope.model, scope.preprocessing)


@pytest.mark.parametrize("n", [3, 9, 50])
def test_strongest_and_weakest_beside_sorting(survey: Survey, n: int) -> None:
    """Both where the survey's short list is enough (it keeps 5) and where it is not."""
    values = survey.vectors(LAYER, "max")[:, 17]
    order = sorted(range(20), key=lambda row: (-values[row], row))
    strongest = top_pictures(survey, f"{LAYER}:17", n)
    assert [one.row for one in strongest] == order[:n]
    assert [one.value for one in strongest] == [float(values[row]) for row in order[:n]]
    weakest = top_pictures(survey, f"{LAYER}:17", n, "weakest")
    assert [one.row for one in weakest] == sorted(range(20), key=lambda row: (values[row], row))[:n]


def test_spread_goes_evenly_from_strongest_to_weakest(survey: Survey) -> None:
    values = survey.vectors(LAYER, "max")[:, 17]
    order = sorted(range(20), key=lambda row: (-values[row], row))
    found = top_pictures(survey, f"{LAYER}:17", 5, "spread")
    assert [one.row for one in found] == [order[rank] for rank in (0, 5, 10, 14, 19)]
    assert len(top_pictures(survey, f"{LAYER}:17", 99, "spread")) == 20
    assert [one.row for one in top_pictures(survey, f"{LAYER}:17", 1, "spread")] == order[:1]


def test_of_one_class(survey: Survey) -> None:
    values = survey.vectors(LAYER, "max")[:, 3]
    found = top_pictures(survey, f"{LAYER}:3", 4, label="b")
    assert [one.row for one in found] == sorted(range(10, 19), key=lambda row: -values[row])[:4]
    assert (found.of, found.label) == (9, "b")
    assert {one.label for one in found} == {"b"}
    assert "4 strongest of 9 pictures of b" in texts(found.figure())
    with pytest.raises(SurveyError, match="class 'c' has no pictures, so a unit has none to show there"):
        top_pictures(survey, f"{LAYER}:3", label="c")


def test_places_and_crops_are_those_of_projecting(
    survey: Survey, studied: StudiedModel, shared: Path, photographs: list[Path]
) -> None:
    """With the model every picture has its place; without, those the survey kept; both are where projecting looks."""
    (expected,) = real_scope(shared).project(photographs, f"{LAYER}:17", most=8).units
    survey = replace(survey, studied=studied)
    run = top_pictures(survey, f"{LAYER}:17", 8, maps=True)
    kept = top_pictures(survey, f"{LAYER}:17", 5)
    for found in (run, kept):
        for one, projected in zip(found, expected, strict=False):
            assert one.name == projected.seen.picture.name
            assert one.place == projected.place
            assert one.box == projected.original_box
            assert np.array_equal(np.asarray(one.crop), np.asarray(projected.patch))
            assert one.value == pytest.approx(projected.value, rel=1e-3)  # the survey keeps float16
    assert all(one.map is not None and float(one.map.max()) == pytest.approx(one.value, rel=1e-3) for one in run)
    assert [one.map for one in kept] == [None] * 5


def test_without_model_and_preprocessing_the_whole_pictures_are_shown(survey: Survey) -> None:
    found = top_pictures(survey, f"{LAYER}:17", 7)
    assert all(one.box is None and one.whole for one in found)
    assert found[0].crop is found[0].image
    assert [one.place is None for one in found] == [False] * 5 + [True] * 2
    assert all(one.place is not None for one in top_pictures(survey, f"{LAYER}:17", 5))
    written = texts(found.figure())
    assert "what it sees" not in written
    assert "whole picture\n(where it looks in it is not\nknown)" in written
    unplaced = texts(replace(found, pictures=found[5:]).figure())
    assert "whole picture\n(its place was not kept;\nmaps=True finds it)" in unplaced
    assert "2 shown whole: where the unit looks was not kept; maps=True finds it" in repr(found)
    placed = top_pictures(survey, f"{LAYER}:17", 5)
    assert "whole picture\n(where it looks in it is not\nknown)" in texts(placed.figure())
    assert "shown whole" not in repr(placed)


def test_every_place_that_was_kept_is_used(tmp_path: Path) -> None:
    """At both ends of the survey's list, however few pictures are asked for; what it does not know it says."""
    write_pictures(tmp_path / "pictures", {"a": 6, "b": 6})
    survey = survey_of(tmp_path / "pictures", tmp_path / "out", "1", keep=4)
    kept = {one.row: (one.y, one.x) for end in ("strongest", "weakest") for one in survey.top("1:2", 4, end=end)}
    assert len(kept) == 8
    for found in (survey.top_pictures("1:2", 3, "spread"), survey.top_pictures("1:2", 2, "weakest", label="b")):
        assert {one.row: one.place for one in found} == {one.row: kept.get(one.row) for one in found}
    assert [one.row for one in survey.top_pictures("1:2", 4)] == [one.row for one in survey.top("1:2", 4)]
    found = survey.top_pictures("1:2", 12)
    assert sum(one.place is None for one in found) == 4
    assert [one.box is None for one in found] == [one.place is None for one in found]
    drawn = found.figure()
    assert " ".join(texts(drawn).split()).count("⚠ its place was not kept; maps=True finds it") == 4
    assert "its map" not in texts(drawn)
    assert len(found.save(tmp_path / "saved")) == 12 + 8
    assert "its map,\nover what the model saw" in texts(survey.top_pictures("1:2", 12, maps=True).figure())


def test_a_field_that_covers_the_picture_needs_no_place(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", {"a": 3})
    found = survey_of(tmp_path / "pictures", tmp_path / "out", "4", keep=1).top_pictures("4:2", 3)
    assert [one.box for one in found] == [(0, 0, 16, 16)] * 3
    written = texts(found.figure())
    assert "whole picture\n(its field covers it)" in written
    assert "what it sees" not in written


def test_maps_need_the_model(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", {"a": 3})
    survey_of(tmp_path / "pictures", tmp_path / "out", "1")
    with pytest.raises(OptionError, match=r"opened without it. Open it with its model: scope.open_survey\('.*out'\)"):
        open_survey(tmp_path / "out").top_pictures("1:2", 2, maps=True)


def test_the_figure_has_crops_wholes_and_maps(survey: Survey, studied: StudiedModel, tmp_path: Path) -> None:
    found = top_pictures(replace(survey, studied=studied), f"{LAYER}:17", 2, maps=True)
    written = texts(found.figure())
    for words in ("what it sees", "where", "its map", "activation", "the 2 strongest of 20 pictures"):
        assert words in written
    files = found.save(tmp_path)
    assert len(files) == 6
    with Image.open(files[0]) as crop, Image.open(files[1]) as framed:
        size, whole = crop.size, np.asarray(framed)
    left, top, right, bottom = found[0].box or (0, 0, 0, 0)
    assert size == (right - left, bottom - top)
    yellow = (np.abs(whole.astype(int) - (255, 196, 0)).sum(2) == 0).nonzero()
    assert (yellow[0].min() - top, yellow[1].min() - left) == (1, 1)
    assert (bottom - yellow[0].max(), right - yellow[1].max()) == (2, 2)
    assert np.load(files[2]).shape == (55, 55)
    assert found._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("size", [(3000, 160), (32, 32), (9000, 3), (2, 40), (1, 300)])
@pytest.mark.parametrize("corner", [(0.0, 0.0), (0.6, 0.4), (1.0, 1.0)])
def test_a_frame_of_one_pixel_is_seen(size: tuple[int, int], corner: tuple[float, float], tmp_path: Path) -> None:
    left, top = (round(share * (edge - 1)) for share, edge in zip(corner, size, strict=True))
    one = TopPicture(0, "long.png", "", 1.0, Image.new("RGB", size), (0, 0), PixelBox(left, top, left + 1, top + 1))
    for drawn, side in ((framed(one.image, one.frame), None), (framed(one.image, one.frame, 256), 256)):
        yellow = (np.asarray(drawn) == FRAME).all(2)
        assert yellow.sum() >= min(8, max(drawn.size))
        scale = 1.0 if side is None else side / max(size)
        rows, columns = yellow.nonzero()
        reach = 5 + max(drawn.size) / 45
        assert abs((rows.min() + rows.max()) / 2 - (top + 0.5) * scale) <= reach
        assert abs((columns.min() + columns.max()) / 2 - (left + 0.5) * scale) <= reach
    found = TopPictures((one,), "conv:0", "strongest", 1)
    assert "where" in texts(found.figure())
    assert len(found.save(tmp_path)) == 2


def test_the_model_comes_back(survey: Survey, studied: StudiedModel) -> None:
    inputs = studied.blank()
    before = snapshot(studied.model, inputs)
    top_pictures(replace(survey, studied=studied), f"{LAYER}:1", 2, maps=True)
    assert before.differences(snapshot(studied.model, inputs)) == []


def test_what_cannot_be_shown(survey: Survey) -> None:
    with pytest.raises(LayerNotFoundError, match=r"features\.5 has channels 0 to 255; 256 was asked for"):
        top_pictures(survey, f"{LAYER}:256")
    with pytest.raises(
        LayerNotFoundError, match=r"survey 'made' has no layer 'features\.6'\. Did you mean 'features\.5'"
    ):
        top_pictures(survey, "features.6:1")
    with pytest.raises(LayerNotFoundError, match=r"'features\.5' is a layer, and a unit is one channel of it"):
        top_pictures(survey, LAYER)
    with unchecked(), pytest.raises(OptionError, match=r"a unit is a layer and a channel of it, 'features.5:0'; got 3"):
        top_pictures(survey, 3)  # type: ignore[arg-type]
    with unchecked(), pytest.raises(OptionError, match=r"a class is given by its name or its number; got 1.0"):
        top_pictures(survey, f"{LAYER}:1", label=1.0)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="n is how many pictures are shown, 1 or more; got 0"):
        top_pictures(survey, f"{LAYER}:1", 0)
    with unchecked(), pytest.raises(OptionError, match=r"which='strong' is not known; .* Did you mean 'strongest'"):
        top_pictures(survey, f"{LAYER}:1", which="strong")  # type: ignore[arg-type]
