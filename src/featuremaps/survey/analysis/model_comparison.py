"""Several models, or checkpoints of one, on the same pictures: which separates a class better, what thresholds do.

Each model's own channels for the class are chosen on its source survey, added up, and tested on the target.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int

from featuremaps.errors import OptionError, SurveyError, did_you_mean
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.file_names import file_name
from featuremaps.plotting.files import png_of
from featuremaps.plotting.panels import number
from featuremaps.results.shown import Shown
from featuremaps.survey.analysis.channel_matching import ChannelMatches, matched
from featuremaps.survey.analysis.channel_numbers import checked_channels
from featuremaps.survey.analysis.class_labels import class_labels, counted, labelling
from featuremaps.survey.analysis.detector import Detector
from featuremaps.survey.analysis.detector_evaluation import DetectorEvaluation
from featuremaps.survey.analysis.fit_detector import MOST, detector, separating
from featuremaps.survey.analysis.picture_alignment import orders
from featuremaps.survey.analysis.separation import channel_areas
from featuremaps.survey.charts.comparisons import TestedModel, comparison_charts
from featuremaps.survey.charts.page import save_page
from featuremaps.survey.charts.theme import Chart
from featuremaps.survey.figures.model_comparison import ModelRow, areas_figure, sums_figure
from featuremaps.survey.measures.auc import Areas
from featuremaps.survey.storage.pooled import Pooling
from featuremaps.survey.storage.reader import StoredSurvey
from featuremaps.survey.storage.stored_rows import LabelSets

Surveys = Mapping[str, StoredSurvey | tuple[StoredSurvey, StoredSurvey]]


@dataclass(frozen=True, eq=False)
class Standing:
    """How one model separates one class: its detector, tested where it was fitted and, if there is one, on the target.

    `proven` is whether its channels separate the class beyond chance on the source; None where they were given.
    """

    model: str
    label: str
    detector: Detector
    source: DetectorEvaluation
    target: DetectorEvaluation | None
    proven: bool | None

    @property
    def tests(self) -> dict[Literal["source", "target"], DetectorEvaluation]:
        """What it was tested on."""
        return {"source": self.source} if self.target is None else {"source": self.source, "target": self.target}

    @property
    def shift(self) -> float | None:
        """From the source's threshold to the best one of the target, in standard deviations of the source's scores."""
        if self.target is None:
            return None
        spread = float(self.source.scores.std())
        return (self.target.best.value - self.source.threshold) / spread if spread else 0.0


@dataclass(frozen=True, eq=False, repr=False)
class ModelComparison(Shown):
    """Every model's standing on every class, in the order the models and classes were given."""

    standings: tuple[Standing, ...]
    models: tuple[str, ...]
    labels: tuple[str, ...]
    layers: Mapping[str, str]
    pooling: Pooling
    _surveys: Mapping[str, StoredSurvey] = field(repr=False)
    _orders: Mapping[str, Int[np.ndarray, " _"]] = field(repr=False)

    def of(self, model: str, label: str | None = None) -> Standing:
        """One model's standing on a class, which may be left out where there is only one."""
        label = self._label(label)
        self._check_model(model)
        return next(one for one in self.standings if (one.model, one.label) == (model, label))

    def match(self, first: str, second: str) -> ChannelMatches:
        """The channels of two models that rise and fall together over the source pictures."""
        for model in (first, second):
            self._check_model(model)
        return matched(
            (first, second),
            (self._surveys[first], self._surveys[second]),
            (self.layers[first], self.layers[second]),
            (self._orders[first], self._orders[second]),
            self.pooling,
        )

    def table(self) -> list[dict[str, Any]]:
        """A row for each class and model: areas with intervals, thresholds, and how the source's does on the target."""
        return [_row(standing) for standing in self.standings]

    def figure(self, label: str | None = None) -> Figure:
        """One class: the sums of pictures with and without it, a row per model, a column per domain.

        Several classes without `label`: the area under the ROC curve of every class and model.
        """
        if label is None and len(self.labels) > 1:
            areas = {
                (standing.model, standing.label): [test.area for test in standing.tests.values()]
                for standing in self.standings
            }
            return areas_figure(self.labels, self.models, areas)
        name = self._label(label)
        standings = [self.of(model, name) for model in self.models]
        rows = [
            ModelRow(standing.model, len(standing.detector.channels), list(standing.tests.values()))
            for standing in standings
        ]
        return sums_figure(name, rows)

    def charts(self) -> dict[str, Chart]:
        """Every area, and the ROC curves of the first classes, as charts to hover over, by name."""
        return comparison_charts(
            [
                TestedModel(standing.model, domain, test)
                for standing in self.standings
                for domain, test in standing.tests.items()
            ]
        )

    def save(self, folder: str | Path = ".") -> list[Path]:
        """Write `models.csv` (the table), a figure (PNG) for each class, one of all, and `charts.html`.

        The last is to hover over, without a network: every area, and the ROC curves of the first classes.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        written = [folder / "models.csv"]
        rows = self.table()
        with written[0].open("w", newline="", encoding="utf-8") as file:
            out = csv.DictWriter(file, list(rows[0]))
            out.writeheader()
            out.writerows(rows)
        for label in [*self.labels, *([None] if len(self.labels) > 1 else [])]:
            written.append(folder / f"{file_name('models', label or 'all')}.png")
            written[-1].write_bytes(png_of(self.figure(label)))
        *others, last = self.models
        title = f"{', '.join(others)} and {last} beside each other"
        return [*written, save_page(self.charts(), folder / "charts.html", title)]

    def __repr__(self) -> str:
        return "\n".join([f"<ModelComparison of {len(self.models)} models:", *map(_line, self.standings)]) + ">"

    def _check_model(self, model: str) -> None:
        if model not in self.models:
            raise OptionError(f"model {model!r} was not compared.{did_you_mean(model, self.models)}")

    def _label(self, label: str | None) -> str:
        if label is None and len(self.labels) == 1:
            return self.labels[0]
        if label not in self.labels:
            near = did_you_mean(label or "", self.labels)
            raise OptionError(f"class {label!r} was not compared.{near} Compared were {', '.join(self.labels[:10])}.")
        return label


def compare_models(
    surveys: Surveys,
    label: str | int | None = None,
    layer: str | Mapping[str, str] | None = None,
    *,
    channels: Mapping[str, Mapping[str, Sequence[int]]] | None = None,
    pooling: Pooling = "mean",
    most: int = MOST,
) -> ModelComparison:
    """Compare models by how well the sum of their own channels separates each class, or one.

    Args:
        surveys: By a name of your own: a survey of each model over the same pictures, or a pair (source, target) of
            each.
        label: The class, by name or index; all without it.
        layer: One for all models, or one for each by its name; may be left out where only one was surveyed.
        channels: The channels that are added up, `{model: {class: channels}}`; without it those that separate best on
            the source.
        pooling: How a channel's map becomes a number: "mean" or "max".
        most: How many channels at most.

    Returns:
        Separation, thresholds and their shift from source to target, for every class and model.

    Raises:
        SurveyError: The surveys are of different pictures.
        OptionError: Something is no survey.
    """
    if not isinstance(surveys, Mapping):
        raise OptionError(
            "surveys are given by a name for each model: compare_models({'one': survey, 'other': survey}); got a "
            f"{type(surveys).__name__}."
        )
    if not surveys:
        raise SurveyError("no survey was given; compare_models takes one for each model, by name.")
    pairs = {name: _pair(name, given) for name, given in surveys.items()}
    sources = {name: source for name, (source, _) in pairs.items()}
    targets = {name: target for name, (_, target) in pairs.items() if target is not None}
    if targets and len(targets) < len(sources):
        without = ", ".join(repr(name) for name in sources if name not in targets)
        raise SurveyError(f"some models come with a target survey and some without ({without}); give all or none.")
    order = orders(sources)
    if targets:
        orders(targets)
    layers = {
        name: source.layer_of(layer.get(name) if isinstance(layer, Mapping) else layer).name
        for name, source in sources.items()
    }
    first = next(iter(sources.values()))
    labels = _separable(first) if label is None else [class_labels(first, label).label]
    given = {name: None if channels is None else channels.get(name, {}) for name in sources}
    models = [
        _Model(name, source, targets.get(name), layers[name], pooling, given[name], most)
        for name, source in sources.items()
    ]
    standings = tuple(model.standing(name) for name in labels for model in models)
    return ModelComparison(standings, tuple(sources), tuple(labels), layers, pooling, sources, order)


@dataclass(frozen=True, eq=False)
class _Model:
    """One model with its surveys, and the channels that were given for it."""

    name: str
    source: StoredSurvey
    target: StoredSurvey | None
    layer: str
    pooling: Pooling
    given: Mapping[str, Sequence[int]] | None
    most: int

    @cached_property
    def areas(self) -> Areas:
        """Of every class at once, which takes no longer than of one."""
        labels, _ = labelling(self.source)
        return channel_areas(self.source, self.layer, self.pooling, labels, len(self.source.classes or ()))

    def standing(self, label: str) -> Standing:
        """The model's own channels for a class as a detector, tested."""
        chosen, proven = self._channels(label)
        fitted = detector(self.source, label, chosen, layer=self.layer, by=self.pooling)
        tested = None if self.target is None else fitted.test(self.target)
        return Standing(self.name, label, fitted, fitted.test(self.source), tested, proven)

    def _channels(self, label: str) -> tuple[list[int], bool | None]:
        if self.given is None:
            class_labels(self.source, label)
            return separating(self.areas, (self.source.classes or ()).index(label), self.most)
        if not self.given.get(label):
            raise SurveyError(f"channels names none for the class {label!r} of model {self.name!r}; give at least one.")
        return checked_channels(self.given[label], self.layer), None


def _pair(
    name: str, given: StoredSurvey | tuple[StoredSurvey, StoredSurvey]
) -> tuple[StoredSurvey, StoredSurvey | None]:
    """A model's source and target; `OptionError` for anything but a survey or two."""
    if isinstance(given, StoredSurvey):
        return given, None
    if isinstance(given, tuple) and len(given) == 2 and all(isinstance(survey, StoredSurvey) for survey in given):
        return given
    what = f"{type(given).__name__} of {len(given)}" if isinstance(given, tuple | list) else repr(given)
    todo = f" Open it: open_survey({str(given)!r})." if isinstance(given, str | Path) else ""
    raise OptionError(
        f"model {name!r} is given by its survey, or by a pair (source, target) of them; got {what}.{todo}"
    )


def _separable(survey: StoredSurvey) -> list[str]:
    """The classes that some pictures show and others do not."""
    labels, classes = labelling(survey)
    total = int((labels.known if isinstance(labels, LabelSets) else labels >= 0).sum())
    counts = counted(labels, len(classes))
    separable = [name for name, count in zip(classes, counts, strict=False) if 0 < count < total]
    if not separable:
        raise SurveyError(
            f"survey {survey.path.name!r} has no class that some pictures show and others do not, so nothing can be "
            "separated. Survey labelled pictures of two classes or more."
        )
    return separable


def _row(standing: Standing) -> dict[str, Any]:
    source, target = standing.source, standing.target
    row: dict[str, Any] = {
        "class": standing.label,
        "model": standing.model,
        "layer": standing.detector.layer,
        "channels": " ".join(map(str, standing.detector.channels.tolist())),
        "proven": standing.proven,
        **_measured("", source, {"threshold": source.threshold}),
    }
    if target is None:
        return row
    shifted = {"target_best_threshold": target.best.value, "threshold_shift": standing.shift}
    return row | _measured("target_", target, shifted)


def _measured(prefix: str, detection: DetectorEvaluation, thresholds: Mapping[str, float | None]) -> dict[str, Any]:
    """The area with its interval, the thresholds, and what the one brought along gets right and wrong."""
    area, counts = detection.area, detection.confusion
    return {
        f"{prefix}area": area.value,
        f"{prefix}area_low": area.interval.low,
        f"{prefix}area_high": area.interval.high,
        **thresholds,
        f"{prefix}recall": counts.recall.value,
        f"{prefix}false_alarm_rate": counts.false_alarm_rate.value,
    }


def _line(standing: Standing) -> str:
    source, target = standing.source, standing.target
    doubt = "" if standing.proven is not False else " (not beyond chance)"
    text = (
        f"  {standing.label}, {standing.model}: AUROC {source.area.value:.3f}{doubt}, threshold "
        f"{number(source.threshold)}, both of the pictures that chose them"
    )
    if target is None:
        return text
    here = target.confusion
    return text + (
        f"; on {target.data} AUROC {target.area.value:.3f}, that threshold finds {here.recall.brief()} with "
        f"{here.false_alarm_rate.brief()} false alarms, the best would be {number(target.best.value)} "
        f"({standing.shift:+.1f} standard deviations)"
    )
