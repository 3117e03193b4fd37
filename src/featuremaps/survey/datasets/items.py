"""Datasets in memory or in a user's own code: a torch Dataset, a DataLoader's dataset, a list of pictures, a tensor."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from featuremaps.errors import ImageError, SurveyError
from featuremaps.images import Picture, picture_of
from featuremaps.survey.examples import Example, digest


@dataclass(frozen=True, eq=False)
class Items:
    """Anything with a length and items: an image, (image, label), or a dict with "image" or "pixel_values".

    A floating-point tensor is taken as already preprocessed.
    """

    dataset: Any
    classes: tuple[str, ...] | None
    image: str | None = None
    label: str | None = None
    threads: bool = False

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, number: int) -> Example:
        return Example(number, f"picture {number}")

    def read(self, number: int) -> Picture:
        """The item's picture and label; whatever the dataset raises is the reason."""
        try:
            item = self.dataset[number]
        except Exception as error:
            raise ImageError(f"dataset[{number}] raised {type(error).__name__}: {error}") from error
        if self.image is not None or self.label is not None:
            item = {"image": item[self.image or "image"], "label": item[self.label] if self.label else None}
        return picture_of(item)

    def identity(self) -> str:
        """What can be told without reading every item: the kind, the length, the targets or the values themselves."""
        own = self.dataset
        if isinstance(own, Tensor):
            return digest([tuple(own.shape), digest([own.detach().cpu().float().numpy().tobytes()])])
        targets = getattr(own, "targets", None)
        known = targets.tolist() if isinstance(targets, Tensor) else targets if isinstance(targets, list) else ()
        return digest([type(own).__qualname__, len(own), *known, getattr(own, "_fingerprint", "")])


def items(dataset: Any, classes: Sequence[str] | None) -> Items:
    """A map-style dataset or sequence; torchvision's `dataset.classes` names the labels unless `classes` does."""
    if isinstance(dataset, DataLoader):
        dataset = dataset.dataset
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        raise SurveyError(
            f"a {type(dataset).__name__} has no items that can be asked for by number, so a survey of it could not go "
            "on after a stop. Pass a map-style Dataset (with __len__ and __getitem__); for WebDataset pass the paths "
            "of its tar files, 'train-{000..099}.tar'."
        )
    if len(dataset) == 0:
        raise SurveyError(f"the {type(dataset).__name__} has no items.")
    own = getattr(dataset, "classes", None)
    names = classes if classes is not None else own if isinstance(own, list | tuple) else None
    return Items(dataset, None if names is None else tuple(map(str, names)))
