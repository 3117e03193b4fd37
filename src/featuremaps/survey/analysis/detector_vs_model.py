"""A detector beside the model's own prediction on the same pictures, domain by domain."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from featuremaps.errors import SurveyError
from featuremaps.plotting.figure_types import Figure
from featuremaps.results.shown import Shown
from featuremaps.survey.figures.detector_vs_model import against_figure
from featuremaps.survey.measures.proportions import Counts, counts_of


@dataclass(frozen=True)
class Rivalry:
    """Both answers on the pictures of one domain: what each gets right and wrong, and who is right where they differ.

    `p_value` is McNemar's exact test that both are right equally often where only one of them is.
    """

    detector: Counts
    model: Counts
    only_detector: int
    only_model: int

    @property
    def p_value(self) -> float:
        """The chance of a split at least as uneven, were each of the two right with probability ½."""
        from scipy.stats import binomtest

        differ = self.only_detector + self.only_model
        return float(binomtest(self.only_detector, differ).pvalue) if differ else 1.0


@dataclass(frozen=True, eq=False, repr=False)
class AgainstModel(Mapping[str, Rivalry], Shown):
    """A detector's decisions compared with the model's own answers, keyed by domain."""

    label: str
    rivalries: Mapping[str, Rivalry]

    def __getitem__(self, key: str) -> Rivalry:
        return self.rivalries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.rivalries)

    def __len__(self) -> int:
        return len(self.rivalries)

    def table(self) -> list[dict[str, Any]]:
        """A row for each domain and answer: recall, false alarms, precision and balanced accuracy, with intervals."""
        rows = []
        for domain, rivalry in self.items():
            for who, counts in (("detector", rivalry.detector), ("model", rivalry.model)):
                row: dict[str, Any] = {"domain": domain, "answer": who, "balanced_accuracy": counts.balanced_accuracy}
                for name in ("recall", "false_alarm_rate", "precision", "accuracy"):
                    row |= getattr(counts, name).row(name)
                rows.append(row | {"p_value": rivalry.p_value})
        return rows

    def figure(self) -> Figure:
        """Recall, false alarms and balanced accuracy of both answers in each domain, with 95% intervals."""
        return against_figure(self.label, {domain: (pair.detector, pair.model) for domain, pair in self.items()})

    def __repr__(self) -> str:
        lines = [
            f"  {domain}: detector {_brief(rivalry.detector)}; model {_brief(rivalry.model)}; only the detector right "
            f"{rivalry.only_detector} times, only the model {rivalry.only_model} (p = {rivalry.p_value:.2g})"
            for domain, rivalry in self.items()
        ]
        return "\n".join([f"<AgainstModel: {self.label}", *lines]) + ">"


def rivalry(
    positives: Bool[np.ndarray, " picture"],
    detected: Bool[np.ndarray, " picture"],
    predicted: Bool[np.ndarray, " picture"],
) -> Rivalry:
    """Two ways of calling pictures positive, compared."""
    right, model_right = detected == positives, predicted == positives
    return Rivalry(
        counts_of(detected, positives),
        counts_of(predicted, positives),
        only_detector=int((right & ~model_right).sum()),
        only_model=int((model_right & ~right).sum()),
    )


def output_of(label: str, model_classes: tuple[str, ...] | None, predicted: str | int | None) -> int:
    """Which of the model's outputs is the class: the one of the same name, or the one that is `predicted`."""
    meant = label if predicted is None else predicted
    if isinstance(meant, int):
        if model_classes is not None and not 0 <= meant < len(model_classes):
            raise SurveyError(
                f"the model has {len(model_classes)} outputs, 0 to {len(model_classes) - 1}, not {meant}."
            )
        return meant
    if model_classes is None or meant not in model_classes:
        known = "has outputs without names" if model_classes is None else f"knows {', '.join(model_classes[:10])}"
        raise SurveyError(
            f"which of the model's outputs means {meant!r} is not known: the model {known}. Say so with predicted=, "
            "the name or number of that output."
        )
    return model_classes.index(meant)


def _brief(counts: Counts) -> str:
    return f"finds {counts.recall.brief()}, false alarms {counts.false_alarm_rate.brief()}"
