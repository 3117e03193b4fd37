"""A survey as an object: its tables, and the questions that are registered as its verbs."""

from dataclasses import dataclass, replace
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, Any

from featuremaps.errors import OptionError, SurveyError, did_you_mean
from featuremaps.models.studied_model import StudiedModel
from featuremaps.survey.analysis.class_labels import number_of
from featuremaps.survey.analysis.question import QUESTIONS
from featuremaps.survey.storage.fingerprint import check_made_with
from featuremaps.survey.storage.integrity import check_files
from featuremaps.survey.storage.manifest import read_manifest
from featuremaps.survey.storage.reader import StoredSurvey

if TYPE_CHECKING:
    from featuremaps.survey.analysis.channel_sums import sums
    from featuremaps.survey.analysis.confusion import confusion
    from featuremaps.survey.analysis.fit_detector import detector
    from featuremaps.survey.analysis.mistakes import mistakes
    from featuremaps.survey.analysis.separation import separation
    from featuremaps.survey.analysis.specialists import specialists
    from featuremaps.survey.analysis.top_pictures import top_pictures


@dataclass(frozen=True, eq=False, repr=False)
class Survey(StoredSurvey):
    """What every channel of some layers did over a whole dataset, on disk, and the questions one can ask of it.

    `scope.survey` makes it and `open_survey` reads one. A question such as `survey.separation()` is a function that is
    marked `@question`, and `dir(survey)` lists them; `layer` may be left out where only one was surveyed.

    Attributes:
        path: The folder.
        manifest: What it was made of: model, preprocessing, layers, classes, files with their digests.
        dataset: Where pictures are taken from; `None` for the files that were surveyed.
        studied: The model that it was made of, with which places are framed in the original pictures and detectors can
            run; `None` where it is not at hand.
        about_class: The number of the one class that it looks at, where pictures may have several; see `about`.
    """

    def made_of(self, studied: StudiedModel) -> "Survey":
        """The same survey, with the model it was made of.

        Args:
            studied: The model with its preprocessing; `scope.open_survey` gives it.

        Returns:
            A new survey on the same files.

        Raises:
            SurveyError: The survey was made of another model, or with another preprocessing.
        """
        if self.studied is studied:
            return self
        check_made_with(self.manifest, studied.model, studied.preprocessing, self.path)
        return replace(self, studied=studied)

    def about(self, label: str | int) -> "Survey":
        """The same survey with the labels of one class alone, where pictures may have several: "not dog" and "dog".

        Questions about classes that are alternatives can be asked of it, and reports written.

        Args:
            label: The class, by its name or number.

        Returns:
            The survey, whose pictures have one label each.

        Raises:
            SurveyError: It has no such class, or its pictures have one label each already.
        """
        if not self.manifest.multi_label:
            raise SurveyError(
                f"the pictures of survey {self.path.name!r} have one label each already. A survey of several is made "
                "with multi_label=True (--multi-label)."
            )
        known = replace(self, about_class=None)
        return replace(self, about_class=number_of(label, known.classes or (), f"survey {self.path.name!r}"))

    def with_outputs(self, names: tuple[str, ...]) -> "Survey":
        """The same survey with names for the model's outputs, where it has none.

        Args:
            names: A name for each output, in order.

        Returns:
            A new survey on the same files; this one where the outputs have names already.
        """
        if self.model_classes is not None:
            return self
        return replace(self, manifest=replace(self.manifest, model_classes=names))

    if TYPE_CHECKING:  # for editors; the register is what counts
        top_pictures = top_pictures
        specialists = specialists
        separation = separation
        sums = sums
        detector = detector
        confusion = confusion
        mistakes = mistakes

    def __getattr__(self, name: str) -> Any:
        """A question, asked of this survey."""
        if name.startswith("_") or name not in QUESTIONS:
            near = "" if name.startswith("_") else did_you_mean(name, dir(self))
            raise AttributeError(f"a survey has no {name!r}.{near}")
        return MethodType(QUESTIONS[name], self)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *QUESTIONS})


def open_survey(path: str | Path, dataset: Any = None, studied: StudiedModel | None = None) -> Survey:
    """The survey in a folder; only its manifest and the sizes of its files are read now, the rest when it is used.

    Args:
        path: The folder.
        dataset: Where pictures are taken from that are no files, or have moved.
        studied: The model, with which places are framed in the originals and detectors run; `scope.open_survey` gives
            it.

    Returns:
        The survey, to be asked questions.

    Raises:
        SurveyError: The folder holds no survey, an unfinished or damaged one, one of a newer version, or one of another
            model or preprocessing.
    """
    folder = Path(path).expanduser()
    manifest = read_manifest(folder)
    if not manifest.complete:
        done = len(manifest.shards)
        raise SurveyError(
            f"the survey in {folder} is not finished ({done} of {manifest.count} shards are). Make the same survey "
            "again: it goes on from there."
        )
    check_files(folder, manifest.files, content=False)
    found = Survey(folder, manifest, dataset)
    return found if studied is None else found.made_of(studied)


def survey_of(given: object, studied: StudiedModel) -> Survey:
    """What was given for a survey, with the model it was made of.

    Raises `OptionError` for anything else than a survey, `SurveyError` for one of another model.
    """
    if not isinstance(given, Survey):
        raise OptionError(
            f"survey is what scope.survey(pictures, layers) made or scope.open_survey(folder) opens; got {given!r}."
        )
    return given.made_of(studied)
