"""What the model itself said of the pictures, beside their labels: matched by the names of the classes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from featuremaps.errors import SurveyError, did_you_mean, first_of
from featuremaps.plotting.figure_types import Figure
from featuremaps.results.shown import Shown
from featuremaps.survey.analysis.class_labels import labels_of, no_single_answer, number_of
from featuremaps.survey.analysis.order_of_names import other_order
from featuremaps.survey.analysis.question import question
from featuremaps.survey.figures.confusion import confusion_figure
from featuremaps.survey.measures.proportions import Rate, confusion_matrix
from featuremaps.survey.storage.reader import StoredSurvey

OTHER = "(another)"


@dataclass(frozen=True, eq=False)
class LabelledAnswers:
    """Labelled pictures whose class the model has an output for, and what the model said.

    `rows` are rows of the survey, `truth` and `predicted` numbers of `classes`, the labels that were matched;
    `len(classes)` is any other output. `said[i]` names what the model said, by its label where it has one, and
    `probabilities[i]` is how probable it was. `notes` tell which labels have no output.
    """

    rows: Int[np.ndarray, " picture"]
    truth: Int[np.ndarray, " picture"]
    predicted: Int[np.ndarray, " picture"]
    probabilities: Float[np.ndarray, " picture"]
    said: tuple[str, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Confusion(Shown):
    """`counts[t, p]`: how many pictures of class t the model calls class p."""

    counts: Int[np.ndarray, "true predicted"]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def accuracy(self) -> Rate:
        """Of all pictures, those called right."""
        return Rate(int(np.trace(self.counts)), int(self.counts.sum()))

    def recall(self, label: str | int) -> Rate:
        """Of a class's pictures, those called that class."""
        row = number_of(label, self.classes)
        return Rate(int(self.counts[row, row]), int(self.counts[row].sum()))

    def precision(self, label: str | int) -> Rate:
        """Of the pictures called a class, those that are."""
        row = number_of(label, self.classes)
        return Rate(int(self.counts[row, row]), int(self.counts[:, row].sum()))

    def worst(self, n: int = 10) -> tuple[tuple[str, str, int], ...]:
        """The most frequent confusions: true class, predicted class, pictures."""
        wrong = self.counts * ~np.eye(len(self.classes), dtype=bool)
        order = np.argsort(-wrong, axis=None, kind="stable")[:n].tolist()
        pairs = [divmod(cell, len(self.classes)) for cell in order if wrong.flat[cell]]
        return tuple((self.classes[t], self.classes[p], int(wrong[t, p])) for t, p in pairs)

    def figure(self, *, most: int = 25) -> Figure:
        """The matrix, each row in shares of its class; of many classes those most often confused."""
        return confusion_figure(self.counts, self.classes, self.accuracy, most=most)

    def __repr__(self) -> str:
        lines = [f"<Confusion of {len(self.classes)} classes, right: {self.accuracy}"]
        lines += [f"  {truth} called {said}: {count}" for truth, said, count in self.worst(5)]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)]) + ">"


@question
def confusion(survey: StoredSurvey, *, names: Mapping[str, str] | None = None) -> Confusion:
    """The model's own predictions against the labels; see `answers` for how names are matched."""
    known = answers(survey, names=names)
    others = bool((known.predicted == len(known.classes)).any())
    classes = (*known.classes, OTHER) if others else known.classes
    counts, matched = confusion_matrix(known.truth, known.predicted, len(classes)), len(known.classes)
    doubt = other_order(counts[:matched, :matched], known.classes)
    return Confusion(counts, classes, (*known.notes, doubt) if doubt else known.notes)


def answers(survey: StoredSurvey, *, names: Mapping[str, str] | None = None) -> LabelledAnswers:
    """The labelled pictures with what the model said, in one numbering of classes.

    A label and an output are the same class if their names are, apart from case, spaces, hyphens and underscores;
    `names` maps labels to outputs that are called otherwise, and labels that are numbers are the outputs' numbers.
    Raises `SurveyError` where predictions were not kept, outputs have no names, or no label has an output.
    """
    survey.check_of_pictures("how often the model is right")
    no_single_answer(survey)
    labels, classes = labels_of(survey)
    predictions = survey.predictions()
    if predictions is None:
        raise SurveyError("the survey kept no predictions of the model; make it again with predictions kept.")
    numbers = range(1 + max(len(classes) - 1, int(predictions.indices.max(initial=0))))
    outputs = survey.model_classes or tuple(map(str, numbers))
    numbered = _are_numbers(classes) and not names and not set(classes) <= {*(survey.model_classes or ())}
    by_number = ("the labels are numbers, taken for those of the model's outputs",) if numbered else ()
    meant = outputs_meant(survey, names)
    kept = tuple(number for number in range(len(classes)) if number in meant)
    rows = np.flatnonzero(np.isin(labels, kept))
    of_output = np.full(len(outputs), len(kept))
    for place, number in enumerate(kept):
        of_output[meant[number]] = place
    predicted = of_output[predictions.indices[rows]]
    shown = tuple(classes[number] for number in kept)
    outputs = tuple(dict(zip((meant[n] for n in kept), shown, strict=True)).get(i, o) for i, o in enumerate(outputs))
    left = [classes[number] for number in range(len(classes)) if number not in meant and (labels == number).any()]
    note = f"left out, since the model has no output called so: {first_of(left, 5)}"
    return LabelledAnswers(
        rows,
        np.searchsorted(kept, labels[rows]),
        predicted,
        predictions.probabilities[rows],
        tuple(outputs[output] for output in predictions.indices[rows].tolist()),
        shown,
        (*by_number, note) if left else by_number,
    )


def outputs_meant(survey: StoredSurvey, names: Mapping[str, str] | None = None) -> dict[int, int]:
    """For each label that has one, the number of the model's output; see `answers` for how names are matched."""
    survey.check_of_pictures("which output of the model means which label")
    no_single_answer(survey)
    classes = labels_of(survey)[1]
    if _are_numbers(classes) and not names:
        return _by_number(classes, survey.model_classes)
    if survey.model_classes is None:
        raise SurveyError(
            "the model's outputs have no names, so they cannot be matched with the labels. Give the class names when "
            "the model is loaded, Scope(model, classes=…), on the command line --classes, and make the "
            "same survey again: it takes the names over, and computes nothing anew."
        )
    return _matched(classes, survey.model_classes, names or {})


def _are_numbers(classes: tuple[str, ...]) -> bool:
    """Whether the labels are numbers without names."""
    return classes == tuple(map(str, range(len(classes))))


def _by_number(classes: tuple[str, ...], outputs: tuple[str, ...] | None) -> dict[int, int]:
    """Labels that are numbers as the numbers of outputs, or by their names where outputs are called by numbers."""
    if outputs is not None and len(classes) > len(outputs) and not set(classes) <= set(outputs):
        raise SurveyError(
            f"the labels are numbers up to {len(classes) - 1}, and the model has {len(outputs)} outputs, 0 to "
            f"{len(outputs) - 1}. Where they count from 1, take 1 off; or say which mean the same: "
            f"names={{{classes[-1]!r}: {outputs[-1]!r}}}."
        )
    called = {output: number for number, output in enumerate(outputs or ())}
    named = set(classes) <= set(called)
    return {number: called[label] if named else number for number, label in enumerate(classes)}


def _matched(classes: tuple[str, ...], outputs: tuple[str, ...], names: Mapping[str, str]) -> dict[int, int]:
    """For each label that has one, the number of its output."""
    by_name: dict[str, int] = {}
    for number, output in enumerate(outputs):
        by_name.setdefault(_plain(output), number)
    for label, output in names.items():
        number_of(label, classes)
        if _plain(output) not in by_name:
            raise SurveyError(
                f"the model has no output {output!r} (given for {label!r}).{did_you_mean(output, outputs)}"
            )
    wanted = {number: _plain(names.get(label, label)) for number, label in enumerate(classes)}
    meant = {number: by_name[name] for number, name in wanted.items() if name in by_name}
    if not meant:
        labels, named = first_of(classes, 4), first_of(outputs, 4)
        raise SurveyError(
            f"none of the labels ({labels}) is the name of an output of the model ({named}). Say which mean the same: "
            f"names={{{classes[0]!r}: {outputs[0]!r}}}."
        )
    return meant


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().lower()
