"""What a survey keeps of the model's own answers: what it finds in each picture, which class it says, or nothing."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from featuremaps.errors import FeatureMapsWarning, OptionError, TargetError
from featuremaps.layers import LayerInfo, Layers
from featuremaps.models.studied_model import StudiedModel
from featuremaps.options import Each
from featuremaps.outputs.class_outputs import ClassOutputs, as_followed
from featuremaps.outputs.detections import MAY_BE_CORNERS, detections_if_any, detections_of, seen_boxes
from featuremaps.outputs.place_scores import PlaceScores, is_dense
from featuremaps.running import run as run_model
from featuremaps.runtime.capture import to_model
from featuremaps.runtime.run_errors import run_on
from featuremaps.session import preserved
from featuremaps.survey.datasets.examples import Examples
from featuremaps.survey.engine.options import SurveyOptions
from featuremaps.survey.storage.manifest import PLURALS

DEFAULTS = SurveyOptions()
WHOLE = "Survey whole pictures, each='picture' (--each picture)"


class FirstAnswer:
    """What the model gives for the first picture, and how that is read."""

    def __init__(self, studied: StudiedModel, first: Tensor, known: Layers) -> None:
        self._name = type(studied.model).__name__
        with preserved(studied.model), torch.no_grad(), run_on(studied.model, first):
            self._outputs = run_model(studied.model, to_model(studied.model, first[None]))
        self.classes = as_followed(studied.class_outputs, self._outputs, (1, *first.shape), lambda: known)

    @property
    def width(self) -> int | None:
        """How many class scores the model gives a picture; None where they are not one row."""
        logits = self.classes.logits(self._outputs)
        return logits.shape[1] if logits is not None and logits.ndim == 2 else None

    def each(self, asked: Each | None) -> Each:
        """What a survey counts, as asked or as the model gives it; `OptionError` for what the model does not give."""
        try:
            boxes = asked in (None, "box") and detections_if_any(self._outputs, self.classes) is not None
        except TargetError as error:
            raise OptionError(f"{error} {WHOLE}, where the boxes do not matter.") from error
        regions = is_dense(self._outputs, self.classes, 1)
        if asked is None:
            told = regions and (self.classes.names is not None or self.classes.kind is not None)
            return "box" if boxes else "region" if told and self._of_pictures else "picture"
        if asked == "box" and not boxes:
            raise OptionError(f"each='box' counts what a detector finds, and {self._name} gives no boxes. {WHOLE}.")
        if asked == "region" and not (regions and self._of_pictures):
            gives = "scores of places of a signal or a volume" if regions else "no class scores of places"
            raise OptionError(
                f"each='region' counts the regions that a segmenter of pictures gives its classes, and {self._name} "
                f"gives {gives}. {WHOLE}."
            )
        return asked

    @property
    def _of_pictures(self) -> bool:
        logits = self.classes.logits(self._outputs)
        return logits is not None and logits.ndim == 4

    def reading(self, each: Each, threshold: float) -> ClassOutputs:
        """How boxes or regions are read, of every picture as of the first.

        A `FeatureMapsWarning` where the form of its boxes cannot be told.
        """
        if each == "region":
            return PlaceScores(self._outputs, self.classes, 1).classes
        classes = replace(self.classes, threshold=threshold)
        if not any(len(found.boxes) for found in detections_of(self._outputs, classes)):
            return classes
        form = seen_boxes(self._outputs, classes).boxes
        if form is not None and form.doubted:
            warnings.warn(MAY_BE_CORNERS, FeatureMapsWarning, stacklevel=4)
        return replace(classes, boxes=form)

    def predicted(self, asked: bool | None) -> ClassOutputs | None:
        """How the one answer for each picture is read, None where there is none.

        `OptionError` where it was asked for, or its classes do not name each of its outputs.
        """
        classes, outputs, name = self.classes, self._outputs, self._name
        logits = classes.logits(outputs)
        if logits is None or logits.ndim > 2 or not logits.is_floating_point():
            if asked:
                dense = is_dense(outputs, classes, 1)
                gives = "scores of each place" if dense else "no class scores"
                instead = " What each class covers of pictures is scope.predict(pictures, top=…)." if dense else ""
                raise OptionError(
                    f"predictions=True keeps one answer for each picture, so it needs a classifier, and {name} gives "
                    f"{gives}. Leave it out.{instead}"
                )
            return None
        count = classes.scores(outputs, 1).shape[1]
        if classes.names is not None and len(classes.names) != count:
            raise OptionError(
                f"{len(classes.names)} class names were given, and {name} has {count} outputs. Name every output, in "
                "order, or none: Scope(model, classes=…). With predictions=False names are not used."
            )
        return classes


def are_wanted(known: Layers, infos: Sequence[LayerInfo], asked: bool | None) -> bool:
    """Whether one answer for each picture is kept: by default where it costs nothing, the last map being surveyed."""
    last = known[known.last_map].order if known.last_map else 0
    return asked is not False and (asked is not None or max(info.order for info in infos) >= last)


def what_counts(
    answer: Callable[[], FirstAnswer], examples: Examples, options: SurveyOptions, there: Each | None
) -> Each:
    """What a survey counts: as asked, as the one that is there, or as the model gives it.

    A `FeatureMapsWarning` where the pictures have labels, and these are not what is counted.
    """
    each = options.each or there
    if each != "picture":
        each = answer().each(each)
    if each != "box" and options.threshold != DEFAULTS.threshold:
        raise OptionError(
            f"threshold={options.threshold:g} is the score from which on a detector's box counts, and this survey "
            f"counts {PLURALS[each]}, which have none. Leave it out."
        )
    if each == "picture":
        return each
    if options.predictions:
        raise OptionError(
            f"predictions=True keeps one answer for each picture, and this survey counts {PLURALS[each]}, whose "
            f"classes are the model's own answers. Leave it out, or {WHOLE[0].lower()}{WHOLE[1:]}."
        )
    if options.each is None and there is None and (examples.classes or examples[0].label is not None):
        warnings.warn(
            f"the pictures have labels, and what is counted are the {PLURALS[each]} that the model finds in them, by "
            f"its own classes. each='picture' (--each picture) counts pictures by their labels, and each={each!r} says "
            "that this is meant.",
            FeatureMapsWarning,
            stacklevel=5,
        )
    return each
