"""What is said of a survey when it is finished: pictures that were left out, labels that are none of the model's."""

import warnings

from featuremaps.errors import FeatureMapsWarning
from featuremaps.survey.storage.reader import StoredSurvey

LEFT_OUT = r"[\d,]+ of [\d,]+ pictures? were left out"
"""How the warning begins, for those who say so themselves."""


def tell_of_doubts(survey: StoredSurvey, numbered: bool, outputs: int | None) -> None:
    """`FeatureMapsWarning` where pictures were left out, or labels are not those of the model.

    Args:
        survey: The finished survey.
        numbered: Whether its labels are numbers without names.
        outputs: How many class scores the model gives; None where that is not known.
    """
    manifest, told = survey.manifest, []
    if any(shard.bad for shard in manifest.shards):
        bad = survey.pictures.bad
        told.append(
            f"{len(bad):,} of {manifest.pictures:,} pictures were left out, first {bad[0].name!r}: {bad[0].reason} "
            "survey.pictures.bad names them all."
        )
    highest = len(survey.classes or ()) - 1
    if numbered and manifest.each == "picture" and outputs is not None and highest >= outputs > 1:
        told.append(
            f"the labels are numbers up to {highest}, and the model has {outputs} outputs, numbered from 0 to "
            f"{outputs - 1}: no answer of it is right for the others. Where labels are not the numbers of outputs, "
            "give their names, labels=[…] (--labels), and those of the outputs, Scope(model, classes=[…])."
        )
    for sentence in told:
        warnings.warn(sentence, FeatureMapsWarning, stacklevel=4)
