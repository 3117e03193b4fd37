"""Concepts that a search for shortcuts is asked about: whether they are the model's, and what is said of them."""

from collections.abc import Sequence

from featuremaps.concepts.concept import Concept
from featuremaps.errors import OptionError
from featuremaps.layers.directions import check_directions
from featuremaps.models.studied_model import StudiedModel
from featuremaps.shortcuts.attributes import Attribute, alike
from featuremaps.survey.analysis.seen_pictures import layers_of
from featuremaps.survey.storage.reader import StoredSurvey


def check_concepts(studied: StudiedModel, survey: StoredSurvey, concepts: Sequence[object]) -> None:
    """Raises `OptionError` for what is no concept, one of another model, or two of one name."""
    if not concepts:
        return
    names = [concept.name for concept in concepts if isinstance(concept, Concept)]
    if len(names) < len(concepts):
        other = next(each for each in concepts if not isinstance(each, Concept))
        raise OptionError(f"concepts are what scope.concept(…) found; got {other!r}.")
    if len(set(names)) < len(names):
        raise OptionError(f"concepts need names of their own to be told apart; got {', '.join(names)}.")
    check_directions(concepts, layers_of(studied, survey), studied.model)


def notes_on_late(
    studied: StudiedModel, survey: StoredSurvey, concepts: Sequence[Concept], early: Sequence[str]
) -> tuple[str, ...]:
    """What is said of concepts that lie behind the layers that attributes are read from, the `early` ones."""
    if not concepts:
        return ()
    layers = layers_of(studied, survey)
    last = max(layers[name].order for name in early)
    return tuple(
        f"“{concept.name}” is told by {concept.layer}, late in the model, where the classes themselves are told too: "
        "which pictures have it may be a matter of their class. A concept of an early layer is safer here."
        for concept in concepts
        if layers[concept.layer].order > last
    )


def notes_on(asked: Sequence[Attribute], found: Sequence[Attribute], least: int) -> tuple[str, ...]:
    """What is said of each concept that was asked about and is not among what was found."""
    notes = []
    for concept in asked:
        if any(concept.concept in each.concept for each in found if alike(each, concept)):
            continue
        having = int(concept.present.sum())
        counts = f"{having} of the {len(concept.present)} pictures have it"
        if min(having, len(concept.present) - having) < least:
            notes.append(f"{concept.concept} could not be tried: {counts}.")
        elif any(alike(each, concept) for each in found):
            notes.append(f"{concept.concept} tells the same pictures apart as something that was found; {counts}.")
        else:
            notes.append(f"no class was found to rest on {concept.concept} or its absence; {counts}.")
    return tuple(notes)
