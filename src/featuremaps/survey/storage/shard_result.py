"""What a pass finds in one shard: its examples, what each layer did, and the model's own answers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from featuremaps.outputs.found_regions import FoundRegion
from featuremaps.survey.storage.pooled import Best, End, Pooling

TOP = 5
MOST_REGIONS = 1024
"""So many regions of a picture can be numbered."""


@dataclass(frozen=True, eq=False)
class LoadedPicture:
    """One example as the model receives it, or the reason why it cannot be read; `sha256` is of its file's content.

    `labels` are the numbers of its classes where a picture may have several.
    """

    number: int
    name: str
    path: Path | None
    label: int | None
    input: Float[Tensor, "channel *space"] | None
    reason: str | None = None
    sha256: str | None = None
    labels: tuple[int, ...] | None = None

    def bad(self, reason: str) -> "LoadedPicture":
        """The same, put aside."""
        return replace(self, input=None, reason=reason)


@dataclass(frozen=True, eq=False)
class Predicted:
    """The model's own answer for each picture: the best classes, best first, and their probabilities."""

    classes: NDArray[np.int32]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LayerResult:
    """What one layer did in one shard: rows are the shard's good pictures, or their regions, in order.

    `active` is in how many pictures a channel is above 0 anywhere, `zeros` at how many of `positions` it is 0.
    """

    mean: NDArray[np.float32]
    max: NDArray[np.float32]
    best: Mapping[tuple[Pooling, End], Best]
    active: NDArray[np.int64]
    zeros: NDArray[np.int64]
    positions: int


@dataclass(frozen=True)
class SurveyedRegion:
    """A region of the dataset's picture number `picture`, in which it is the number `index`."""

    picture: int
    index: int
    found: FoundRegion

    @property
    def key(self) -> int:
        """What it is called in every table."""
        return self.picture * MOST_REGIONS + self.index


@dataclass(frozen=True, eq=False)
class ShardResult:
    """Everything a survey keeps of one shard. `pictures` are all its examples, the bad ones with their reason.

    `regions` are what rows are, in order, where a survey counts regions; None where it counts pictures.
    """

    number: int
    pictures: tuple[LoadedPicture, ...]
    layers: Mapping[str, LayerResult]
    predicted: Predicted | None
    regions: tuple[SurveyedRegion, ...] | None = None

    @property
    def good(self) -> NDArray[np.int64]:
        """The dataset's numbers of the pictures that count."""
        return np.array([picture.number for picture in self.pictures if picture.reason is None], np.int64)

    @property
    def keys(self) -> NDArray[np.int64]:
        """What each row is called: its picture's number, or its region's key."""
        return self.good if self.regions is None else np.array([region.key for region in self.regions], np.int64)
