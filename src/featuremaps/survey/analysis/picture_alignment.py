"""Whether surveys are about the same pictures, and in which order each has them."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int

from featuremaps.errors import SurveyError, first_of
from featuremaps.survey.storage.reader import StoredSurvey

SHOWN = 3


def orders(surveys: Mapping[str, StoredSurvey]) -> dict[str, Int[np.ndarray, " picture"]]:
    """For each survey the rows that put its pictures into the order of the first one's.

    Pictures are told apart by name, or by path where names repeat. `SurveyError` says what differs where the sets of
    pictures are not the same, or where one picture carries different labels.
    """
    (first, reference), *others = surveys.items()
    rows = {first: np.arange(len(reference.pictures.names))}
    for name, survey in others:
        ours, theirs = _keys(first, reference, name, survey)
        place = {key: row for row, key in enumerate(theirs)}
        _check_same(first, ours, name, theirs)
        rows[name] = np.array([place[key] for key in ours], np.int64)
        _check_labels(first, reference, name, survey, rows[name])
    return rows


def _keys(first: str, a: StoredSurvey, second: str, b: StoredSurvey) -> tuple[Sequence[object], Sequence[object]]:
    """What tells the pictures of both surveys apart."""
    for survey in (a, b):
        survey.check_of_pictures("what two models do on the same pictures")
    for ours, theirs in ((a.pictures.names, b.pictures.names), (a.pictures.paths, b.pictures.paths)):
        if len(set(ours)) == len(ours) and len(set(theirs)) == len(theirs):
            return ours, theirs
    raise SurveyError(
        f"the pictures of {first!r} and {second!r} cannot be matched: several have the same name, and their paths are "
        "the same or not known. Survey files in a folder, or a dataset that names its pictures."
    )


def _check_same(first: str, ours: Sequence[object], second: str, theirs: Sequence[object]) -> None:
    missing, extra = set(ours) - set(theirs), set(theirs) - set(ours)
    if not missing and not extra:
        return
    parts = [_only(name, only) for name, only in ((first, missing), (second, extra)) if only]
    raise SurveyError(
        f"{first!r} and {second!r} are surveys of different pictures: {len(set(ours) & set(theirs))} in both, "
        f"{' and '.join(parts)}. Models are compared on the same pictures: survey the same folder with each."
    )


def _only(name: str, keys: set[object]) -> str:
    return f"{len(keys)} only in {name!r} ({first_of(sorted(map(str, keys)), SHOWN)})"


def _check_labels(first: str, a: StoredSurvey, second: str, b: StoredSurvey, rows: Int[np.ndarray, " picture"]) -> None:
    ours, theirs = _labels(a), _labels(b)
    for row, other in enumerate(rows.tolist()):
        if ours[row] != theirs[other]:
            raise SurveyError(
                f"{a.pictures.names[row]} is labelled {ours[row]!r} in {first!r} and {theirs[other]!r} in {second!r}. "
                "Survey both models with the same labels."
            )


def _labels(survey: StoredSurvey) -> list[str | int]:
    known = survey.classes
    return [label if known is None or label < 0 else known[label] for label in survey.pictures.labels.tolist()]
