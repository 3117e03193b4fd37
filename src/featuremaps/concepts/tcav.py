"""Testing which classes rest on concepts: checked against the model, gradients recorded once, then formulas."""

from collections.abc import Mapping, Sequence

import numpy as np

from featuremaps.concepts.concept import Concept
from featuremaps.concepts.gradients import gradients_of_pictures, gradients_of_survey
from featuremaps.concepts.options import SensitivityOptions
from featuremaps.concepts.sensitivity import Sensitivity, sensitivity
from featuremaps.errors import OptionError
from featuremaps.layers.directions import check_directions
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.seen import Seen
from featuremaps.runtime.batches import probe
from featuremaps.survey.analysis.seen_pictures import layers_of
from featuremaps.survey.storage.reader import StoredSurvey


def sensitivity_to(
    studied: StudiedModel,
    concepts: Sequence[object],
    pictures: Sequence[Seen] | StoredSurvey,
    classes: str | int | Sequence[str | int] | None,
    labels: Sequence[str | int] | None,
    names: Mapping[str, str] | None,
    options: SensitivityOptions,
) -> Sensitivity:
    """The sensitivities of classes to concepts; see `Scope.sensitivity`.

    Raises `OptionError` for what is no concept, or one of another model.
    """
    known = [each for each in concepts if isinstance(each, Concept)]
    if not known or len(known) < len(concepts):
        other = next((each for each in concepts if not isinstance(each, Concept)), "nothing")
        raise OptionError(f"sensitivity is that to a concept, scope.concept(…), or several of them; got {other!r}.")
    wanted = [classes] if isinstance(classes, str | int) else classes
    layers = list(dict.fromkeys(concept.layer for concept in known))
    if isinstance(pictures, StoredSurvey):
        if labels is not None:
            raise OptionError("labels= says what pictures are of, and a survey has labels of its own: leave it out.")
        check_directions(known, layers_of(studied, pictures), studied.model)
        gradients = gradients_of_survey(studied, pictures, layers, wanted, names, options)
    else:
        if names:
            raise OptionError("names= maps a survey's labels to outputs; give pictures their outputs with labels=.")
        check_directions(known, studied.walk(probe(pictures, options.batch_size)), studied.model)
        gradients = gradients_of_pictures(studied, pictures, layers, labels, wanted, options)
    return sensitivity(known, gradients, studied.name, options.shuffles, np.random.default_rng(options.seed))
