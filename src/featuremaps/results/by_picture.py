"""What results share that have a part for every picture: it is taken by number, and named in files and figures."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from PIL import Image
from torch import Tensor

from featuremaps.outputs.detections import DetectedBox
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.file_names import file_name, unique_names
from featuremaps.plotting.outlines import boxed
from featuremaps.plotting.panels import Line, Panel, counted, panels_figure
from featuremaps.results.answer import Answer, captions, headings
from featuremaps.results.shown import Shown

Result = TypeVar("Result", bound="ByPicture")
NOTHING = "nothing found to explain"


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


def _caption(target: str, box: DetectedBox) -> str:
    label = target if box.number is None else f"detection {box.number}: {box.label}"
    return f"{label} ({box.share}, box {box.place.strip('()')})"


class Explained(ByPicture):
    """What a method made of pictures for a target, and how the model was read for that.

    Of a detector there is a row for each box that is explained: several of a picture, or none. `boxes[i]` is that of
    row i, and `picture_numbers[i]` says which of the pictures given the row is of, counted from 0; `unexplained` are
    pictures without any.
    """

    method: str
    layer: str
    targets: tuple[str, ...]
    answers: tuple[Answer | None, ...]
    reading: tuple[str, ...]
    regions: tuple[Tensor | None, ...]
    boxes: tuple[DetectedBox | None, ...]
    picture_numbers: tuple[int, ...]
    unexplained: tuple[Seen, ...]

    def __post_init__(self) -> None:
        count = len(self.targets)
        unset: dict[str, tuple[object, ...]] = dict.fromkeys(("answers", "regions", "boxes"), (None,) * count)
        for name, value in (unset | {"picture_numbers": tuple(range(count))}).items():
            if not getattr(self, name):
                object.__setattr__(self, name, value)

    @property
    def captions(self) -> list[str]:
        """What is explained in each picture, with the class's probability or the detection's score and box."""
        plain = captions(self.targets, self.answers)
        return [text if box is None else _caption(text, box) for text, box in zip(plain, self.boxes, strict=True)]

    @property
    def headings(self) -> list[Line]:
        """The same, short enough for a figure: the class or the box, and apart from it how sure the model is."""
        plain = headings(self.targets, self.answers)
        return [line if box is None else Line(box.name, box.share) for line, box in zip(plain, self.boxes, strict=True)]

    @property
    def titles(self) -> list[str]:
        """The same as text."""
        return [str(line) for line in self.headings]

    def rows_of(self, picture: int) -> list[int]:
        """The rows of one picture: one, or of a detector as many as boxes are explained.

        Args:
            picture: The number of the picture, from 0 on.

        Returns:
            The numbers of the rows.
        """
        return [row for row, number in enumerate(self.picture_numbers) if number == picture]

    def marked(self) -> Iterator[Image.Image]:
        """The picture of each row as the model saw it, with the region or the box that is explained."""
        pairs = zip(self.pictures, self.regions, strict=True)
        return self.boxed(seen.outlined(seen.image, region) for seen, region in pairs)

    def boxed(self, images: Iterable[Image.Image], on: str = "seen") -> Iterator[Image.Image]:
        """A picture for each row with its box drawn on it, where it has one.

        Args:
            images: A picture for each row.
            on: "seen" where they are what the model saw, "original" where they are the whole original pictures.

        Returns:
            The pictures, one after the other.
        """
        for image, seen, box in zip(images, self.pictures, self.boxes, strict=True):
            if box is None:
                yield image
            else:
                yield boxed(image, seen.box_on_original(box.box) if on == "original" else box.box)

    @property
    def counted(self) -> str:
        """How many pictures there are; of a detector that found nothing, that it did."""
        return counted(len(self), "picture") if len(self) or not self.unexplained else NOTHING

    def nothing_found(self) -> Figure:
        """The pictures in which a detector found nothing to explain, as a figure."""
        rows = [[Panel(seen.image, seen.picture.name)] for seen in self.unexplained]
        return panels_figure(rows, None, title=NOTHING)

    def how(self) -> str:
        """How these maps came about: what was read of the model, what of it was assumed, and what of each picture."""
        preprocessing = dict.fromkeys(seen.preprocessing.describe() for seen in self.pictures)
        lines = [f"{self.method} of {self.layer}", *self.reading, *(f"pictures: {text}" for text in preprocessing)]
        for seen, caption in zip(self.pictures, self.captions, strict=True):
            size = "" if (image := seen.picture.image) is None else "{} × {} pixels, ".format(*image.size)
            given = " × ".join(map(str, seen.input.shape))
            lines.append(f"{seen.picture.name}: {size}given to the model as {given}; explained: {caption}")
        lines += [f"{seen.picture.name}: {NOTHING}" for seen in self.unexplained]
        return "\n".join(lines)
