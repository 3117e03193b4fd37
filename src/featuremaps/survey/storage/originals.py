"""The pictures that a survey was made of, read again from its dataset or their files, and checked to be the same."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from featuremaps.errors import ImageError, SurveyError
from featuremaps.pictures.load import Picture, read
from featuremaps.survey.datasets import examples_of
from featuremaps.survey.datasets.examples import Examples
from featuremaps.survey.datasets.files import sha256_of
from featuremaps.survey.datasets.items import with_axes
from featuremaps.survey.storage.manifest import Manifest
from featuremaps.survey.storage.stored_rows import PictureTable


@dataclass(frozen=True, eq=False)
class Originals:
    """The pictures of a survey's rows; without the `dataset` only those that are files can be read."""

    pictures: PictureTable
    manifest: Manifest
    dataset: Any

    def read(self, row: int) -> Picture:
        """A picture or tensor as it was surveyed; `ImageError` where it is gone, or another is in its place."""
        number, path, name = int(self.pictures.numbers[row]), self.pictures.paths[row], self.pictures.names[row]
        known, now = self.pictures.sha256[row], None
        if self.dataset is not None:
            now = self._examples.sha256(number)
            example = self._examples.read(number)
        elif path is not None:
            example = read(path)
            now = sha256_of(Path(path))
        else:
            raise ImageError(
                f"{name} has no file of its own. Open the survey with the dataset it was made of: "
                "open_survey(path, dataset=…)."
            )
        if None not in (known, now) and known != now:
            raise ImageError(f"{path or name} was replaced since it was surveyed.")
        return example

    @cached_property
    def _examples(self) -> Examples:
        axes = 1 + len(self.manifest.layers[0].input_size)
        several = self.manifest.multi_label
        names = self.manifest.classes if several else None
        examples = with_axes(examples_of(self.dataset, classes=names, several=several), axes)
        if len(examples) != self.manifest.pictures:
            raise SurveyError(
                f"the dataset has {len(examples)} pictures, and the survey was made of {self.manifest.pictures}: it is "
                "another one."
            )
        self._check_names(examples)
        return examples

    def _check_names(self, examples: Examples) -> None:
        """`SurveyError` where a picture in the dataset is called otherwise than the one that was surveyed.

        Folders may have moved, so that file names alone are compared.
        """
        for number, name in zip(self.pictures.numbers.tolist(), self.pictures.files, strict=True):
            there = examples[number].name
            if Path(there).name != Path(name).name:
                raise SurveyError(
                    f"the dataset's picture {number} is {there!r}, and the survey was made of {name!r} there: files "
                    "were added, removed or renamed since. Open the survey with the pictures it was made of."
                )
