"""Repairing: every way tried on pictures held out from it, the one chosen that helps the worst group most."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Int

from featuremaps.errors import ModelError, OptionError, SurveyError
from featuremaps.repair.decodable import Decodable, decodable
from featuremaps.repair.features import Head, head_of, worked
from featuremaps.repair.options import RepairOptions
from featuremaps.repair.repair import Groups, Repair, Tried
from featuremaps.repair.ways import Candidate, classes_of, dealt, heads, inside, removals
from featuremaps.runtime.capture import to_model
from featuremaps.runtime.studied_model import StudiedModel
from featuremaps.shortcuts.estimates import paired
from featuremaps.shortcuts.options import ShortcutOptions
from featuremaps.shortcuts.responses import Responses, responses
from featuremaps.shortcuts.shortcut import Shortcut
from featuremaps.survey.analysis.seen_pictures import seen_pictures
from featuremaps.survey.measures.proportions import Rate
from featuremaps.survey.storage.reader import StoredSurvey

FEWEST = 4
INSIDE = ("projection", "channels")


def repair(
    studied: StudiedModel,
    survey: StoredSurvey,
    shortcut: Shortcut,
    options: RepairOptions,
    groups: Sequence[object] | None = None,
    names: Mapping[str, str] | None = None,
) -> Repair:
    """Try the ways against a shortcut on a survey's pictures; `groups` says which have it, where that is known.

    Settings are chosen on one half of the held-out answers and reported on the other. Raises `SurveyError` where a
    group has fewer than four pictures, `OptionError` for groups of another length, `ModelError` for a way that the
    model has no layer for.
    """
    looked = ShortcutOptions(per_class=options.per_class, seed=options.seed, batch_size=options.batch_size)
    given = responses(studied, survey, shortcut.layer, looked, names)
    present = _present(survey, given, shortcut, groups)
    _check_groups(given, present)
    number = given.classes.index(shortcut.label)
    head = _head(studied, survey, given, options)
    edits = removals(shortcut.direction, shortcut.removal, given.slopes[number], given.layer)
    name = None if head is None else head.name
    done = worked(studied, survey, given.rows, given.layer, [edit for _, _, edit in edits], name, options.batch_size)
    folds = dealt(2 * given.labels + present, np.random.default_rng(options.seed))
    outputs = np.array(given.outputs)
    plans = inside(done, edits, outputs)
    plans += [] if head is None else heads(done, head, given.labels, present, outputs, folds)
    plans = [plan for plan in plans if options.how in ("auto", plan.way)]
    best = _best(plans, given.labels, present, folds % 2 == 0)
    called = classes_of(done.probabilities[0], outputs)
    told = decodable(
        {layer: np.concatenate([given.means[layer], given.highest[layer]], 1) for layer in given.means},
        given.labels == number,
        present,
        folds,
    )
    return _account(given, shortcut, present, called, best, told, folds % 2 == 1)


def _account(
    given: Responses,
    shortcut: Shortcut,
    present: Bool[np.ndarray, " picture"],
    called: Int[np.ndarray, " picture"],
    best: Sequence[Candidate],
    told: tuple[Decodable, ...],
    reporting: Bool[np.ndarray, " picture"],
) -> Repair:
    """What the best candidates do in the pictures that no setting was chosen on; the first one is taken."""
    before = _groups(given, called, present, reporting)
    suffering = min(before, key=lambda group: before[group].value)
    rows = reporting & (given.labels == given.classes.index(suffering[0])) & (present == suffering[1])
    right = [(each[rows] == given.labels[rows]).astype(np.float64) for each in (best[0].called, called)]
    tried = [
        Tried(
            each.way,
            each.title,
            each.settings,
            _groups(given, each.called, present, reporting),
            _rate(each.called, given.labels, reporting),
        )
        for each in best
    ]
    accuracy = _rate(called, given.labels, reporting)
    gain, edit = paired(*right), best[0].edit()
    return Repair(shortcut.label, shortcut.attribute.name, before, accuracy, tuple(tried), gain, told, edit)


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
            f"{said.shape[0] if said.ndim else 'one value'}."
        )
    present: Bool[np.ndarray, " picture"] = said.astype(bool)[given.rows]
    return present


def _check_groups(given: Responses, present: Bool[np.ndarray, " picture"]) -> None:
    counts = {
        f"{name} {'with' if has else 'without'}": int(((given.labels == number) & (present == has)).sum())
        for number, name in enumerate(given.classes)
        for has in (True, False)
    }
    lacking = [f"{name} ({count})" for name, count in counts.items() if 0 < count < FEWEST]
    if lacking:
        raise SurveyError(
            f"a repair is tried on every class with and without the shortcut, and needs {FEWEST} pictures of each that "
            f"there is at all; too few are {', '.join(lacking)}. Survey more pictures of them, or raise per_class."
        )


def _head(studied: StudiedModel, survey: StoredSurvey, given: Responses, options: RepairOptions) -> Head | None:
    """The last layer; None where there is none and another way may be taken."""
    seen = seen_pictures(survey, studied.preprocessing, given.rows[:2].tolist())
    try:
        with studied.session() as session, torch.no_grad():
            return head_of(session, to_model(session.model, seen[0].input[None]))
    except ModelError:
        if options.how not in ("auto", *INSIDE):
            raise
    return None


def _best(
    plans: Sequence[Candidate],
    labels: Int[np.ndarray, " picture"],
    present: Bool[np.ndarray, " picture"],
    choosing: Bool[np.ndarray, " picture"],
) -> list[Candidate]:
    """Of each way the setting that helps the worst group most, the best way first; ties go by the mean of groups."""

    def worth(plan: Candidate) -> tuple[float, float]:
        called, truth, has = plan.called[choosing], labels[choosing], present[choosing]
        groups = 2 * truth + has
        rates = [(called[groups == group] == truth[groups == group]).mean() for group in np.unique(groups)]
        return float(min(rates)), float(np.mean(rates))

    by_way: dict[str, Candidate] = {}
    for plan in plans:
        if plan.way not in by_way or worth(plan) > worth(by_way[plan.way]):
            by_way[plan.way] = plan
    return sorted(by_way.values(), key=worth, reverse=True)


def _groups(
    given: Responses,
    called: Int[np.ndarray, " picture"],
    present: Bool[np.ndarray, " picture"],
    counted: Bool[np.ndarray, " picture"],
) -> Groups:
    groups = {}
    for number, name in enumerate(given.classes):
        for has in (True, False):
            rows = counted & (given.labels == number) & (present == has)
            if rows.any():
                groups[name, has] = _rate(called, given.labels, rows)
    return groups


def _rate(
    called: Int[np.ndarray, " picture"], labels: Int[np.ndarray, " picture"], counted: Bool[np.ndarray, " picture"]
) -> Rate:
    return Rate(int((called[counted] == labels[counted]).sum()), int(counted.sum()))
