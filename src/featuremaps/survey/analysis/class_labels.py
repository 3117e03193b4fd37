"""The labels of a survey's pictures, and which of them show a class that is named or numbered."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index

import numpy as np
from jaxtyping import Bool, Int

from featuremaps.errors import OptionError, SurveyError, did_you_mean, first_of
from featuremaps.survey.storage.reader import StoredSurvey
from featuremaps.survey.storage.stored_rows import LabelSets


@dataclass(frozen=True, eq=False)
class ClassLabels:
    """Which pictures show a class: `positives` says so of the pictures at `rows`, those that have a label at all."""

    label: str
    rows: Int[np.ndarray, " picture"]
    positives: Bool[np.ndarray, " picture"]
    names: tuple[str, ...]


def class_labels(survey: StoredSurvey, label: str | int) -> ClassLabels:
    """Which of the labelled pictures show `label`, a name or a number.

    `SurveyError` where the survey has no labels or no such class, or where only one side has pictures.
    """
    labels, classes = labelling(survey)
    number = number_of(label, classes, f"survey {survey.path.name!r}")
    rows = np.flatnonzero(labels.known if isinstance(labels, LabelSets) else labels >= 0)
    positives = labels.members[rows, number] if isinstance(labels, LabelSets) else labels[rows] == number
    if not positives.any() or positives.all():
        side = "all show" if positives.any() else f"none of the {len(rows)} labelled pictures shows"
        raise SurveyError(
            f"survey {survey.path.name!r}: {side} {classes[number]!r}; to tell a class apart, pictures with it and "
            "pictures without it are needed."
        )
    return ClassLabels(classes[number], rows, positives, tuple(survey.pictures.names[row] for row in rows.tolist()))


def labels_of(survey: StoredSurvey) -> tuple[Int[np.ndarray, " picture"], tuple[str, ...]]:
    """Each picture's label (−1: none) and the classes' names.

    `SurveyError` where no picture has one, or a picture may have several.
    """
    labels, classes = labelling(survey)
    if isinstance(labels, LabelSets):
        raise SurveyError(
            f"the pictures of survey {survey.path.name!r} may have several labels, and this question is about one: ask "
            f"it of one class at a time, survey.about({classes[0]!r})."
        )
    return labels, classes


def labelling(survey: StoredSurvey) -> tuple[Int[np.ndarray, " picture"] | LabelSets, tuple[str, ...]]:
    """The same, or where a picture may have several labels which classes each has."""
    sets = survey.pictures.sets
    labels = survey.pictures.labels if sets is None else np.where(sets.known, 0, -1)
    if survey.classes is None or not bool((labels >= 0).any()):
        raise SurveyError(
            f"none of the {len(labels)} pictures of survey {survey.path.name!r} has a label, and this question is "
            "about classes. Survey a folder with a folder per class, or a table of paths and labels."
        )
    return labels if sets is None else sets, survey.classes


def counted(labels: Int[np.ndarray, " picture"] | LabelSets, classes: int) -> Int[np.ndarray, " class"]:
    """How many pictures each class has."""
    if isinstance(labels, LabelSets):
        return labels.members.sum(0, dtype=np.int64)
    return np.bincount(labels[labels >= 0], minlength=classes)


def label_words(survey: StoredSurvey, row: int) -> str:
    """The name of a picture's label, or of several; "" where it has none."""
    sets, label = survey.pictures.sets, int(survey.pictures.labels[row])
    numbers = ([label] if label >= 0 else []) if sets is None else np.flatnonzero(sets.members[row]).tolist()
    return ", ".join(survey.classes[number] for number in numbers) if survey.classes else ""


def no_single_answer(survey: StoredSurvey) -> None:
    """`SurveyError` where pictures may have several labels: the model then has no one answer, right or wrong."""
    if survey.manifest.multi_label:
        raise SurveyError(
            f"the pictures of survey {survey.path.name!r} may have several labels, so there is no one answer of the "
            "model to compare with the label. Class by class: survey.detector(label).against_model(survey)."
        )


def number_of(label: str | int, classes: Sequence[str], of: str = "the survey") -> int:
    """The number of a class, by name or by a number of any integer type.

    `OptionError` for what is neither, `SurveyError` for a class that `of` does not have.
    """
    if isinstance(label, str):
        if label not in classes:
            near, shown = did_you_mean(label, classes), first_of(classes, 10)
            raise SurveyError(f"{of} has no class {label!r}.{near} Its classes are {shown}.")
        return list(classes).index(label)
    try:
        if isinstance(label, bool):
            raise TypeError
        number = index(label)
    except TypeError as error:
        raise OptionError(f"a class is given by its name or its number; got {label!r}.") from error
    if not 0 <= number < len(classes):
        raise SurveyError(f"{of} has no class {number}; its {len(classes)} classes count from 0 to {len(classes) - 1}.")
    return number
