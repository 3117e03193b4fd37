"""A second look at findings, in other pictures: of another domain, or without any of the classes' objects.

An attribute is read there from the first layers, as it was learned in the survey, so that the answers have no part in
telling which pictures have it. Where it pushes its class among pictures that do not show the class at all, no label can
be blamed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from featuremaps.errors import SurveyError
from featuremaps.layers.addresses import parse
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.pictures.seen import Seen
from featuremaps.runtime.batches import batches
from featuremaps.runtime.capture import to_model
from featuremaps.runtime.stream import stream
from featuremaps.session import Session
from featuremaps.shortcuts.attributes import Attribute
from featuremaps.shortcuts.early_reading import PENALTY, within
from featuremaps.shortcuts.estimates import stratified
from featuremaps.shortcuts.options import ShortcutOptions
from featuremaps.shortcuts.responses import AT_ONCE, RUNNING, Responses, log_odds
from featuremaps.shortcuts.shortcut import InOtherPictures, Shortcut
from featuremaps.shortcuts.simple_values import further_values
from featuremaps.shortcuts.strata import above_chance
from featuremaps.survey.analysis.seen_pictures import seen_pictures
from featuremaps.survey.measures.proportions import Rate
from featuremaps.survey.measures.ridge import Ridge
from featuremaps.survey.storage.pooled import pool
from featuremaps.survey.storage.reader import StoredSurvey

Others = StoredSurvey | Sequence[Seen]
"""Another survey, whose labels tell its pictures apart, or pictures as the model sees them, taken as alike."""


@dataclass(frozen=True, eq=False)
class _Answered:
    """Other pictures: their early layers' numbers by kind, and the probability of every class of the survey."""

    columns: Mapping[str, Float[np.ndarray, "picture column"]]
    shares: Float[np.ndarray, "picture class"]
    called: Int[np.ndarray, " picture"]
    labels: Int[np.ndarray, " picture"]


def looked_up(
    studied: StudiedModel, given: Responses, found: Sequence[Shortcut], others: Others, options: ShortcutOptions
) -> list[Shortcut]:
    """The findings with what they do in other pictures, and both samples' p-values combined (Fisher 1925).

    Only a class that is more probable with the attribute there counts, among pictures of one label; labels need not
    be the model's. Raises `SurveyError` for fewer than twice `least` pictures.
    """
    answered = _answered(studied, given, others, options)
    made = []
    for each in found:
        has = _told(given, each.attribute, answered.columns)
        made.append(_with(each, has, given.classes.index(each.label), answered, options.least, len(found)))
    return made


def _with(
    found: Shortcut, has: Bool[np.ndarray, " picture"], number: int, there: _Answered, least: int, findings: int
) -> Shortcut:
    from scipy.special import chdtrc

    share, called = there.shares[:, number], there.called == number
    having = Rate(int(has.sum()), len(has))
    called_with, called_without = (Rate(int(called[side].sum()), int(side.sum())) for side in (has, ~has))
    if min(having.count, having.of - having.count) < least:
        return replace(found, in_other_pictures=InOtherPictures(having, None, called_with, called_without, 1.0))
    effect = stratified(share, has, there.labels, 1 - 0.05 / findings)
    score, likely = above_chance(log_odds(share)[:, None], has[:, None], there.labels)
    alone = min(1.0, findings * (float(likely[0, 0]) / 2 if score[0, 0] > 0 else 1.0))
    both = float(chdtrc(4, -2 * (np.log(max(found.p_value, 1e-300)) + np.log(max(alone, 1e-300)))))
    return replace(
        found, p_value=both, in_other_pictures=InOtherPictures(having, effect, called_with, called_without, alone)
    )


def _told(
    given: Responses, attribute: Attribute, columns: Mapping[str, Float[np.ndarray, "other column"]]
) -> Bool[np.ndarray, " other"]:
    """Which other pictures have an attribute, by a ridge regression on the survey's early layers."""
    present, there = attribute.present, np.concatenate([columns[kind] for kind in attribute.family], 1)
    known = np.concatenate([given.simple(kind)[layer] for kind in attribute.family for layer in given.early], 1)
    spread = known.std(0)
    varies = spread > 1e-6 * np.abs(known).max(0, initial=1e-12)
    middle, spread = known.mean(0)[varies], spread[varies]
    own, there = ((each[:, varies].astype(np.float64) - middle) / spread for each in (known, there))
    centred, wanted = within(own, given.labels), within(present[:, None].astype(np.float64), given.labels)
    weights = Ridge(centred, PENALTY * own.shape[1]).weights(centred, wanted)[:, 0]
    said, strength = own @ weights, there @ weights
    return strength > (said[present].mean() + said[~present].mean()) / 2


def _answered(studied: StudiedModel, given: Responses, others: Others, options: ShortcutOptions) -> _Answered:
    """Run other pictures, at most `per_class` for every class there is."""
    if isinstance(others, StoredSurvey):
        others.check_of_pictures("a second sample, in which findings are tried,")
    count = len(others.pictures) if isinstance(others, StoredSurvey) else len(others)
    if count < 2 * options.least:
        raise SurveyError(
            f"other= has {count} pictures; {2 * options.least} or more are needed, so that some can have a finding and "
            "some lack it."
        )
    most, rows = options.per_class * len(given.classes), np.arange(count)
    if count > most:
        rows = np.sort(np.random.default_rng(options.seed).choice(rows, most, replace=False))
    parts = []
    with studied.session() as session:
        for start in range(0, len(rows), AT_ONCE):
            seen = _seen(others, studied.preprocessing, rows[start : start + AT_ONCE].tolist())
            parts.append(_run(session, studied, given.early, seen, options.batch_size))
    columns = {kind: np.concatenate([part[kind] for part, _ in parts]) for kind in parts[0][0]}
    every = np.concatenate([part for _, part in parts])
    of_output = np.full(every.shape[1], -1)
    of_output[list(given.outputs)] = np.arange(len(given.outputs))
    labels = others.pictures.labels[rows] if isinstance(others, StoredSurvey) else np.zeros(len(rows), int)
    shares = every[:, list(given.outputs)].astype(np.float64)
    return _Answered(columns, shares, of_output[every.argmax(1)], labels.astype(int))


def _seen(others: Others, preprocessing: Preprocessing, rows: Sequence[int]) -> Sequence[Seen]:
    if isinstance(others, StoredSurvey):
        return seen_pictures(others, preprocessing, list(rows))
    return [others[row] for row in rows]


def _run(
    session: Session, studied: StudiedModel, early: Sequence[str], seen: Sequence[Seen], batch_size: int
) -> tuple[dict[str, Float[np.ndarray, "picture column"]], Float[np.ndarray, "picture output"]]:
    """The numbers of the early layers by kind, layer after layer, and the probabilities of all outputs."""
    kinds: dict[str, list[np.ndarray]] = {}
    shares, order = [], []
    for batch in batches(seen, batch_size, RUNNING):
        with batch, torch.no_grad():
            inputs = to_model(session.model, batch.inputs)
            pooled: dict[str, Mapping[str, Tensor]] = {}
            outputs = stream(session, inputs, [parse(layer) for layer in early], partial(_look, pooled), stop=False)
            shares.append(studied.class_outputs.probabilities(outputs, len(inputs)).cpu().numpy())
            for kind in pooled[early[0]]:
                columns = torch.cat([pooled[layer][kind] for layer in early], 1)
                kinds.setdefault(kind, []).append(columns.cpu().numpy())
            order += batch.rows
    back = np.argsort(order)
    return {kind: np.concatenate(parts)[back] for kind, parts in kinds.items()}, np.concatenate(shares)[back]


def _look(pooled: dict[str, Mapping[str, Tensor]], layer: str, maps: Tensor) -> None:
    both = pool(maps)
    pooled[layer] = {"mean": both.mean, "highest": both.max, **further_values(maps)}
