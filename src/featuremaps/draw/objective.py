"""What a drawing is to have much of: a channel, a neuron, a direction, a class, a layer; sums and differences of them.

An objective gives one value per row from what the model made of a batch of pictures; the drawing climbs it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.draw.model_view import Responses
from featuremaps.errors import LayerNotFoundError, OptionError
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.outputs.outputs import class_indices, class_label

RowValues = Float[Tensor, " row"]


@dataclass(frozen=True, eq=False)
class Ground:
    """What an objective is checked against before it is climbed: what a model makes of one picture.

    `looked` holds the maps of the layers it names, and the outputs if it asked for them.
    """

    looked: Responses
    classes: ClassOutputs = field(default_factory=ClassOutputs)
    look: Callable[[Tensor], Responses] | None = None

    def maps(self, layer: str) -> Float[Tensor, "row channel height width"]:
        """The maps of one layer."""
        return self.looked.maps[layer]


class Objective(ABC):
    """Something to climb. `a + b`, `a - b`, `0.5 * a` and `-a` (the picture that silences it) are objectives too."""

    @property
    def label(self) -> str:
        """What it is called: its `name`, if it has one, or what it is ("layer4:452")."""
        return getattr(self, "name", "") or self._label()

    def _label(self) -> str:
        return type(self).__name__

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers it looks at: its own `layer`, if it has one."""
        layer = getattr(self, "layer", None)
        return () if layer is None else (layer,)

    @property
    def outputs(self) -> bool:
        """Whether it looks at the model's outputs."""
        return False

    @property
    def placed(self) -> bool:
        """Whether it means a place in a map, so that pictures of another size cannot be compared."""
        return False

    @abstractmethod
    def values(self, looked: Responses) -> RowValues:
        """One value per row."""

    def grounded(self, ground: Ground) -> "Objective":
        """The same, checked against what the model really gives; raises what is wrong with it."""
        return self

    def __add__(self, other: "Objective") -> "Objective":
        return Combination((*_terms(self), *_terms(other)))

    def __sub__(self, other: "Objective") -> "Objective":
        return self + -other

    def __mul__(self, weight: float) -> "Objective":
        return Combination(tuple((weight * factor, term) for factor, term in _terms(self)))

    __rmul__ = __mul__

    def __neg__(self) -> "Objective":
        return self * -1.0


@dataclass(frozen=True)
class Channel(Objective):
    """The mean of one channel's map."""

    layer: str
    channel: int

    def _label(self) -> str:
        return f"{self.layer}:{self.channel}"

    def values(self, looked: Responses) -> RowValues:
        """The mean over the map."""
        return looked.channel(self.layer, self.channel).mean((1, 2))

    def grounded(self, ground: Ground) -> "Channel":
        """Raises `LayerNotFoundError` for a channel past the last."""
        _check_channel(self.layer, self.channel, ground)
        return self


@dataclass(frozen=True)
class Neuron(Objective):
    """One channel at one place of its map, (row, column); without a place, the middle."""

    layer: str
    channel: int
    place: tuple[int, int] | None = None

    def _label(self) -> str:
        return f"{self.layer}:{self.channel}@{'middle' if self.place is None else ','.join(map(str, self.place))}"

    @property
    def placed(self) -> bool:
        """Unless it is the middle."""
        return self.place is not None

    def values(self, looked: Responses) -> RowValues:
        """The value there."""
        map = looked.channel(self.layer, self.channel)
        y, x = (map.shape[1] // 2, map.shape[2] // 2) if self.place is None else self.place
        return map[:, y, x]

    def grounded(self, ground: Ground) -> "Neuron":
        """Raises `LayerNotFoundError` for a channel past the last or a place outside the map."""
        _check_channel(self.layer, self.channel, ground)
        height, width = ground.maps(self.layer).shape[2:]
        if self.place is not None and not (0 <= self.place[0] < height and 0 <= self.place[1] < width):
            raise LayerNotFoundError(
                f"{self.label}: a map of {self.layer} has rows 0 to {height - 1} and columns 0 to {width - 1} for "
                f"pictures of this size, there is no place {self.place}."
            )
        return self


@dataclass(frozen=True, eq=False)
class Direction(Objective):
    """Any direction in a layer's channels: the mean over positions of (a·v) · max(0.1, cos(a, v))^sharpness.

    v is `vector` (channel,), taken with length 1; `sharpness` 0 is the plain projection (Olah et al. 2017; the
    cosine keeps it from growing by other features).
    """

    layer: str
    vector: Float[Tensor, " channel"]
    sharpness: float = 1.0
    name: str = ""

    def _label(self) -> str:
        return f"direction in {self.layer}"

    def values(self, looked: Responses) -> RowValues:
        """The mean over the map's positions."""
        maps = looked.maps[self.layer]
        unit = (self.vector / self.vector.norm().clamp_min(1e-12)).to(maps)
        return along(maps, unit[None, :, None, None], self.sharpness).mean((1, 2))

    def grounded(self, ground: Ground) -> "Direction":
        """Raises `OptionError` for a vector of the wrong length or without a direction."""
        channels = ground.maps(self.layer).shape[1]
        if self.vector.shape != (channels,) or not bool(self.vector.isfinite().all()) or not bool(self.vector.any()):
            raise OptionError(
                f"{self.label}: a direction is one finite number for each of the {channels} channels of {self.layer}, "
                f"not all zero; got shape {tuple(self.vector.shape)}."
            )
        return self


@dataclass(frozen=True)
class Layer(Objective):
    """A whole layer: the mean of its squared values (Mordvintsev et al. 2015, DeepDream)."""

    layer: str

    def _label(self) -> str:
        return self.layer

    def values(self, looked: Responses) -> RowValues:
        """The mean square."""
        return looked.maps[self.layer].square().mean((1, 2, 3))


@dataclass(frozen=True)
class ClassScore(Objective):
    """The score of a class, by index or name: before the softmax, or its probability."""

    which: int | str
    probability: bool = False
    name: str = ""
    classes: ClassOutputs = field(default_factory=ClassOutputs)
    outputs = True

    def _label(self) -> str:
        return str(self.which)

    def values(self, looked: Responses) -> RowValues:
        """The score of each row."""
        read = self.classes.probabilities if self.probability else self.classes.scores
        return read(looked.outputs)[:, int(self.which)].float()

    def grounded(self, ground: Ground) -> "ClassScore":
        """By index, named; raises `TargetError` for a class that the model does not have."""
        scores = ground.classes.scores(ground.looked.outputs)[:1]
        index = int(class_indices(self.which, scores, ground.classes.names, 1)[0])
        return replace(self, which=index, name=class_label(index, ground.classes.names), classes=ground.classes)


@dataclass(frozen=True, eq=False)
class Combination(Objective):
    """A weighted sum of objectives."""

    terms: tuple[tuple[float, Objective], ...]
    name: str = ""

    def _label(self) -> str:
        """`layer4:452 + 0.5*layer4:7`."""
        parts = []
        for number, (weight, term) in enumerate(self.terms):
            sign = "-" if weight < 0 else "+" if number else ""
            factor = "" if abs(weight) == 1 else f"{abs(weight):.3g}*"
            parts.append(f"{sign}{' ' if number else ''}{factor}{term.label}")
        return " ".join(parts)

    @property
    def layers(self) -> tuple[str, ...]:
        """Those of all terms."""
        return tuple(dict.fromkeys(layer for _, term in self.terms for layer in term.layers))

    @property
    def outputs(self) -> bool:
        """Whether one of the terms looks at them."""
        return any(term.outputs for _, term in self.terms)

    @property
    def placed(self) -> bool:
        """Whether one of the terms is."""
        return any(term.placed for _, term in self.terms)

    def values(self, looked: Responses) -> RowValues:
        """The weighted sum."""
        return torch.stack([weight * term.values(looked) for weight, term in self.terms]).sum(0)

    def grounded(self, ground: Ground) -> "Combination":
        """With every term checked."""
        return replace(self, terms=tuple((weight, term.grounded(ground)) for weight, term in self.terms))


def interpolated(a: Objective, b: Objective, steps: int) -> list[Objective]:
    """From `a` to `b` in so many objectives, both ends included: (1 - t)·a + t·b."""
    if steps < 2:
        raise OptionError(f"an interpolation has 2 or more steps, its ends; got {steps}.")
    shares = [step / (steps - 1) for step in range(steps)]
    return [Combination((*_terms((1 - share) * a), *_terms(share * b))) for share in shares]


def along(maps: Tensor, directions: Tensor, sharpness: float) -> Float[Tensor, "row height width"]:
    """(a·r) · max(0.1, cos(a, r))^sharpness at every position."""
    dot = (maps * directions).sum(1)
    if not sharpness:
        return dot
    cosine = dot / (maps.norm(dim=1) * directions.norm(dim=1)).clamp_min(1e-6)
    weight: Tensor = cosine.clamp_min(0.1) ** sharpness
    return dot * weight


def _terms(objective: Objective) -> tuple[tuple[float, Objective], ...]:
    return objective.terms if isinstance(objective, Combination) and not objective.name else ((1.0, objective),)


def _check_channel(layer: str, channel: int, ground: Ground) -> None:
    channels = ground.maps(layer).shape[1]
    if not 0 <= channel < channels:
        raise LayerNotFoundError(
            f"{layer} has channels 0 to {channels - 1}, there is no {channel} ({layer}:{channel} was asked for)."
        )


def likeness(maps: Float[Tensor, "row channel height width"]) -> Float[Tensor, " row"]:
    """How alike each row is to the others: the mean cosine between their channels' Gram matrices; 0 for one row alone.

    Olah et al. 2017, appendix "diversity".
    """
    flat = maps.flatten(2)
    grams = torch.nn.functional.normalize((flat @ flat.mT).flatten(1), dim=1)
    others = (grams @ grams.mT).masked_fill(torch.eye(len(grams), device=maps.device, dtype=torch.bool), 0)
    return others.sum(1) / max(1, len(grams) - 1)
