"""Repairing: every way tried on pictures held out from it, the one chosen that helps the worst group most."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Int

from featuremaps.editing.edits import NewWeights
from featuremaps.errors import ModelError, OptionError, SurveyError
from featuremaps.layers.directions import check_directions
from featuremaps.models.studied_model import StudiedModel
from featuremaps.repair.decodable import Decodable, decodable
from featuremaps.repair.features import Head, head_of, worked
from featuremaps.repair.fine_tune import fine_tuned
from featuremaps.repair.groups import Grouped, grouped
from featuremaps.repair.options import TRAINED, RepairOptions
from featuremaps.repair.repair import Repair, Tried
from featuremaps.repair.ways import Candidate, best_plan, classes_of, crossed, dealt, heads, inside, removals
from featuremaps.runtime.capture import to_model
from featuremaps.shortcuts.estimates import paired
from featuremaps.shortcuts.options import ShortcutOptions
from featuremaps.shortcuts.responses import Responses, responses
from featuremaps.shortcuts.shortcut import Shortcut
from featuremaps.survey.analysis.seen_pictures import layers_of, seen_pictures
from featuremaps.survey.storage.reader import StoredSurvey

HEADLESS = ("auto", "projection", "channels", *TRAINED)
"""Ways that do without a last layer."""


def repair(
    studied: StudiedModel,
    survey: StoredSurvey,
    shortcut: Shortcut,
    options: RepairOptions,
    groups: Sequence[object] | None = None,
    names: Mapping[str, str] | None = None,
) -> Repair:
    """Try the ways against a shortcut on a survey's pictures; `groups` says which have it, where that is known.

    Ways and settings are chosen on one half of the held-out answers and reported on the other, both ways round; what is
    taken was chosen on all. A group of fewer than four pictures is left out, which is noted. Raises `SurveyError` where
    all that remain have the shortcut, or none has it, `OptionError` for groups of another length or a shortcut of
    another model, `ModelError` for a way that the model has no layer for.
    """
    check_directions(shortcut, layers_of(studied, survey), studied.model)
    looked = ShortcutOptions(per_class=options.per_class, seed=options.seed, batch_size=options.batch_size)
    given = responses(studied, survey, shortcut.layer, looked, names)
    of_groups = grouped(given.classes, given.labels, _present(survey, given, shortcut, groups))
    number = given.classes.index(shortcut.label)
    head = _head(studied, survey, given, options)
    edits = removals(shortcut.direction, shortcut.removal, given.slopes[number], given.layer)
    name = None if head is None else head.name
    done = worked(studied, survey, given.rows, given.layer, [edit for _, _, edit in edits], name, options.batch_size)
    folds = dealt(of_groups, np.random.default_rng(options.seed))
    outputs = np.array(given.outputs)
    if options.how in TRAINED:
        layer = _from(studied, survey, given, options)
        plans = fine_tuned(studied, survey, given, of_groups, layer, folds, options)
    else:
        plans = inside(done, edits, outputs)
        plans += [] if head is None else heads(done, head, of_groups, outputs, folds)
        plans = [plan for plan in plans if options.how in ("auto", plan.way)]
    called = classes_of(done.probabilities[0], outputs)
    told = decodable(
        {layer: np.concatenate([given.means[layer], given.highest[layer]], 1) for layer in given.means},
        given.labels == number,
        of_groups.present,
        folds,
    )
    made = _account(given, shortcut, of_groups, called, plans, told, folds % 2 == 0)
    if isinstance(made.edit, NewWeights):
        return replace(made, edit=replace(made.edit, survey=survey.identity))
    return made


def _account(
    given: Responses,
    shortcut: Shortcut,
    groups: Grouped,
    called: Int[np.ndarray, " picture"],
    plans: Sequence[Candidate],
    told: tuple[Decodable, ...],
    half: Bool[np.ndarray, " picture"],
) -> Repair:
    """What the ways do, each picture answered by what was chosen on the other half; the best of all is taken."""
    every = np.ones(len(called), bool)
    by_way = {way: [plan for plan in plans if plan.way == way] for way in dict.fromkeys(plan.way for plan in plans)}
    best = sorted(
        (best_plan(of_way, groups, every) for of_way in by_way.values()),
        key=lambda plan: groups.worth(plan.called, every),
        reverse=True,
    )
    answers = [crossed(plans, groups, half), *(crossed(by_way[each.way], groups, half) for each in best[1:])]
    before = groups.rates(called, every)
    rows = groups.rows(min(before, key=lambda group: before[group].value))
    right = [(each[rows] == given.labels[rows]).astype(np.float64) for each in (answers[0], called)]
    tried = [
        Tried(each.way, each.title, each.settings, groups.rates(answered, every), groups.rate(answered, every))
        for each, answered in zip(best, answers, strict=True)
    ]
    return Repair(
        shortcut.label,
        shortcut.attribute.name,
        before,
        groups.rate(called, every),
        tuple(tried),
        paired(*right),
        told,
        best[0].edit(),
        notes=(*given.notes, *groups.notes),
    )


def _present(
    survey: StoredSurvey, given: Responses, shortcut: Shortcut, groups: Sequence[object] | None
) -> Bool[np.ndarray, " picture"]:
    """Which of the pictures have the shortcut: as was said, or as was found."""
    if shortcut.label not in given.classes:
        raise SurveyError(
            f"the shortcut is one to {shortcut.label!r}, and this survey has no pictures of it that count."
        )
    if groups is None:
        return shortcut.present_in(survey, given.rows, given.means[given.layer])
    said = np.asarray(groups)
    if said.dtype.kind not in "biuf" or not np.isin(said, (0, 1)).all():
        values: list[object] = said.tolist()
        other = next(each for each in values if each not in (0, 1))
        raise OptionError(f"groups says True or False of each picture, whether it has the shortcut; got {other!r}.")
    if said.shape != (len(survey.pictures),):
        raise OptionError(
            f"groups says of each of the survey's {len(survey.pictures)} pictures whether it has the shortcut; got "
            f"{_counted(said)}."
        )
    return said.astype(bool)[given.rows]


def _counted(said: np.ndarray) -> str:
    """How many values were given."""
    return " × ".join(map(str, said.shape)) if said.ndim else "one value"


def _from(studied: StudiedModel, survey: StoredSurvey, given: Responses, options: RepairOptions) -> str | None:
    """The layer after which all is trained, None for the whole model.

    What keeps to a direction has to begin at a layer: the last of the first half, where the shortcut is told already.
    """
    if options.from_layer is None and options.how == "fine_tune":
        return None
    if options.from_layer is None:
        order = list(given.means)
        return min(given.early[-1], given.layer, key=order.index)
    seen = seen_pictures(survey, studied.preprocessing, given.rows[:1].tolist())
    return studied.resolve(options.from_layer, seen[0].input[None])[0]


def _head(studied: StudiedModel, survey: StoredSurvey, given: Responses, options: RepairOptions) -> Head | None:
    """The last layer; None where there is none and another way may be taken."""
    seen = seen_pictures(survey, studied.preprocessing, given.rows[:2].tolist())
    try:
        with studied.session() as session, torch.no_grad():
            return head_of(session, to_model(session.model, seen[0].input[None]))
    except ModelError:
        if options.how not in HEADLESS:
            raise
    return None
