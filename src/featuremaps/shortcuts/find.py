"""Finding shortcuts: attributes nobody named, the classes they push, and the proof by intervention."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from featuremaps.concepts.concept import Concept
from featuremaps.editing.edits import direction_out
from featuremaps.models.studied_model import StudiedModel
from featuremaps.shortcuts.attributes import Attribute, alike, attributes, given_attributes
from featuremaps.shortcuts.estimates import paired, stratified, welch
from featuremaps.shortcuts.given_concepts import check_concepts, notes_on, notes_on_late
from featuremaps.shortcuts.interventions import Shifts, shifted, shifts_of
from featuremaps.shortcuts.label_noise import undecided
from featuremaps.shortcuts.options import ShortcutOptions
from featuremaps.shortcuts.other_pictures import Others, looked_up
from featuremaps.shortcuts.power import power
from featuremaps.shortcuts.responses import Responses, responses
from featuremaps.shortcuts.shortcut import ExampleRows, Intervention, Shortcut
from featuremaps.shortcuts.shortcuts import Shortcuts
from featuremaps.shortcuts.strata import above_chance, effects
from featuremaps.survey.measures.proportions import Rate
from featuremaps.survey.storage.reader import StoredSurvey

LEVEL = 0.01
"""What is found is found by chance in less than so many searches (family-wise, Holm 1979)."""
SMALLEST = 0.05
"""An attribute that changes the class's probability by less is not called a shortcut."""
AS_SURE = 0.8
"""What is so many times as sure as the surest, in standard errors, is as good, and so is what pushes so much."""
SHOWN = 12


@dataclass(frozen=True, eq=False)
class _Suspect:
    """An attribute, the class it pushes, how likely that is by chance, and how far it moves, also in standard errors.

    It `varies` where the class's own pictures have it and lack it.
    """

    attribute: Attribute
    number: int
    p_value: float
    sure: float
    push: float
    varies: bool


def find_shortcuts(
    studied: StudiedModel,
    survey: StoredSurvey,
    layer: str,
    options: ShortcutOptions,
    names: Mapping[str, str] | None = None,
    others: Others | None = None,
    concepts: Sequence[Concept] = (),
) -> Shortcuts:
    """What classes rest on in a survey's pictures that is not the class, looked up in `others` too; see `Shortcuts`.

    `concepts` are tried along with what is found, and named where they tell the same pictures apart.
    """
    check_concepts(studied, survey, concepts)
    given = responses(studied, survey, layer, options, names, [concept.layer for concept in concepts])
    return found_in(given, studied, survey, options, others, concepts)


def found_in(
    given: Responses,
    studied: StudiedModel,
    survey: StoredSurvey,
    options: ShortcutOptions,
    others: Others | None = None,
    concepts: Sequence[Concept] = (),
) -> Shortcuts:
    """The same, where the model's responses to the pictures are there already; it runs for the proofs alone."""
    asked = given_attributes(given, concepts, options)
    late = notes_on_late(studied, survey, concepts, given.early)
    every = [*asked, *attributes(given, options)]
    suspects = _suspects(given, every)
    tests = max(1, len(every) * len(given.classes))
    shortcuts = _proven(studied, survey, given, suspects, tests, options)
    if others is not None:
        shortcuts = looked_up(studied, given, shortcuts, others, options)
    generator = np.random.default_rng(options.seed)
    able = power(given.log_odds, given.labels, given.classes, tests, LEVEL, options.least, generator)
    shortcuts.sort(key=lambda each: (not each.proven, -abs(each.effect.value)))
    counts = tuple(int((given.labels == number).sum()) for number in range(len(given.classes)))
    return Shortcuts(
        tuple(each for each in shortcuts if each.proven),
        tuple(each for each in shortcuts if not each.proven),
        given.classes,
        counts,
        given.layer,
        len(every),
        able,
        survey.picture,
        partial(_label_of, survey),
        (*given.notes, *notes_on(asked, [each.attribute for each in shortcuts], options.least), *late),
    )


def _suspects(given: Responses, every: Sequence[Attribute]) -> list[_Suspect]:
    """The attributes that push a class beyond chance, by more than a little, and not because of one named before.

    The surest comes first; of it and its opposite, the one that not all of its class has, and that moves it more. Of
    those that are nearly as sure and tell the same pictures apart the clearest is named, a concept before others: by
    the answers alone an attribute takes errors for its own. Further ones are compared among pictures that agree in it.
    """
    kept: list[_Suspect] = []
    strata = given.labels
    while pushing := _pushing(given, every, strata):
        surest = max(pushing, key=lambda suspect: suspect.sure)
        same = [suspect for suspect in pushing if alike(suspect.attribute, surest.attribute)]
        sides = [
            _of_one_side([each for each in same if each.number == number]) for number in {each.number for each in same}
        ]
        chosen = _side(given, sides)
        kept.append(chosen)
        strata = 2 * strata + chosen.attribute.present
        every = [each for each in every if not alike(each, chosen.attribute)]
    return kept


def _of_one_side(same: Sequence[_Suspect]) -> _Suspect:
    """Of those that push a class alike the clearest of the nearly surest, a concept before others."""
    enough = AS_SURE * max(suspect.sure for suspect in same)
    concepts = [each for each in same if each.attribute.concept]
    able = concepts or [each for each in same if each.sure >= enough]
    return max(able, key=lambda each: each.attribute.separation)


def _side(given: Responses, sides: Sequence[_Suspect]) -> _Suspect:
    """The class that an attribute is named for: of those that it pushes most, or as good as, the one that has it most.

    Plain ground under rings makes them more probable, and its absence all others: both say the same. Where the class's
    own pictures all have it, or none, another side says more.
    """
    able = [each for each in sides if each.varies] or sides
    enough = AS_SURE * max(each.push for each in able)
    return max(
        (each for each in able if each.push >= enough),
        key=lambda each: (round(_surplus(given, each), 2), each.push, -each.number),
    )


def _surplus(given: Responses, suspect: _Suspect) -> float:
    """How many more of a class's pictures have an attribute than of the others'."""
    own, has = given.labels == suspect.number, suspect.attribute.present
    return float(has[own].mean() - has[~own].mean())


def _pushing(given: Responses, every: Sequence[Attribute], strata: Int[np.ndarray, " picture"]) -> list[_Suspect]:
    """Attributes, and their opposites, that push a class beyond chance among pictures of one stratum."""
    if not every:
        return []
    present, pushing = np.stack([each.present for each in every], 1), []
    for turned, has in ((every, present), ([each.opposite() for each in every], ~present)):
        score, likely = above_chance(given.log_odds, has, strata)
        share, _ = effects(given.probabilities, has, strata)
        corrected = _holm(likely)
        push = np.where((score > 0) & (corrected <= LEVEL) & (share >= SMALLEST), share, 0.0)
        for place, attribute in enumerate(turned):
            number = int(push[place].argmax())
            if push[place, number] > 0:
                at = place, number
                sure = float(score[at])
                varies = len(np.unique(has[given.labels == number, place])) == 2
                pushing.append(_Suspect(attribute, number, float(corrected[at]), sure, float(push[at]), varies))
    return pushing


def _holm(likely: Float[np.ndarray, "attribute class"]) -> Float[np.ndarray, "attribute class"]:
    """All of them corrected together."""
    from featuremaps.survey.analysis.separation import holm

    return holm(likely.reshape(1, -1)).reshape(likely.shape)


def _proven(
    studied: StudiedModel,
    survey: StoredSurvey,
    given: Responses,
    suspects: Sequence[_Suspect],
    tests: int,
    options: ShortcutOptions,
) -> list[Shortcut]:
    """Each suspect with the proof by intervention, or without."""
    generator = np.random.default_rng(options.seed)
    trials: list[Shifts] = []
    for each in suspects:
        shifts = shifts_of(given, each.attribute.present, options.controls, generator)
        own = given.labels == each.number
        has = each.attribute.present
        trials.append(Shifts(_some(own & has, options.tried, generator), each.number, -shifts))
        trials.append(Shifts(_some(~own & ~has, options.tried, generator), each.number, shifts))
    outcomes = shifted(studied, survey, given, trials, options.batch_size)
    level, of = 1 - 0.05 / max(1, len(suspects)), survey.identity
    made = [
        _shortcut(given, suspect, trials[2 * place + 1].shifts[1, :, 0], outcomes[2 * place : 2 * place + 2], level, of)
        for place, suspect in enumerate(suspects)
    ]
    others = [_others(given, each, tests) for each in made]
    return [replace(each, raises=up, lowers=down) for each, (up, down) in zip(made, others, strict=True)]


def _others(given: Responses, found: Shortcut, tests: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The other classes that an attribute makes more probable, and less, among pictures of one label."""
    has = found.attribute.present[:, None]
    _, likely = above_chance(given.log_odds, has, given.labels)
    share, _ = effects(given.probabilities, has, given.labels)
    moved = np.where(likely[0] * tests <= LEVEL, np.nan_to_num(share[0]), 0.0).tolist()
    others = [(name, by) for name, by in zip(given.classes, moved, strict=True) if name != found.label]
    return tuple(name for name, by in others if by >= SMALLEST), tuple(name for name, by in others if by <= -SMALLEST)


def _some(wanted: Bool[np.ndarray, " picture"], most: int, generator: np.random.Generator) -> Int[np.ndarray, " some"]:
    """The places of those that are wanted, at most so many of them, at random."""
    places = np.flatnonzero(wanted)
    return places if len(places) <= most else np.sort(generator.choice(places, most, replace=False))


def _shortcut(
    given: Responses,
    suspect: _Suspect,
    shift: Float[np.ndarray, " channel"],
    outcomes: Sequence[Float[np.ndarray, "picture shift"]],
    level: float,
    survey: str,
) -> Shortcut:
    attribute, number, label = suspect.attribute, suspect.number, given.classes[suspect.number]
    own, has = given.labels == number, attribute.present
    share, called = given.probabilities[:, number], given.called == number
    centre = given.means[given.layer][own & has if (own & has).any() else has].mean(0) - shift
    removal = direction_out(
        given.layer,
        torch.from_numpy(shift)[None].float(),
        torch.from_numpy(centre).float(),
        f"without the shortcut to {label} at {attribute.name}",
    )
    examples = _examples(given, attribute, own)
    return Shortcut(
        label,
        attribute,
        given.layer,
        Rate(int((own & has).sum()), int(own.sum())),
        Rate(int((~own & has).sum()), int((~own).sum())),
        welch(share[own & has], share[own & ~has], level),
        stratified(share[~own], has[~own], given.labels[~own], level),
        _rate(called[own & has]),
        _rate(called[own & ~has]),
        _rate(called[~own & has]),
        _rate(called[~own & ~has]),
        _intervention(outcomes[0], level, -1),
        _intervention(outcomes[1], level, 1),
        suspect.p_value,
        examples,
        removal,
        {row: _named(given, row) for row in (*examples.strongest, *examples.missing, *examples.counter)},
        survey,
        given.rows,
        shift,
        _between(given, has, shift),
        undecided(given, number, has),
        weights=given.weights,
    )


def _between(given: Responses, has: Bool[np.ndarray, " picture"], direction: Float[np.ndarray, " channel"]) -> float:
    """Half-way between pictures with and without it, along a direction."""
    along = given.means[given.layer] @ direction
    return float(along[has].mean() + along[~has].mean()) / 2


def _named(given: Responses, row: int) -> str:
    """What the model calls a picture."""
    number = int(given.called[np.flatnonzero(given.rows == row)[0]])
    return given.classes[number] if number >= 0 else "something else"


def _label_of(survey: StoredSurvey, row: int) -> str:
    """The name of a picture's label."""
    assert survey.classes is not None
    return survey.classes[int(survey.pictures.labels[row])]


def _rate(called: Bool[np.ndarray, " picture"]) -> Rate:
    return Rate(int(called.sum()), len(called))


def _intervention(outcome: Float[np.ndarray, "picture shift"], level: float, wanted: int) -> Intervention | None:
    change = paired(outcome[:, 1], outcome[:, 0], level)
    if change is None:
        return None
    beside = (outcome[:, 2:] - outcome[:, :1]).mean(0) * wanted
    control = max(0.0, float(beside.max()))
    return Intervention(float(outcome[:, 0].mean()), float(outcome[:, 1].mean()), change, control, len(outcome), wanted)


def _examples(given: Responses, attribute: Attribute, own: Bool[np.ndarray, " picture"]) -> ExampleRows:
    def best(wanted: Bool[np.ndarray, " picture"], strength: Float[np.ndarray, " picture"]) -> tuple[int, ...]:
        places = np.flatnonzero(wanted)
        return tuple(given.rows[places[np.argsort(-strength[places], kind="stable")[:SHOWN]]].tolist())

    has, strength = attribute.present, attribute.strength
    return ExampleRows(best(own & has, strength), best(own & ~has, -strength), best(~own & has, strength))
