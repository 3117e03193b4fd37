"""What is said of a survey's labels when it is finished: pictures that were left out for theirs, numbers beyond the
model's.
"""

import warnings

from featuremaps.errors import FeatureMapsWarning
from featuremaps.survey.storage.reader import StoredSurvey

MARKS = ("its label ", "among its labels ")
"""How the reason begins where a picture was left out for its label."""


def tell_of_labels(survey: StoredSurvey, numbered: bool, outputs: int | None) -> None:
    """`FeatureMapsWarning` where labels were not understood, or are not those of the model.

    Args:
        survey: The finished survey.
        numbered: Whether its labels are numbers without names.
        outputs: How many class scores the model gives; None where that is not known.
    """
    manifest, told = survey.manifest, []
    if any(shard.bad for shard in manifest.shards):
        left = [bad for bad in survey.pictures.bad if bad.reason.startswith(MARKS)]
        if left:
            told.append(
                f"{len(left):,} of {manifest.pictures:,} pictures were left out for their labels, first "
                f"{left[0].name!r}: {left[0].reason} survey.pictures.bad names them all."
            )
    highest = len(survey.classes or ()) - 1
    if numbered and outputs is not None and highest >= outputs > 1:
        told.append(
            f"the labels are numbers up to {highest}, and the model has {outputs} outputs, numbered from 0 to "
            f"{outputs - 1}: no answer of it is right for the others. Where labels are not the numbers of outputs, "
            "give their names, labels=[…] (--labels), and those of the outputs, Scope(model, classes=[…])."
        )
    for sentence in told:
        warnings.warn(sentence, FeatureMapsWarning, stacklevel=4)
