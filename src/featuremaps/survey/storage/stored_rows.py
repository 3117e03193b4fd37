"""What the tables of a survey hold, as objects: the pictures, the model's answers, and ranked pictures of a channel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class BadPicture:
    """A picture that does not count, and why."""

    number: int
    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class PictureTable:
    """The pictures that count, in order; `numbers` are their positions in the dataset, a label of -1 is none.

    Where a survey counts regions, a row is a region: `names` say which of its picture's, `files` what the picture is
    called, and `keys` are what other tables call rows.
    """

    names: tuple[str, ...]
    paths: tuple[str | None, ...]
    labels: NDArray[np.int64]
    numbers: NDArray[np.int64]
    sha256: tuple[str | None, ...]
    bad: tuple[BadPicture, ...]
    files: tuple[str, ...]
    keys: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, eq=False)
class Predictions:
    """The model's own answers, a row per picture: its best class and probability, and the best five of both."""

    indices: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    top_classes: NDArray[np.int64]
    top_probabilities: NDArray[np.float32]


@dataclass(frozen=True)
class Ranked:
    """A picture among a channel's strongest or weakest: its row, the value, and where its map is highest (y, x)."""

    rank: int
    value: float
    row: int
    y: int
    x: int
