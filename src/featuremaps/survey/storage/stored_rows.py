"""What the tables of a survey hold, as objects: the pictures, the model's answers, and ranked pictures of a channel."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int
from numpy.typing import NDArray


@dataclass(frozen=True)
class BadPicture:
    """A picture that does not count, and why."""

    number: int
    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class LabelSets:
    """Where a picture may have several labels: which classes it has, and whether that is `known` at all."""

    members: Bool[np.ndarray, "picture class"]
    known: Bool[np.ndarray, " picture"]

    @property
    def pairs(self) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
        """The row and the class of every label."""
        rows, numbers = self.members.nonzero()
        return rows, numbers

    def of(self, number: int) -> Int[np.ndarray, " picture"]:
        """For each picture 1 where it has the class, 0 where not, -1 where nobody knows."""
        return np.where(self.known, self.members[:, number].astype(np.int64), -1)


@dataclass(frozen=True, eq=False)
class PictureTable:
    """The pictures that count, in order; `numbers` are their positions in the dataset, a label of -1 is none.

    Where a survey counts regions, a row is a region: `names` say which of its picture's, `files` what the picture is
    called, and `keys` are what other tables call rows.
    `sets` has the classes of each where a picture may have several; it has no single label then.
    """

    names: tuple[str, ...]
    paths: tuple[str | None, ...]
    labels: NDArray[np.int64]
    numbers: NDArray[np.int64]
    sha256: tuple[str | None, ...]
    bad: tuple[BadPicture, ...]
    files: tuple[str, ...]
    keys: NDArray[np.int64]
    sets: LabelSets | None = None

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, eq=False)
class Predictions:
    """The model's own answers, a row per picture: its best class and probability, and the best five of both.

    Of all outputs where pictures may have several labels.
    """

    indices: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    top_classes: NDArray[np.int64]
    top_probabilities: NDArray[np.float32]

    def of(self, output: int) -> NDArray[np.float32]:
        """The probability that each picture was given for one output, where those of all were kept."""
        return np.where(self.top_classes == output, self.top_probabilities, 0).sum(1)


@dataclass(frozen=True)
class Ranked:
    """A picture among a channel's strongest or weakest: its row, the value, and where its map is highest (y, x)."""

    rank: int
    value: float
    row: int
    y: int
    x: int


def labels_in(table: pa.Table) -> NDArray[np.int64]:
    """The labels of a table of pictures, -1 where there is none."""
    batches = table.select(["label"]).combine_chunks().to_batches()
    found = [batch.to_tensor(null_to_nan=True).to_numpy()[:, 0] for batch in batches]
    return np.nan_to_num(np.concatenate(found or [np.zeros(0)]), nan=-1).astype(np.int64)


def label_sets_in(table: pa.Table, classes: int | None = None) -> LabelSets | None:
    """Which classes each picture of a table has, of so many or of all that are there; None where each has one."""
    if "labels" not in table.column_names:
        return None
    given = table["labels"].to_pylist()
    known = np.array([labels is not None for labels in given], bool)
    count = 1 + max((label for labels in given for label in labels or ()), default=-1) if classes is None else classes
    members = np.zeros((len(given), count), bool)
    for row, labels in enumerate(given):
        members[row, labels or []] = True
    return LabelSets(members, known)
