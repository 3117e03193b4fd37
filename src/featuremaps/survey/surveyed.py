"""What the questions need of a survey, and the few things they all look up in one: a layer, the labels, a class."""

from collections.abc import Iterator, Mapping, Sequence
from operator import index
from typing import Literal, Protocol, get_args, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from PIL import Image

from featuremaps.errors import LayerNotFoundError, OptionError, SurveyError, did_you_mean
from featuremaps.layers.addresses import parse
from featuremaps.projecting import Sees

Pool = Literal["mean", "max"]
End = Literal["strongest", "weakest"]
Vectors = Float[np.ndarray, "picture channel"]


@runtime_checkable
class SurveyedLayer(Sees, Protocol):
    """One layer of a survey; its geometry is that of `LayerInfo`."""

    @property
    def channels(self) -> int:
        """How many channels it has."""
        ...

    @property
    def input_size(self) -> tuple[int, ...] | None:
        """Height and width of the model's input; None where pictures differ."""
        ...


@runtime_checkable
class PictureTable(Protocol):
    """The pictures that could be read, in order; label −1 is none."""

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        ...

    @property
    def labels(self) -> Int[np.ndarray, " picture"]:
        """The number of each one's class."""
        ...


@runtime_checkable
class Predictions(Protocol):
    """The model's top prediction of each picture: the number of its output, and how probable."""

    @property
    def indices(self) -> Int[np.ndarray, " picture"]:
        """The number of the top output."""
        ...

    @property
    def probabilities(self) -> Float[np.ndarray, " picture"]:
        """Its probability."""
        ...


@runtime_checkable
class Ranked(Protocol):
    """A picture among a unit's strongest or weakest."""

    @property
    def row(self) -> int:
        """The picture's row in the survey."""
        ...

    @property
    def value(self) -> float:
        """The unit's largest activation there."""
        ...

    @property
    def y(self) -> int:
        """The row of the map where that is."""
        ...

    @property
    def x(self) -> int:
        """The column of the map where that is."""
        ...


@runtime_checkable
class Surveyed(Protocol):
    """A survey, as far as questions are concerned; `Survey` is one."""

    @property
    def layers(self) -> Mapping[str, SurveyedLayer]:
        """The layers, by name."""
        ...

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the labels, in order."""
        ...

    @property
    def model_classes(self) -> tuple[str, ...] | None:
        """The names of the model's outputs, in order."""
        ...

    @property
    def pictures(self) -> PictureTable:
        """The pictures that could be read."""
        ...

    def vectors(self, layer: str, pool: Pool = "mean", channels: Sequence[int] | None = None) -> Vectors:
        """The pooled activations of a layer, or of some of its channels."""
        ...

    def blocks(self, layer: str, pool: Pool = "mean") -> Iterator[tuple[slice, Vectors]]:
        """The same in parts: rows of the pictures, and their vectors."""
        ...

    def predictions(self) -> Predictions | None:
        """What the model said of each picture, where that was kept."""
        ...

    def picture(self, row: int) -> Image.Image:
        """The original picture."""
        ...

    def top(self, unit: str, n: int, *, end: End = "strongest") -> Sequence[Ranked]:
        """The `n` pictures with the highest (lowest) largest activation; `OptionError` for more than were kept."""
        ...


def check_pool(by: str) -> None:
    """`OptionError` for a way of pooling that is not known."""
    if by not in get_args(Pool):
        raise OptionError(f"by={by!r} is not known; choose 'mean' or 'max'.{did_you_mean(str(by), get_args(Pool))}")


def layer_of(survey: Surveyed, layer: str | None) -> str:
    """The layer meant: the one named, or the only one there is."""
    names = list(survey.layers)
    if layer is None:
        if len(names) != 1:
            raise LayerNotFoundError(f"the survey has {len(names)} layers ({', '.join(names)}); say which: layer=….")
        return names[0]
    if layer not in names:
        near = did_you_mean(layer, names)
        raise LayerNotFoundError(f"the survey has no layer {layer!r}.{near} It has {', '.join(names)}.")
    return layer


def unit_of(survey: Surveyed, unit: str) -> tuple[str, int]:
    """The layer and the channel of a unit such as "layer4:452"."""
    if not isinstance(unit, str):
        raise OptionError(f"a unit is a layer and a channel of it, {next(iter(survey.layers)) + ':0'!r}; got {unit!r}.")
    address = parse(unit)
    layer = layer_of(survey, address.name)
    channels = survey.layers[layer].channels
    if address.channel is None:
        raise LayerNotFoundError(f"{unit!r} is a layer, and a unit is one channel of it: {unit + ':0'!r}.")
    if address.channel >= channels:
        raise LayerNotFoundError(f"{layer} has channels 0 to {channels - 1}, there is no {address.channel}.")
    return layer, address.channel


def labels_of(survey: Surveyed) -> tuple[Int[np.ndarray, " picture"], tuple[str, ...]]:
    """Each picture's label (−1: none) and the classes' names; `SurveyError` where no picture has a label."""
    labels = survey.pictures.labels
    if not bool((labels >= 0).any()):
        raise SurveyError(
            f"none of the survey's {len(labels)} pictures has a label, and this question is about classes. Survey a "
            "folder with a folder per class, or a table of paths and labels."
        )
    return labels, survey.classes or tuple(str(number) for number in range(int(labels.max()) + 1))


def number_of(label: str | int, classes: Sequence[str]) -> int:
    """The number of a class, by name or number; `OptionError` for what is neither."""
    label = name_or_number(label)
    if isinstance(label, int):
        if not 0 <= label < len(classes):
            raise SurveyError(f"there is no class {label}; they count from 0 to {len(classes) - 1}.")
        return label
    if label not in classes:
        shown = ", ".join(classes[:8]) + (", …" if len(classes) > 8 else "")
        raise SurveyError(f"the survey has no class {label!r}.{did_you_mean(label, classes)} It has {shown}.")
    return list(classes).index(label)


def name_or_number(label: str | int) -> str | int:
    """A class as a person may write it, a name or a number of any integer type; `OptionError` for anything else."""
    if isinstance(label, str):
        return label
    try:
        if isinstance(label, bool):
            raise TypeError
        return index(label)
    except TypeError as error:
        raise OptionError(f"a class is given by its name or its number; got {label!r}.") from error
