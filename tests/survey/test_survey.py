"""What can be asked of a survey on disk, and that anyone can read its tables."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from survey_samples import survey_of, write_pictures

from featuremaps.errors import FeatureMapsWarning, ImageError, LayerNotFoundError, OptionError, SurveyError
from featuremaps.survey.survey import Survey, open_survey


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    home = tmp_path_factory.mktemp("survey")
    paths = write_pictures(home / "pictures", {"a": 5, "b": 6})
    paths[3].write_bytes(b"")
    with pytest.warns(FeatureMapsWarning, match="1 of 11 pictures were left out"):
        return survey_of(home / "pictures", home / "out")


def test_it_says_what_it_is(survey: Survey) -> None:
    assert repr(survey) == "<Survey of Sequential: 10 pictures and 1 bad, 2 classes; 1 (4 channels), 3 (6 channels)>"
    assert survey.layers["3"].receptive_field == (7.0, 7.0)
    assert len(survey.pictures) == 10


def test_a_picture_is_opened_again(survey: Survey) -> None:
    home = survey.path.parent / "pictures"
    assert np.array_equal(survey.picture(3), Image.open(home / "a/4.png"))
    again = open_survey(survey.path)
    assert np.array_equal(again.picture(9), Image.open(home / "b/5.png"))
    with pytest.raises(SurveyError, match="the dataset has 6 pictures, and the survey was made of 11: it is another"):
        open_survey(survey.path, home / "b").picture(0)


def test_pictures_without_files(tmp_path: Path) -> None:
    images = [Image.new("RGB", (16, 16), (10 * i, 0, 0)) for i in range(4)]
    survey = survey_of(images, tmp_path / "out")
    assert survey.picture(2).getpixel((0, 0)) == (20, 0, 0)
    with pytest.raises(ImageError, match="picture 2 has no file of its own. Open the survey with the dataset"):
        open_survey(tmp_path / "out").picture(2)
    tensors = survey_of(torch.rand(4, 3, 16, 16), tmp_path / "tensors")
    assert tensors.picture(1).size == (16, 16)  # what the model saw
    with pytest.raises(
        ImageError, match=r"picture 1 was given already preprocessed.*scope\.open_survey\(path, dataset"
    ):
        open_survey(tmp_path / "tensors", torch.rand(4, 3, 16, 16)).picture(1)


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda s: s.vectors("4"), LayerNotFoundError, "survey '.*' has no layer '4'. It has 1, 3."),
        (lambda s: s.vectors("3", "median"), OptionError, "pool='median' is not known; choose 'mean' or 'max'"),
        (lambda s: s.vectors("3", channels=[6]), LayerNotFoundError, "3 has channels 0 to 5; 6 was asked for"),
        (lambda s: s.top("3"), LayerNotFoundError, "'3' is a layer, and a unit is one channel of it: '3:0'"),
        (lambda s: s.top("3:9"), LayerNotFoundError, "3 has channels 0 to 5; 9 was asked for"),
        (lambda s: s.top("3:0", 6), OptionError, "keeps the 5 strongest and weakest pictures of a unit; 6 were asked"),
    ],
)
def test_errors(survey: Survey, ask: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ask(survey)


def read_with(library: ModuleType, path: Path) -> dict[str, list[Any]]:
    if library.__name__ == "duckdb":
        table = library.sql(f"select * from read_parquet('{path}')").fetchnumpy()
        return {name: [None if np.ma.is_masked(cell) else cell for cell in column] for name, column in table.items()}
    frame = library.read_parquet(path)
    return {name: list(frame[name]) for name in frame.columns}


@pytest.mark.parametrize("name", ["pandas", "polars", "duckdb"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_tables_are_anyones(survey: Survey, name: str) -> None:
    library = pytest.importorskip(name)
    pictures = read_with(library, survey.path / "pictures.parquet")
    assert [str(one) for one in pictures["name"]][:2] == ["a/0.png", "a/1.png"]
    assert [str(one) for one in pictures["label_name"]] == ["a"] * 5 + ["b"] * 6
    vectors = read_with(library, survey.path / "vectors/3/mean/00002.parquet")
    assert list(vectors) == ["picture", "0", "1", "2", "3", "4", "5"]
    np.testing.assert_array_equal(np.array(vectors["2"], np.float32), survey.vectors("3")[7:, 2])
    top = read_with(library, survey.path / "top.parquet")
    rows = [
        i
        for i in range(len(top["rank"]))
        if (top["layer"][i], top["by"][i], top["end"][i]) == ("3", "max", "strongest")
    ]
    values = [float(top["value"][i]) for i in rows if top["channel"][i] == 1]
    assert values == [one.value for one in survey.top("3:1", 5)]
    channels = read_with(library, survey.path / "channels.parquet")
    assert [int(channel) for channel in channels["channel"]] == [0, 1, 2, 3, 0, 1, 2, 3, 4, 5]
    classes = read_with(library, survey.path / "classes.parquet")
    assert sum(int(count) for count in classes["count"]) == 10 * 10  # pictures times channels
    predictions = read_with(library, survey.path / "predictions/00000.parquet")
    assert [int(one) for one in predictions["predicted"]] == survey.predictions().indices[:3].tolist()


def test_class_sums_are_of_the_vectors(survey: Survey) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(survey.path / "classes.parquet").to_pylist()
    for row in table:
        own = survey.pictures.labels == row["label"]
        means = survey.vectors(row["layer"])[own, row["channel"]].astype(float)
        assert row["count"] == own.sum()
        assert row["sum"] == pytest.approx(means.sum())
        assert row["sum_of_squares"] == pytest.approx((means**2).sum())
        assert row["max"] == survey.vectors(row["layer"], "max")[own, row["channel"]].max()


def test_every_file_and_column_is_documented(survey: Survey) -> None:
    import pyarrow.parquet as pq

    text = (Path(__file__).parents[2] / "docs/survey-schema.md").read_text()
    for path in survey.path.rglob("*.parquet"):
        part = path.relative_to(survey.path).parts
        assert f"`{'/'.join(part) if len(part) == 1 else part[0] + '/'}" in text, path
        if part[0] not in ("vectors", "partial"):
            missing = [name for name in pq.read_schema(path).names if f"`{name}`" not in text]
            assert missing == [], path
    for key in ("schema", *survey.manifest.__dataclass_fields__):
        assert f"`{key}`" in text


def test_pictures_of_other_names_are_not_shown_in_place_of_those_surveyed(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", {"cat": 3})
    survey_of(tmp_path / "pictures", tmp_path / "out")
    paths[0].rename(paths[0].with_name("9.png"))
    found = open_survey(tmp_path / "out", tmp_path / "pictures")
    with pytest.raises(
        SurveyError, match="the dataset's picture 0 is 'cat/1.png', and the survey was made of 'cat/0.png'"
    ):
        found.picture(0)
