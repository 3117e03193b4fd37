"""Drawings: pictures made by optimisation, with how far they came, how they were made, and how they look.

The figures are in `drawing_figures.py`, what is written into files in `png_metadata.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, overload

import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from featuremaps.draw.drawing_figures import DrawnPicture, RealPicture, drawing_figure, sheet_figure
from featuremaps.draw.png_metadata import plain, read_png, write_png
from featuremaps.errors import ImageError, OptionError, did_you_mean, first_of
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.file_names import PICTURE_SUFFIXES, file_name, unique_names
from featuremaps.plotting.files import png_of, write_files
from featuremaps.plotting.panels import counted, number
from featuremaps.results.shown import Shown

Goal = Literal["maximised", "minimised"]


@dataclass(frozen=True, eq=False)
class Real:
    """The best `value` that any of `count` real pictures gave, the picture's name, and the picture where it is kept."""

    value: float
    name: str
    count: int
    seen: Seen | None = None


@dataclass(frozen=True, eq=False)
class Drawing(Shown):
    """One picture made by optimisation.

    Attributes:
        name: What was drawn.
        picture: Values 0 to 1, (channel, height, width), as a person sees them.
        curve: What was maximised or minimised, step by step.
        settings: Everything needed to make it again, as plain JSON.
        value: The objective of the final picture, shown once, undistorted, at the model's own size.
        real: The best value among real pictures, and the picture that has it.
        goal: "maximised" or "minimised".
        alpha: How much each pixel mattered, 0 to 1.
        frames: Pictures of the way there.
        notes: What a reader must know.
    """

    name: str
    picture: Float[Tensor, "channel height width"]
    curve: Float[Tensor, " steps"]
    settings: Mapping[str, object]
    value: float | None = None
    real: Real | None = None
    goal: Goal = "maximised"
    alpha: Float[Tensor, "height width"] | None = None
    frames: tuple[UInt8[Tensor, "_channel _height _width"], ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", plain(self.settings))
        if self.alpha is not None and self.alpha.shape != self.picture.shape[1:]:
            sizes = ["×".join(map(str, shape)) for shape in (self.alpha.shape, self.picture.shape[1:])]
            raise ImageError(f"{self.name}: alpha is {sizes[0]}, and the picture is {sizes[1]}.")

    @property
    def image(self) -> Image.Image:
        """RGB, grey for one or two channels (the first), the first three of more; RGBA where there is an alpha."""
        image = _image_of(_levels(self.picture))
        if self.alpha is not None:
            image = image.convert("RGB")
            image.putalpha(_image_of(_levels(self.alpha[None])))
        return image

    def over(self, background: str = "white") -> Image.Image:
        """The picture in RGB, laid over a colour where it is transparent.

        Args:
            background: A colour, such as "white" or "grey".

        Returns:
            The picture.
        """
        image = self.image.convert("RGBA")
        try:
            ground = Image.new("RGBA", image.size, background)
        except ValueError as error:
            raise OptionError(f"background={background!r} is no colour; write 'white', 'grey' or '#808080'.") from error
        return Image.alpha_composite(ground, image).convert("RGB")

    @property
    def score(self) -> float | None:
        """How many times the best real picture's value was reached; None where the two cannot be divided.

        That is without real pictures, where they reach nothing above 0, and for what was minimised.
        """
        if self.value is None or self.real is None or self.goal == "minimised" or self.real.value <= 0:
            return None
        return self.value / self.real.value

    @property
    def words(self) -> str:
        """Value and score as a person would say them; nothing where there is no value."""
        if self.value is None:
            return ""
        reached = f"{number(self.value)}{' (lower is better)' if self.goal == 'minimised' else ''}"
        if self.real is None:
            return reached
        best = "the only real picture" if self.real.count == 1 else f"the best of {self.real.count:,} pictures"
        if self.score is not None:
            return f"{reached}, {number(self.score)} times {best} ({self.real.name})"
        return f"{reached}; {best} gives {number(self.real.value)} ({self.real.name})"

    def figure(self, *, background: str = "white") -> Figure:
        """The picture, large, with name, value and score, beside its curve; the best real picture first, if kept.

        Args:
            background: The colour behind what is transparent.

        Returns:
            A figure of matplotlib.
        """
        return drawing_figure(self._shown(background))

    def save(self, path: str | Path = ".", *, numbers: bool = False) -> list[Path]:
        """Write a PNG with the settings inside it; `Drawing.settings_of` reads them back.

        Args:
            path: A folder, where the file is called after the drawing, or a file that ends in .png.
            numbers: Whether the unrounded picture and the curve (`.npy`, float32) are written too.

        Returns:
            The files written.
        """
        place = _place(Path(path), self.name, ".png")
        write_png(self.image, place, self._told())
        kept = [(place.stem, self.picture), (f"{place.stem}__curve", self.curve)] if numbers else []
        return [place, *write_files(place.parent, kept)]

    @staticmethod
    def settings_of(path: str | Path) -> dict[str, Any]:
        """The settings inside a PNG that `save` wrote.

        Args:
            path: The file.

        Returns:
            The settings.

        Raises:
            ImageError: There are none in it.
        """
        told = read_png(path)
        return told["settings"]

    def animation(self, path: str | Path = ".", *, duration: int | float = 3.0, hold: int | float = 1.0) -> Path:
        """Write how the picture came about as an animated WebP, and return its path.

        Args:
            path: A folder, or a file that ends in .webp.
            duration: How long the way there takes, in seconds.
            hold: How long the final picture stays, in seconds.

        Raises:
            OptionError: No frames were kept while drawing (`frames=`), or a time is negative.
        """
        if not self.frames:
            raise OptionError(f"{self.name}: no frames were kept of the way there. Draw it again with frames=24.")
        if duration <= 0 or hold < 0:
            raise OptionError(f"duration is above 0 and hold 0 or more, in seconds; got {duration} and {hold}.")
        place = _place(Path(path), self.name, ".webp")
        final = _image_of(_levels(self.picture)).convert("RGB")
        steps = [_image_of(frame).convert("RGB").resize(final.size, Image.Resampling.BICUBIC) for frame in self.frames]
        each = max(1, round(1000 * duration / len(steps)))
        timing = [each] * len(steps) + [max(1, round(1000 * hold))]
        later = [*steps[1:], final]
        steps[0].save(place, "WEBP", save_all=True, append_images=later, duration=timing, loop=0, quality=88)
        return place

    def _shown(self, background: str, real: bool = True) -> DrawnPicture:
        """What figures show, over a background; the best real picture too, where it is kept and `real` is true."""
        best = None
        if self.real is not None:
            image = self.real.seen.image if real and self.real.seen is not None else None
            best = RealPicture(self.real.name, self.real.value, self.real.count, image)
        return DrawnPicture(
            name=self.name,
            image=self.over(background),
            curve=self.curve,
            settings=self.settings,
            value=self.value,
            score=self.score,
            words=self.words,
            real=best,
            minimised=self.goal == "minimised",
            notes=self.notes,
        )

    def _told(self) -> dict[str, object]:
        """Everything but the numbers, as it is written into the file."""
        best = self.real and {"value": self.real.value, "name": self.real.name, "count": self.real.count}
        told = {"name": self.name, "value": self.value, "goal": self.goal, "real": best, "notes": self.notes}
        return {**told, "settings": self.settings}

    def __repr__(self) -> str:
        size = "×".join(map(str, self.picture.shape))
        doubt = f", {counted(len(self.notes), 'note')}" if self.notes else ""
        told = f": {self.words}" if self.words else ""
        return f"<Drawing {self.name}{told}; {size}, {len(self.curve)} steps{doubt}>"


@dataclass(frozen=True, eq=False)
class Drawings(Sequence[Drawing], Shown):
    """Several drawings, by number or by name.

    Attributes:
        drawings: The drawings, in the order in which they were asked for.
        title: What stands over their figure.
    """

    drawings: tuple[Drawing, ...]
    title: str = ""

    def __len__(self) -> int:
        return len(self.drawings)

    @overload
    def __getitem__(self, index: int | str) -> Drawing: ...
    @overload
    def __getitem__(self, index: slice) -> "Drawings": ...
    def __getitem__(self, index: int | str | slice) -> "Drawing | Drawings":
        """A drawing by number or name, or several of them; `KeyError` for a name that none or more than one has."""
        if isinstance(index, slice):
            return Drawings(self.drawings[index], self.title)
        if isinstance(index, int):
            if not -len(self) <= index < len(self):
                raise IndexError(f"drawing {index} of {len(self)}: they count from 0 to {len(self) - 1}.")
            return self.drawings[index]
        places = [place for place, drawing in enumerate(self.drawings) if drawing.name == index]
        if len(places) == 1:
            return self.drawings[places[0]]
        if places:
            raise KeyError(f"{len(places)} drawings are called {index!r}; take them by number: {places}.")
        names = list(dict.fromkeys(drawing.name for drawing in self.drawings))
        hint = did_you_mean(index, names) or f" There are {first_of(names, 8)}."
        raise KeyError(f"no drawing is called {index!r}.{hint}")

    def figure(
        self, *, columns: int | None = None, most: int = 100, real: bool = True, background: str = "white"
    ) -> Figure:
        """A sheet of drawings, each with its name, value and score; one alone is its own figure.

        Args:
            columns: How many stand in a row.
            most: How many are shown, from the first on.
            real: Whether the best real picture stands left of each, where it is kept.
            background: The colour behind what is transparent.

        Returns:
            A figure of matplotlib.
        """
        if not self.drawings:
            raise OptionError("there are no drawings to show.")
        if len(self) == 1 and columns is None:
            return drawing_figure(self.drawings[0]._shown(background, real))
        if most < 1 or (columns is not None and columns < 1):
            raise OptionError(f"a sheet has 1 drawing or more in 1 column or more; got most={most}, columns={columns}.")
        shown = [drawing._shown(background, real) for drawing in self.drawings[:most]]
        return sheet_figure(shown, title=self.title, columns=columns, total=len(self))

    def save(self, folder: str | Path = ".", *, numbers: bool = False) -> list[Path]:
        """Write every drawing into a folder, as `Drawing.save` does.

        Args:
            folder: Where they are written.
            numbers: Whether the unrounded pictures and the curves are written too.

        Returns:
            The files written.
        """
        return [path for drawing, stem in self._named(folder) for path in drawing.save(f"{stem}.png", numbers=numbers)]

    def animation(
        self, folder: str | Path = ".", *, duration: int | float = 3.0, hold: int | float = 1.0
    ) -> list[Path]:
        """Write the way to every drawing as an animated WebP, as `Drawing.animation` does.

        Args:
            folder: Where they are written.
            duration: How long the way there takes, in seconds.
            hold: How long the final picture stays, in seconds.

        Returns:
            The files written.

        Raises:
            OptionError: No frames were kept while drawing.
        """
        named = self._named(folder)
        return [drawing.animation(f"{stem}.webp", duration=duration, hold=hold) for drawing, stem in named]

    def _named(self, folder: str | Path) -> list[tuple[Drawing, Path]]:
        """Each drawing with its place in a folder, without an ending; no two alike."""
        stems = unique_names([f"{file_name(drawing.name)}.png" for drawing in self.drawings])
        return [(drawing, Path(folder) / stem) for drawing, stem in zip(self.drawings, stems, strict=True)]

    def __repr__(self) -> str:
        lines = [f"<Drawings: {len(self)}{f' ({self.title})' if self.title else ''}"]
        width = max((len(drawing.name) for drawing in self.drawings), default=0)
        for drawing in self.drawings:
            notes = f"  * {'; '.join(drawing.notes)}" if drawing.notes else ""
            lines.append(f"  {drawing.name:<{width}}  {drawing.words}{notes}".rstrip())
        return "\n".join(lines) + ">"

    def _repr_png_(self) -> bytes | None:
        return png_of(self.figure()) if self.drawings else None


def _levels(values: Float[Tensor, "channel height width"]) -> UInt8[Tensor, "channel height width"]:
    return values.detach().float().cpu().nan_to_num(0.0).clamp(0, 1).mul(255).round().to(torch.uint8)


def _image_of(levels: UInt8[Tensor, "channel height width"]) -> Image.Image:
    shown = levels[:3].permute(1, 2, 0) if len(levels) >= 3 else levels[0]
    return Image.fromarray(shown.cpu().contiguous().numpy())


def _place(path: Path, name: str, suffix: str) -> Path:
    """The file that a path stands for: itself, or one called after the drawing in it as a folder, which is made."""
    ending = path.suffix.lower()
    if path.is_dir() or ending not in PICTURE_SUFFIXES:
        path = path / f"{file_name(name)}{suffix}"
    elif ending != suffix:
        kept = "PNG, which keeps its settings" if suffix == ".png" else "an animated WebP"
        raise OptionError(f"{path}: it is written as {kept}. Give a folder, or a file that ends in {suffix}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
