"""A survey's pictures are read again from where they came, and another in their place is an error."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_surveys import rounded, write_survey

from featuremaps.errors import ImageError, SurveyError
from featuremaps.survey.datasets.files import sha256_of
from featuremaps.survey.storage.originals import Originals
from featuremaps.survey.survey import Survey


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures, each of one grey."""
    for grey in range(3):
        Image.new("RGB", (4, 4), (grey,) * 3).save(tmp_path / f"{grey}.png")
    return tmp_path


@pytest.fixture(scope="module")
def survey() -> Survey:
    """Three rows of one layer; which pictures they are is filled in by each test."""
    return write_survey({"layer": rounded(np.arange(6).reshape(3, 2))}, [0, 0, 0], ["a"])


def of_files(survey: Survey, folder: Path) -> Originals:
    """The survey's rows as these files, the last first."""
    files = [folder / f"{number}.png" for number in (2, 1, 0)]
    names = tuple(file.name for file in files)
    pictures = replace(
        survey.pictures,
        names=names,
        files=names,
        paths=tuple(map(str, files)),
        sha256=tuple(map(sha256_of, files)),
        numbers=np.array([2, 1, 0]),
    )
    return Originals(pictures, survey.manifest, None)


def grey(originals: Originals, row: int) -> int:
    image = originals.read(row).image
    assert image is not None
    level = image.getpixel((0, 0))
    assert isinstance(level, tuple)
    return int(level[0])


def test_files_and_the_dataset_give_the_same_picture(survey: Survey, folder: Path) -> None:
    files = of_files(survey, folder)
    dataset = replace(files, dataset=folder)
    assert [grey(files, row) for row in range(3)] == [grey(dataset, row) for row in range(3)] == [2, 1, 0]


def test_another_picture_in_its_place_is_an_error(survey: Survey, folder: Path) -> None:
    files = of_files(survey, folder)
    Image.new("RGB", (4, 4), "white").save(folder / "1.png")
    for originals in (files, replace(files, dataset=folder)):
        with pytest.raises(ImageError, match=r"1\.png was replaced since it was surveyed"):
            originals.read(1)
        assert grey(originals, 0) == 2


def test_a_dataset_of_other_pictures_is_an_error(survey: Survey, folder: Path) -> None:
    files = of_files(survey, folder)
    (folder / "0.png").rename(folder / "9.png")
    with pytest.raises(SurveyError, match=r"the dataset's picture 2 is '9\.png', and the survey was made of '2\.png'"):
        replace(files, dataset=folder).read(0)
    (folder / "9.png").unlink()
    with pytest.raises(SurveyError, match="the dataset has 2 pictures, and the survey was made of 3"):
        replace(files, dataset=folder).read(0)


def test_a_picture_without_a_file_needs_the_dataset(survey: Survey, folder: Path) -> None:
    files = of_files(survey, folder)
    nowhere = replace(files, pictures=replace(files.pictures, paths=(None,) * 3))
    with pytest.raises(ImageError, match=r"2\.png has no file of its own.*open_survey\(path, dataset=…\)"):
        nowhere.read(0)
    assert grey(replace(nowhere, dataset=folder), 0) == 2
