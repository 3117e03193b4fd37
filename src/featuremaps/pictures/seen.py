"""Pictures as the model receives them, and the way back to what a person gave."""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from featuremaps.errors import FeatureMapsWarning, OptionError
from featuremaps.pictures.bands import Prepared
from featuremaps.pictures.load import KEPT, Picture, Pictures, Rejected, gather
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.pictures.probe_transform import Placement
from featuremaps.pictures.signals import inputs_of
from featuremaps.plotting.outlines import nearest, outlined
from featuremaps.plotting.rendering import Scaling, around_grey, looked_at
from featuremaps.plotting.sheets import Sheet, curves
from featuremaps.session import random_state


@dataclass(frozen=True, eq=False)
class Seen:
    """One picture as the model received it: its input of `shape` (channel, height, width), or (channel, *space).

    The input is `kept`, or made again each time it is asked for.
    """

    picture: Picture
    shape: tuple[int, ...]
    preprocessing: Preprocessing
    kept: Tensor | None = field(default=None, repr=False)

    @classmethod
    def of(cls, picture: Picture, input: Tensor, preprocessing: Preprocessing) -> "Seen":
        """With an input that is kept."""
        return cls(picture, tuple(input.shape), preprocessing, input)

    @property
    def input(self) -> Tensor:
        """What the model is given, preprocessed."""
        return self.preprocessing(self.picture) if self.kept is None else self.kept

    @property
    def image(self) -> Image.Image:
        """What the model saw: a picture of the input's size, a signal's curves, a volume's slices side by side."""
        values = self.input.detach().float().cpu()
        if len(self.space) == 1:
            return curves(values, self.sheet)
        return self.preprocessing.seen(values) if len(self.space) == 2 else self.sheet.tiled(self.slices)

    @property
    def slices(self) -> list[Image.Image]:
        """A volume's slices as the model saw them."""
        column = self.preprocessing.seen(self.input.detach().float().cpu())
        count, high = self.space[:2]
        return [column.crop((0, i * high, column.width, (i + 1) * high)) for i in range(count)]

    @property
    def space(self) -> tuple[int, ...]:
        """The input's shape without the channels: (height, width), (time,) or (depth, height, width)."""
        return self.shape[1:]

    @property
    def sheet(self) -> Sheet:
        """Where the input's places lie in `image`."""
        return Sheet(self.space, self.shape[0])

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of `image`."""
        return self.sheet.size

    def looked_at(self, map: Float[Tensor, "*grid"], scaling: Scaling) -> Float[Tensor, "height width"]:
        """One raw map as it is drawn over `image`."""
        return looked_at(map, self.sheet.lay, scaling)

    def grey(self, values: Float[Tensor, "channel *space"]) -> Image.Image:
        """Signed values of the input's places as colours around mid-grey; a signal's channels are bands."""
        if len(self.space) == 1:
            return around_grey(self.sheet.bands(values.detach().float().cpu())[None])
        return around_grey(values if len(self.space) == 2 else self.sheet.lay(values.detach().float().cpu()))

    def original(self, map: Float[Tensor, "height width"]) -> tuple[Image.Image, Tensor]:
        """The whole original picture, and a map of the input's size put back where the input was cut from."""
        image, placement = self._placed()
        return image, placement.paste(map, image.size).nan_to_num(0.0)

    def box_on_original(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """A box in pixels of the model's input, in pixels of the original picture; see `original`."""
        return self._placed()[1].box_of(box)

    @property
    def placement(self) -> Placement | None:
        """Where the model's input lies in the original picture; None where that is not known, or there is none."""
        image = self.picture.image
        return None if image is None else self.preprocessing.placement(image.size)

    def _placed(self) -> tuple[Image.Image, Placement]:
        """The original picture, and where the model's input lies in it; `OptionError` where that is not known."""
        image, placement = self.picture.image, self.placement
        if image is None or placement is None:
            raise OptionError(
                f"where the model's input lies in the original of {self.picture.name!r} is not known "
                "(a tensor was given, or the preprocessing is random). Draw on what the model saw: on='seen'."
            )
        return image, placement

    def outlined(
        self, image: Image.Image, region: Float[Tensor, "*grid"] | None, *, original: bool = False
    ) -> Image.Image:
        """`image`, which shows the input or the whole `original`, with a line around a region of the input's places."""
        if region is None or len(self.space) == 1:
            return image
        spread = self.sheet.lay(nearest(region.detach().float().cpu(), self.space)[None])[0]
        if original:
            spread = self.original(spread)[1]
        return outlined(image, spread >= 0.5)


@dataclass(frozen=True, eq=False)
class SeenPictures:
    """Pictures as the model receives them, and those that could not be read."""

    seen: tuple[Seen, ...]
    rejected: tuple[Rejected, ...]


def see(pictures: object, preprocessing: Preprocessing) -> SeenPictures:
    """Gather whatever was passed and preprocess it; random transforms leave the random state as it was.

    What could not be read is left out with a warning, unless `Pictures` are passed, whose owner knows.
    """
    axes = preprocessing.form.axes
    if axes != 3 and not isinstance(pictures, Pictures):
        pictures = inputs_of(pictures, axes)
    elif preprocessing.form.bands is not None:
        items = isinstance(pictures, Dataset) and hasattr(pictures, "__len__")
        with_bands = preprocessing.with_bands
        pictures = Prepared(pictures, with_bands) if items else with_bands(pictures)
    gathered = pictures if isinstance(pictures, Pictures) else gather(pictures)
    if gathered.rejected and gathered is not pictures:
        shown = "; ".join(f"{bad.name}: {bad.reason}" for bad in gathered.rejected[:3])
        total = len(gathered) + len(gathered.rejected)
        warnings.warn(
            f"{len(gathered.rejected)} of {total} pictures could not be read and are left out. {shown}",
            FeatureMapsWarning,
            stacklevel=4,
        )
    if preprocessing.assumed and axes == 3 and any(picture.tensor is None for picture in gathered):
        preprocessing.say_that_it_was_assumed()
    with random_state():
        return SeenPictures(tuple(_seen(gathered, preprocessing)), gathered.rejected)


def _seen(pictures: Iterable[Picture], preprocessing: Preprocessing) -> Iterator[Seen]:
    """Each picture as the model sees it; of many that can be made again only the first keep their inputs."""
    held, again = 0, not preprocessing.random
    for picture in pictures:
        made = preprocessing(picture)
        held += made.nbytes
        seen = Seen.of(picture, made, preprocessing)
        yield replace(seen, kept=None) if again and held > KEPT and picture.tensor is None else seen
