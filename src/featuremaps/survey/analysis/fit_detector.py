"""Making a detector from a survey: which channels, with which weights, and from which score on."""

import warnings
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, Literal, TypeGuard, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import nn

from featuremaps.errors import FeatureMapsWarning, OptionError, SurveyError, check_choice, check_least
from featuremaps.survey.analysis.channel_numbers import check_channels, checked_channels
from featuremaps.survey.analysis.class_labels import ClassLabels, class_labels
from featuremaps.survey.analysis.detector import Detector, Origin, ScoringRule
from featuremaps.survey.analysis.question import question
from featuremaps.survey.analysis.separation import channel_areas
from featuremaps.survey.measures.auc import Areas, auc
from featuremaps.survey.measures.logistic_regression import fit_logistic, fit_platt
from featuremaps.survey.measures.proportions import counts_at
from featuremaps.survey.measures.roc import choose_threshold
from featuremaps.survey.storage.fingerprint import described, model_digest
from featuremaps.survey.storage.pooled import Pooling
from featuremaps.survey.storage.reader import StoredSurvey

ThresholdRule = Literal["youden"] | Mapping[str, float] | float
MOST = 25
LARGEST = float(np.finfo(np.float32).max)  # scores are float32


@question
def detector(
    survey: StoredSurvey,
    label: str | int,
    channels: Sequence[int] | None = None,
    *,
    rule: ScoringRule = "sum",
    threshold: ThresholdRule = "youden",
    layer: str | None = None,
    by: Pooling = "mean",
    most: int = MOST,
) -> Detector:
    """A detector of the class `label`, fitted to a survey's labelled pictures.

    `channels` are those given, else the (at most `most`) channels of the layer that separate the class beyond chance;
    the layer may be left out where only one was surveyed. "sum" adds them up, "single" takes one, "logistic" weights
    them by a logistic regression with an L2 penalty on standardised channels. `threshold` is "youden",
    {"false_alarm": 0.05}, {"recall": 0.9} or a score. Where the survey's model is known it also scores new pictures.
    Its shares on these pictures, which it was chosen on, flatter it: `test` it on others.
    """
    check_choice("rule", rule, get_args(ScoringRule))
    check_choice("by", by, get_args(Pooling))
    survey.check_of_pictures("a detector made of channels, which is run on pictures,")
    model, layout = (survey.studied.model, survey.studied.layout) if survey.studied else (None, None)
    labels, layer = class_labels(survey, label), survey.layer_of(layer).name
    _check_model(survey, model)
    if channels is None:
        chosen = best_channels(survey, labels, layer, by, 1 if rule == "single" else most, rule == "logistic")
    else:
        chosen = checked_channels(channels, layer)
        check_channels(chosen, survey.layers[layer].channels, layer)
    vectors = survey.vectors(layer, by, chosen)[labels.rows]
    fit: dict[str, Any] = {"rule": rule, "pooling": by, "layout": layout}
    if rule == "logistic":
        weights, bias = fit_logistic(vectors, labels.positives)
        fit |= {"weights": weights.tolist(), "bias": bias}
    scores = Detector(None, layer, chosen, **fit).scores(torch.from_numpy(vectors)).numpy()
    value, how = _threshold(scores, labels.positives, threshold)
    calibration = (1.0, 0.0) if rule == "logistic" else fit_platt(scores, labels.positives)
    origin = _origin(survey, labels, scores, value, how, model)
    return Detector(model, layer, chosen, threshold=value, calibration=calibration, origin=origin, **fit)


def best_channels(
    survey: StoredSurvey,
    shown: ClassLabels,
    layer: str,
    pooling: Pooling = "mean",
    most: int = MOST,
    both_ways: bool = False,
) -> list[int]:
    """The channels that separate the class best beyond chance, or the best one with a warning; `separating`."""
    labels = np.full(len(survey.pictures.names), -1)
    labels[shown.rows] = shown.positives
    areas = channel_areas(survey, layer, pooling, labels, 2)
    chosen, proven = separating(areas, 1, most, both_ways)
    if not proven:
        warnings.warn(
            f"no channel of {layer!r} separates {shown.label!r} beyond chance on {len(shown.rows)} pictures; the best, "
            f"{layer}:{chosen[0]} with an AUROC of {areas.values[1, chosen[0]]:.2f}, is taken alone.",
            FeatureMapsWarning,
            stacklevel=3,
        )
    return chosen


def separating(areas: Areas, label: int, most: int, both_ways: bool = False) -> tuple[list[int], bool]:
    """The channels that separate a class best, at most `most`, and whether they do so beyond chance.

    Beyond chance is below 5%, corrected for the number of channels (Bonferroni); where none is, the best alone.
    `both_ways` also takes channels that are weaker in the class.
    """
    check_least("most", most, "how many channels a detector may use")
    distance = np.abs(areas.values[label] - 0.5) if both_ways else areas.values[label] - 0.5
    order = np.argsort(-distance, kind="stable")
    proven = (areas.p_values[label] < 0.05 / len(order)) & (distance > 0)
    chosen = [int(channel) for channel in order[:most] if proven[channel]]
    return (chosen, True) if chosen else ([int(order[0])], False)


def _check_model(survey: StoredSurvey, model: nn.Module | None) -> None:
    """`SurveyError` where the survey says that it was made with another model."""
    made = survey.manifest.fingerprint.get("model")
    if model is not None and made and made != model_digest(model):
        raise SurveyError(
            f"survey {survey.path.name!r} was made with another model than the {described(model)} given (weights "
            f"{made[:12]}… and {model_digest(model)[:12]}…). Give the model that was surveyed."
        )


def _threshold(
    scores: Float[np.ndarray, " picture"], positives: Bool[np.ndarray, " picture"], rule: ThresholdRule
) -> tuple[float, str]:
    """The threshold, and how it was chosen."""
    if _is_number(rule):
        if not abs(rule) <= LARGEST:
            raise OptionError(f"threshold={rule} is no score that anything could be compared with.")
        return float(rule), "given"
    if rule == "youden":
        best = choose_threshold(scores, positives)
    elif _is_share(rule):
        best = choose_threshold(scores, positives, false_alarm_rate=rule.get("false_alarm"), recall=rule.get("recall"))
    else:
        raise OptionError(
            f"threshold={rule!r} is not known; choose 'youden', {{'false_alarm': 0.05}}, {{'recall': 0.9}} or a score."
        )
    return best.value, best.rule


def _is_number(given: object) -> TypeGuard[float]:
    return isinstance(given, Real) and not isinstance(given, bool)


def _is_share(given: object) -> TypeGuard[Mapping[str, float]]:
    """Whether this is {"false_alarm": x} or {"recall": x}."""
    if not isinstance(given, Mapping) or len(given) != 1:
        return False
    return set(given) <= {"false_alarm", "recall"} and all(map(_is_number, given.values()))


def _origin(
    survey: StoredSurvey,
    labels: ClassLabels,
    scores: Float[np.ndarray, " picture"],
    threshold: float,
    how: str,
    model: nn.Module | None,
) -> Origin:
    counts = counts_at(scores, labels.positives, threshold)
    return Origin(
        label=labels.label,
        chosen=how,
        data=survey.path.name,
        pictures=len(labels.rows),
        positives=int(labels.positives.sum()),
        shares=(
            ("recall", counts.recall.value),
            ("false_alarm", counts.false_alarm_rate.value),
            ("area", auc(scores, labels.positives).value),
        ),
        model="" if model is None else described(model),
        weights=survey.manifest.fingerprint.get("model", "") if model is None else model_digest(model),
    )
