"""What a question about one class needs of a survey: its layers, and which of its pictures show the class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

from featuremaps.errors import LayerNotFoundError, SurveyError, did_you_mean
from featuremaps.survey.surveyed import name_or_number


@runtime_checkable
class SurveyedChannels(Protocol):
    """What is known of a surveyed layer here."""

    @property
    def channels(self) -> int:
        """How many it has."""


@runtime_checkable
class SurveyedPictures(Protocol):
    """The pictures of a survey that could be read, in order."""

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each."""

    @property
    def paths(self) -> Sequence[object]:
        """Where each lies; None where it is no file."""

    @property
    def labels(self) -> Int[np.ndarray, " picture"]:
        """The number of each one's class; -1 where it has none."""


@runtime_checkable
class SurveyedPredictions(Protocol):
    """The model's own answers."""

    @property
    def indices(self) -> Int[np.ndarray, " picture"]:
        """The class with the highest score, among the model's own."""


@runtime_checkable
class Surveyed(Protocol):
    """A survey, as far as questions about its classes go."""

    @property
    def path(self) -> Path:
        """Its folder."""

    @property
    def layers(self) -> Mapping[str, SurveyedChannels]:
        """Its layers by name."""

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the labels."""

    @property
    def model_classes(self) -> tuple[str, ...] | None:
        """The names of the model's outputs."""

    @property
    def pictures(self) -> SurveyedPictures:
        """The pictures that could be read."""

    def vectors(
        self, layer: str, pool: str = "mean", channels: Sequence[int] | None = None
    ) -> Float[np.ndarray, "picture channel"]:
        """The pooled activations of every picture."""

    def predictions(self) -> SurveyedPredictions | None:
        """The model's own answers, where they were kept."""


@dataclass(frozen=True, eq=False)
class Truth:
    """Which pictures show a class: `positives` says so of the pictures at `rows`, those that have a label at all."""

    label: str
    rows: Int[np.ndarray, " picture"]
    positives: Bool[np.ndarray, " picture"]
    names: tuple[str, ...]


def truth_of(survey: Surveyed, label: str | int) -> Truth:
    """Which of the labelled pictures show `label`, a name or a number.

    `SurveyError` where the survey has no labels or no such class, or where only one side has pictures.
    """
    name, number = named(survey, label)
    labels = np.asarray(survey.pictures.labels)
    rows = np.flatnonzero(labels >= 0)
    positives = labels[rows] == number
    if not positives.any() or positives.all():
        side = f"none of the {len(rows)} labelled pictures shows" if len(rows) and not positives.any() else "all show"
        raise SurveyError(
            f"survey {survey.path.name!r}: {side if len(rows) else 'no picture has a label, so none shows'} {name!r}; "
            "to tell a class apart, pictures with it and pictures without it are needed."
        )
    return Truth(name, rows, positives, tuple(survey.pictures.names[row] for row in rows.tolist()))


def weights_of(survey: Surveyed) -> str:
    """The fingerprint of the model that was surveyed; empty where the survey does not say."""
    manifest = getattr(survey, "manifest", None)
    return str(manifest.fingerprint.get("model", "")) if manifest is not None else ""


def layer_of(survey: Surveyed, layer: str | None) -> str:
    """The exact name of a surveyed layer; None is the only one there is."""
    names = list(survey.layers)
    if layer is None:
        if len(names) != 1:
            raise LayerNotFoundError(
                f"survey {survey.path.name!r} has {len(names)} layers ({', '.join(names)}); say which: layer=…."
            )
        return names[0]
    if layer not in names:
        raise LayerNotFoundError(
            f"survey {survey.path.name!r} has no layer {layer!r}.{did_you_mean(layer, names)} It surveyed "
            f"{', '.join(names)}."
        )
    return layer


def named(survey: Surveyed, label: str | int) -> tuple[str, int]:
    """A class's name and number; `OptionError` for what is neither, `SurveyError` for a class that does not exist."""
    known = survey.classes
    if known is None:
        raise SurveyError(
            f"survey {survey.path.name!r} has no labels, so no picture is known to show {label!r}. Survey a folder "
            "with a subfolder for each class, or give a table with a label column."
        )
    label = name_or_number(label)
    if isinstance(label, int):
        if not 0 <= label < len(known):
            raise SurveyError(f"class {label} does not exist: the survey has {len(known)}, 0 to {len(known) - 1}.")
        return known[label], label
    if label not in known:
        shown = ", ".join(known[:10]) + (", …" if len(known) > 10 else "")
        raise SurveyError(
            f"survey {survey.path.name!r} has no class {label!r}.{did_you_mean(label, known)} Its classes are {shown}."
        )
    return label, known.index(label)
