"""What results share: a part for every picture, taken by number, and a figure that a notebook shows."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from torch import Tensor

from featuremaps.pictures.seen import Seen
from featuremaps.plotting.file_names import file_name, unique_names
from featuremaps.plotting.files import png_of
from featuremaps.results.answer import Answer, captions, titles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Result = TypeVar("Result", bound="ByPicture")


class Shown:
    """A result that a notebook shows as its figure."""

    figure: "Callable[..., Figure]"

    def _repr_png_(self) -> bytes | None:
        return png_of(self.figure())


class ByPicture(Shown):
    """A frozen dataclass, some of whose fields hold something for each of its `pictures`."""

    pictures: tuple[Seen, ...]
    by_picture: ClassVar[tuple[str, ...]]
    """The names of these fields."""

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self: Result, index: int | slice) -> Result:
        """The part of one picture, or of several."""
        if isinstance(index, int) and not -len(self) <= index < len(self):
            raise IndexError(f"picture {index} of {len(self)}: they count from 0 to {len(self) - 1}.")
        part = index if isinstance(index, slice) else slice(index, index + 1 or None)
        kept: dict[str, Any] = {name: getattr(self, name)[part] for name in self.by_picture}
        return replace(self, **kept)  # type: ignore[type-var]

    def __iter__(self: Result) -> Iterator[Result]:
        return (self[index] for index in range(len(self)))

    def _stems(self, *parts: str) -> list[str]:
        """A file's name for every picture, without its ending: no two alike."""
        names = unique_names([file_name(Path(seen.picture.name).name) for seen in self.pictures])
        return [file_name(name, *parts) for name in names]


class Explained(ByPicture):
    """What a method made of pictures for a target, and how the model was read for that."""

    method: str
    layer: str
    targets: tuple[str, ...]
    answers: tuple[Answer | None, ...]
    reading: tuple[str, ...]
    regions: tuple[Tensor | None, ...]

    def __post_init__(self) -> None:
        for name in ("answers", "regions"):
            if not getattr(self, name):
                object.__setattr__(self, name, (None,) * len(self.targets))

    @property
    def captions(self) -> list[str]:
        """What is explained in each picture, with the class's probability where it is one."""
        return captions(self.targets, self.answers)

    @property
    def titles(self) -> list[str]:
        """The same, short enough for a figure."""
        return titles(self.targets, self.answers)

    def how(self) -> str:
        """How these maps came about: what was read of the model, what of it was assumed, and what of each picture."""
        preprocessing = dict.fromkeys(seen.preprocessing.describe() for seen in self.pictures)
        lines = [f"{self.method} of {self.layer}", *self.reading, *(f"pictures: {text}" for text in preprocessing)]
        for seen, caption in zip(self.pictures, self.captions, strict=True):
            size = "" if (image := seen.picture.image) is None else "{} × {} pixels, ".format(*image.size)
            given = " × ".join(map(str, seen.input.shape))
            lines.append(f"{seen.picture.name}: {size}given to the model as {given}; explained: {caption}")
        return "\n".join(lines)
