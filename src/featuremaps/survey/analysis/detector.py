"""A detector: a few channels of one layer, added up and compared with a threshold, as a module that stops there."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from featuremaps.errors import ModelError, SurveyError, check_choice
from featuremaps.layers.addresses import find, parse
from featuremaps.layers.given import GivenLayout, LayoutLike, given_layout
from featuremaps.plotting.cards import card
from featuremaps.running import exporting
from featuremaps.runtime.capture import device_of
from featuremaps.runtime.recording import take
from featuremaps.runtime.warnings import why_not_finite
from featuremaps.session import preserved, unwrapped
from featuremaps.survey.analysis.channel_numbers import check_channels, checked_channels
from featuremaps.survey.analysis.class_labels import ClassLabels, class_labels
from featuremaps.survey.analysis.detector_evaluation import DetectorEvaluation
from featuremaps.survey.analysis.detector_vs_model import AgainstModel, output_of, rivalry
from featuremaps.survey.storage.fingerprint import check_same_model
from featuremaps.survey.storage.json_and_safetensors import read_numbers, read_words, write
from featuremaps.survey.storage.pooled import Pooling
from featuremaps.survey.storage.reader import StoredSurvey

ScoringRule = Literal["sum", "single", "logistic"]


@dataclass(frozen=True)
class Origin:
    """Where a detector comes from: what it finds, how its threshold was chosen, and on which pictures.

    `shares` are what was measured there (recall, false_alarm, area), `model` and `weights` tell the model apart.
    """

    label: str = ""
    chosen: str = ""
    data: str = ""
    pictures: int = 0
    positives: int = 0
    shares: tuple[tuple[str, float], ...] = ()
    model: str = ""
    weights: str = ""


class Detector(nn.Module):
    """Scores pictures by a weighted sum of the pooled `channels` of one layer; positive from the threshold on.

    `survey.detector` makes it. The model runs in evaluation mode, stops after the layer, and is left as it was; threads
    take turns with it. It is the one that was given, not a copy: `.to(device)` moves it too. Scores carry no gradient.

    Args:
        model: The model; with `None` only what was surveyed can be scored.
        layer: The layer's address.
        channels: The numbers of its channels, counted from 0.
        rule: "sum" adds the channels up, "single" takes the only one, "logistic" weights each.
        weights: A weight for each channel, for "logistic" alone.
        bias: What is added to the sum.
        threshold: The score from which on a picture is positive.
        pooling: "mean" or "max" over the places of the layer.
        calibration: Slope and offset that turn a score into log-odds; without them there are no probabilities.
        origin: What it finds, how its threshold was chosen, and on which pictures.
        layout: How the layer's tokens lie, where that cannot be followed from the picture.

    Raises:
        LayerNotFoundError: The model has no such layer.
        OptionError: A rule or pooling that is not there, or channels that are no numbers.
        SurveyError: Channels that are none, doubled or negative, or weights that do not fit the rule.
    """

    channels: Tensor
    weights: Tensor
    bias: Tensor
    threshold: Tensor
    slope: Tensor
    offset: Tensor

    def __init__(
        self,
        model: nn.Module | None,
        layer: str,
        channels: Sequence[int],
        *,
        rule: ScoringRule = "sum",
        weights: Sequence[float] | None = None,
        bias: float = 0.0,
        threshold: float = 0.0,
        pooling: Pooling = "mean",
        calibration: tuple[float, float] | None = None,
        origin: Origin | None = None,
        layout: LayoutLike | GivenLayout | None = None,
    ) -> None:
        super().__init__()
        channels = checked_channels(channels, layer)
        check_choice("rule", rule, get_args(ScoringRule))
        check_choice("pooling", pooling, get_args(Pooling))
        if rule == "single" and len(channels) != 1:
            raise SurveyError(f"rule='single' is about one channel, and {len(channels)} were given; use rule='sum'.")
        if (rule == "logistic") != (weights is not None):
            raise SurveyError("rule='logistic' has a weight for each channel; 'sum' and 'single' have none: all are 1.")
        if weights is not None and len(weights) != len(channels):
            raise SurveyError(f"{len(weights)} weights were given for {len(channels)} channels; give one for each.")
        self.model = None if model is None else unwrapped(model)
        if self.model is not None:
            find(self.model, parse(layer).layer)
        self.layer, self.rule, self.pooling, self.origin = layer, rule, pooling, origin or Origin()
        self.layout = given_layout(layout)
        self.calibrated, self.last = calibration is not None, max(channels)
        self.register_buffer("channels", torch.tensor(channels, device="cpu"))
        slope, offset = calibration or (1.0, 0.0)
        numbers = {"weights": weights or [1.0] * len(channels), "bias": bias, "threshold": threshold}
        for name, value in (numbers | {"slope": slope, "offset": offset}).items():
            self.register_buffer(name, torch.tensor(value, dtype=torch.float32, device="cpu"))

    def forward(self, inputs: Float[Tensor, "batch channel *space"]) -> Float[Tensor, " batch"]:
        """The score of each picture, float32, on the model's device.

        Args:
            inputs: Preprocessed pictures, (batch, channel, height, width).

        Returns:
            (batch,), the weighted sum of the pooled channels, plus the bias.
        """
        pooled = self._pooled(inputs)
        return self.scores(pooled[:, self.channels.to(pooled.device)])

    def scores(self, vectors: Float[Tensor, "picture channel"]) -> Float[Tensor, " picture"]:
        """The scores of pictures whose pooled channels are already known.

        Args:
            vectors: (picture, channel), only the detector's channels, in their order.

        Returns:
            (picture,).
        """
        weights, bias = self.weights.to(vectors.device).float(), self.bias.to(vectors.device).float()
        return (vectors.float() * weights).sum(1) + bias

    def detect(self, inputs: Float[Tensor, "batch channel *space"]) -> Bool[Tensor, " batch"]:
        """Whether each picture's score reaches the threshold.

        Args:
            inputs: Preprocessed pictures, (batch, channel, height, width).

        Returns:
            (batch,), true or false.
        """
        return self.decided(self(inputs))

    def decided(self, scores: Float[Tensor, " batch"]) -> Bool[Tensor, " batch"]:
        """Whether each score reaches the threshold.

        Args:
            scores: (batch,), from `forward` or `scores`.

        Returns:
            (batch,), true or false.
        """
        return scores >= self.threshold.to(scores.device).float()

    def probability(self, inputs: Float[Tensor, "batch channel *space"]) -> Float[Tensor, " batch"]:
        """How likely each picture is positive, as calibrated on the pictures that the detector was fitted to.

        Args:
            inputs: Preprocessed pictures, (batch, channel, height, width).

        Returns:
            (batch,), 0 to 1.
        """
        return self.chances(self(inputs))

    def chances(self, scores: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """Scores as probabilities.

        Args:
            scores: (batch,), from `forward` or `scores`.

        Returns:
            (batch,), 0 to 1.

        Raises:
            SurveyError: The detector was never calibrated.
        """
        if not self.calibrated:
            raise SurveyError("this detector gives no probabilities: it was made by hand, without a calibration.")
        slope, offset = self.slope.to(scores.device).float(), self.offset.to(scores.device).float()
        return (slope * scores.float() + offset).sigmoid()

    def test(self, survey: StoredSurvey) -> DetectorEvaluation:
        """How it does on a survey of other pictures with the same model.

        Args:
            survey: A survey with labels.

        Returns:
            Curves, confusion, calibration, intervals, and their figure.
        """
        labels, scores = self._on_survey(survey)
        origin = self.origin
        return DetectorEvaluation(
            label=labels.label,
            detector=self.extra_repr(),
            data=survey.path.name,
            names=labels.names,
            positives=labels.positives,
            scores=scores.numpy(),
            threshold=float(self.threshold),
            chosen=f"{origin.chosen} on {origin.pictures} pictures of {origin.data}" if origin.chosen else "",
            before=dict(origin.shares),
            probabilities=self.chances(scores).numpy() if self.calibrated else None,
        )

    def against_model(
        self, surveys: StoredSurvey | Mapping[str, StoredSurvey], *, predicted: str | int | None = None
    ) -> AgainstModel:
        """Its decisions beside the model's own answers on the same pictures.

        The model answers the class where its highest output is the one of that name, or the one called `predicted`; in
        a survey of several labels a picture, where the probability of that output is at least one half.

        Args:
            surveys: A survey, or one for each domain by name.
            predicted: The output that means the class, where it is called differently.

        Returns:
            Both on the same pictures, with intervals.
        """
        domains = surveys if isinstance(surveys, Mapping) else {surveys.path.name: surveys}
        rivalries = {}
        for domain, survey in domains.items():
            labels, scores = self._on_survey(survey)
            answers = survey.predictions()
            if answers is None:
                raise SurveyError(
                    f"survey {survey.path.name!r} did not keep the model's own predictions, so there is nothing to "
                    "compare with. Survey the pictures again with predictions."
                )
            output = output_of(labels.label, survey.model_classes, predicted)
            several = survey.manifest.multi_label
            called = (answers.of(output) >= 0.5 if several else answers.indices == output)[labels.rows]
            rivalries[domain] = rivalry(labels.positives, self.decided(scores).numpy(), called)
        return AgainstModel(self.origin.label, rivalries)

    def on(self, model: nn.Module, layout: LayoutLike | None = None) -> "Detector":
        """The same detector on a model.

        Args:
            model: The model that it was made for.
            layout: How its layer's tokens lie, where that cannot be followed from the picture; it is not saved.

        Returns:
            A new detector.

        Raises:
            SurveyError: The model's weights are not those that it was made for.
        """
        find(unwrapped(model), parse(self.layer).layer)
        check_same_model(model, self.origin.model, self.origin.weights)
        moved = copy(self)
        moved._modules = dict(self._modules)
        moved._buffers = dict(self._buffers)
        moved.model, moved.layout = unwrapped(model), given_layout(layout) or self.layout
        return moved

    def save(self, folder: str | Path) -> Path:
        """Write `detector.safetensors` and `detector.json`, without the model.

        Args:
            folder: Where they are written.

        Returns:
            The folder.
        """
        words = {
            "layer": self.layer,
            "channels": self.channels.tolist(),
            "rule": self.rule,
            "pooling": self.pooling,
            "threshold": float(self.threshold),
            "calibrated": self.calibrated,
            "origin": asdict(self.origin) | {"shares": dict(self.origin.shares)},
        }
        return write(Path(folder), "detector", words, dict(self.named_buffers(recurse=False)))

    @classmethod
    def load(cls, folder: str | Path, model: nn.Module | None = None) -> "Detector":
        """A saved detector on its model.

        Args:
            folder: Where it was saved.
            model: The model; without it only what was surveyed can be scored.

        Returns:
            The detector.

        Raises:
            SurveyError: It was made for another model, or files are missing or damaged.
        """
        words, numbers = read_words(Path(folder), "detector"), read_numbers(Path(folder), "detector")
        try:
            origin = words["origin"]
            detector = cls(
                None,
                words["layer"],
                numbers["channels"].tolist(),
                rule=words["rule"],
                weights=numbers["weights"].tolist() if words["rule"] == "logistic" else None,
                bias=float(numbers["bias"]),
                threshold=float(numbers["threshold"]),
                pooling=words["pooling"],
                calibration=(float(numbers["slope"]), float(numbers["offset"])) if words["calibrated"] else None,
                origin=Origin(**origin | {"shares": tuple(origin["shares"].items())}),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise SurveyError(
                f"{folder} does not describe a detector ({type(error).__name__}: {error}). Save the detector again."
            ) from error
        return detector if model is None else detector.on(model)

    def extra_repr(self) -> str:
        """What it finds, by what, from which score on."""
        names = [f"{self.layer}:{channel}" for channel in self.channels.tolist()]
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        what = f"{self.origin.label!r} by " if self.origin.label else ""
        return f"{what}{self.rule} of {shown} ({self.pooling}), positive from {float(self.threshold):.4g}"

    def __repr__(self) -> str:
        return f"<Detector: {self.extra_repr()}>"

    def _repr_html_(self) -> str:
        told: dict[str, object] = {
            "channels": ", ".join(f"{self.layer}:{channel}" for channel in self.channels.tolist()),
            "score": f"the {self.rule} of their {self.pooling} activations in a picture",
            "positive": f"from a score of {float(self.threshold):.4g} on",
        }
        return card(f"Detector of {self.origin.label}" if self.origin.label else "Detector", told)

    def _on_survey(self, survey: StoredSurvey) -> tuple[ClassLabels, Tensor]:
        """Which labelled pictures show its class, and the scores of all labelled ones."""
        if not self.origin.label:
            raise SurveyError("this detector was made by hand and names no class; make it with Origin(label=…).")
        made, surveyed = self.origin.weights, survey.manifest.fingerprint.get("model")
        if made and surveyed and made != surveyed:
            raise SurveyError(
                f"survey {survey.path.name!r} was made with another model (weights {surveyed[:12]}…) than this "
                f"detector (weights {made[:12]}…), whose threshold means nothing there. Survey the pictures with "
                "the same model, or compare the two with compare_models."
            )
        survey.check_of_pictures("a detector made of channels")
        labels, layer = class_labels(survey, self.origin.label), survey.layer_of(self.layer)
        check_channels([self.last], layer.channels, layer.name)
        vectors = survey.vectors(layer.name, self.pooling, self.channels.tolist())[labels.rows]
        return labels, self.scores(torch.from_numpy(vectors))

    def _pooled(self, inputs: Tensor) -> Tensor:
        """The layer's channels, pooled over their positions, (batch, channel)."""
        if self.model is None:
            raise ModelError(
                "this detector was made without its model, so it can score what was surveyed but no new pictures; "
                "give it the model: detector.on(model)."
            )
        if not exporting() and not len(inputs):
            return torch.zeros(0, self.last + 1, device=device_of(self.model), dtype=torch.float32)
        with preserved(self.model, self.layout) as session:
            # An export keeps account of the modules it is in, which stopping would leave in disorder.
            record = take(session, inputs, [self.layer], gradients=False, stop_early=not exporting())
        maps = record.activations[self.layer]
        check_channels([self.last], maps.shape[1], self.layer)
        pooled = maps.mean((2, 3)) if self.pooling == "mean" else maps.amax((2, 3))
        if not exporting() and not bool(pooled.isfinite().all()):
            bad = (~pooled.isfinite().all(1)).nonzero()[:, 0].tolist()
            which = f"{'s' if len(bad) > 1 else ''} {', '.join(map(str, bad[:5]))}{', …' if len(bad) > 5 else ''}"
            raise ModelError(
                f"layer {self.layer!r} gives values that are not finite for picture{which} of the batch (counted from "
                f"0). {why_not_finite(self.model)}"
            )
        return pooled
