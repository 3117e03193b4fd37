"""A layer as one colour picture: the three leading principal components of its channels as red, green and blue."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from featuremaps.errors import check_choice
from featuremaps.methods.channel_weights import leading_components
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.files import write_files
from featuremaps.plotting.panels import Panel, counted, panels_figure
from featuremaps.plotting.rendering import places, stacked
from featuremaps.results.by_picture import ByPicture

Over = Literal["picture", "all"]
LOW, HIGH = 0.01, 0.99


@dataclass(frozen=True, eq=False)
class ColourMaps(ByPicture):
    """One colour picture per picture.

    `maps[i]` is (3, height, width), or (3, *space): each position's projections on the first three components of the
    channels, signed, each with the sign that correlates with the mean over the channels. `shares[i]` are their shares
    of the variance. `limits[i]` (3, 2) are the values drawn as black and as full colour: the 1st and 99th percentile.
    """

    maps: tuple[Float[Tensor, "3 *_space"], ...]
    shares: tuple[tuple[float, float, float], ...]
    limits: tuple[Float[Tensor, "3 2"], ...]
    layer: str
    pictures: tuple[Seen, ...]
    over: Over = "picture"
    by_picture = ("maps", "shares", "limits", "pictures")

    @property
    def tensor(self) -> Float[Tensor, "batch 3 *space"]:
        """All projections in one tensor; `OptionError` where the maps have different sizes."""
        return stacked(self.maps)

    def images(self) -> list[Image.Image]:
        """The colour pictures, enlarged to what the model saw."""
        pictures = []
        for map, limits, seen in zip(self.maps, self.limits, self.pictures, strict=True):
            low, high = limits.cpu().reshape(3, 2, *[1] * (map.ndim - 1)).unbind(1)
            shares = ((map.float().cpu() - low) / (high - low)).nan_to_num(0.5, 0.5, 0.5).clamp(0, 1)
            levels = (seen.sheet.lay(shares) * 255).round().byte().permute(1, 2, 0)
            pictures.append(Image.fromarray(levels.numpy()))
        return pictures

    def figure(self, *, most: int = 16) -> Figure:
        """Each picture beside its colours, the first `most` of them."""
        rows = [
            [
                Panel(seen.image, seen.picture.name),
                Panel(image, "{:.0%}, {:.0%}, {:.0%} of the variance".format(*shares)),
            ]
            for seen, image, shares in zip(self.pictures[:most], self.images()[:most], self.shares, strict=False)
        ]
        whose = "each picture" if self.over == "picture" else "all pictures together"
        caption = f"red, green, blue: components 1 to 3 of {whose},\neach from its 1st to its 99th percentile"
        return panels_figure(rows, None, title=f"principal components of {self.layer}", caption=caption)

    def save(self, folder: str | Path = ".") -> list[Path]:
        """Write the colours (PNG) and the projections (`.npy`) of each picture; returns the files written."""
        parts = zip(self._stems("rgb", self.layer), self.images(), self.maps, strict=True)
        return write_files(folder, (entry for stem, image, map in parts for entry in ((stem, image), (stem, map))))

    def __repr__(self) -> str:
        sizes = ", ".join(sorted({places(map.shape[1:]) for map in self.maps}))
        return f"<ColourMaps: {self.layer}, {counted(len(self), 'picture')}, {sizes}>"


def colour_maps(
    maps: Sequence[Float[Tensor, "channel *_space"]], layer: str, pictures: tuple[Seen, ...], over: Over
) -> ColourMaps:
    """The three leading components of each picture's channels, or of all pictures' together."""
    check_choice("over", over, get_args(Over))
    together = [[map] for map in maps] if over == "picture" else [list(maps)]
    entries = [entry for some in together for entry in _components(some)]
    projections, shares, limits = zip(*entries, strict=True)
    return ColourMaps(projections, shares, limits, layer, pictures, over)


def _components(maps: Sequence[Tensor]) -> list[tuple[Tensor, tuple[float, ...], Tensor]]:
    """For each map its projections, the shares of the variance, and the colours' limits, from one decomposition."""
    together = torch.cat([map.flatten(1) for map in maps], 1)[None, :, None]
    components, shares = leading_components(together, 3)
    rows = components[0, :, 0]
    ends = [rows.sort(1).values[:, round(share * (rows.shape[1] - 1))] for share in (LOW, HIGH)]
    parts = zip(rows.split([map[0].numel() for map in maps], 1), maps, strict=True)
    return [(part.reshape(3, *map.shape[1:]), tuple(shares[0].tolist()), torch.stack(ends, 1)) for part, map in parts]
