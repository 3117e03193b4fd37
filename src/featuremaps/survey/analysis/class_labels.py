"""The labels of a survey's pictures, and which of them show a class that is named or numbered."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index

import numpy as np
from jaxtyping import Bool, Int

from featuremaps.errors import OptionError, SurveyError, did_you_mean
from featuremaps.survey.storage.reader import StoredSurvey


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
    labels, classes = labels_of(survey)
    number = number_of(label, classes, f"survey {survey.path.name!r}")
    rows = np.flatnonzero(labels >= 0)
    positives = labels[rows] == number
    if not positives.any() or positives.all():
        side = "all show" if positives.any() else f"none of the {len(rows)} labelled pictures shows"
        raise SurveyError(
            f"survey {survey.path.name!r}: {side} {classes[number]!r}; to tell a class apart, pictures with it and "
            "pictures without it are needed."
        )
    return ClassLabels(classes[number], rows, positives, tuple(survey.pictures.names[row] for row in rows.tolist()))


def labels_of(survey: StoredSurvey) -> tuple[Int[np.ndarray, " picture"], tuple[str, ...]]:
    """Each picture's label (−1: none) and the classes' names; `SurveyError` where no picture has a label."""
    labels = survey.pictures.labels
    if survey.classes is None or not bool((labels >= 0).any()):
        raise SurveyError(
            f"none of the {len(labels)} pictures of survey {survey.path.name!r} has a label, and this question is "
            "about classes. Survey a folder with a folder per class, or a table of paths and labels."
        )
    return labels, survey.classes


def number_of(label: str | int, classes: Sequence[str], of: str = "the survey") -> int:
    """The number of a class, by name or by a number of any integer type.

    `OptionError` for what is neither, `SurveyError` for a class that `of` does not have.
    """
    if isinstance(label, str):
        if label not in classes:
            shown = ", ".join(classes[:10]) + (", …" if len(classes) > 10 else "")
            raise SurveyError(f"{of} has no class {label!r}.{did_you_mean(label, classes)} Its classes are {shown}.")
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
