"""How a layer lays out its output, and its translation to maps (batch, channel, height, width) and back.

Convolutions give (batch, channel, height, width); Swin gives (batch, height, width, channel); a ViT gives tokens,
with or without class and register tokens; audio and volumes have one or three spatial axes. Formulas see maps only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from featuremaps.errors import LayoutError

Kind = Literal["channels_first", "channels_last", "tokens", "line", "volume"]


@dataclass(frozen=True)
class Layout:
    """How to read one layer's output as maps.

    `grid` is the spatial shape in the layer's own axes, `prefix` the number of class and register tokens in front of
    the patches, `suffix` that of tokens after them. A volume's depth is folded into the height, a line has height 1.
    """

    kind: Kind
    channels: int
    grid: tuple[int, ...]
    prefix: int = 0
    suffix: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the maps."""
        return (math.prod(self.grid[:-1]), self.grid[-1])

    def to_maps(self, output: Shaped[Tensor, "..."]) -> Shaped[Tensor, "batch channel height width"]:
        """The output as maps; a view where possible, differentiable always."""
        if self.kind == "tokens":
            output = output[:, self.prefix : output.shape[1] - self.suffix].transpose(1, 2)
        elif self.kind == "channels_last":
            output = output.movedim(-1, 1)
        return output.reshape(output.shape[0], self.channels, *self.size)

    def of(self, output: Tensor) -> "Layout | None":
        """The layout of the same layer for pictures of another size; None for an output of another form.

        That of tokens is known for its own size only.
        """
        if self.kind == "tokens":
            tokens = self.prefix + math.prod(self.grid) + self.suffix
            return self if tuple(output.shape[1:]) == (tokens, self.channels) else None
        if output.ndim != len(self.grid) + 2:
            return None
        last = self.kind == "channels_last"
        grid = output.shape[1:-1] if last else output.shape[2:]
        return replace(self, channels=output.shape[-1 if last else 1], grid=tuple(grid))

    def from_maps(
        self, maps: Shaped[Tensor, "batch channel height width"], template: Shaped[Tensor, "..."]
    ) -> Shaped[Tensor, "..."]:
        """Maps in the layer's own layout; class and register tokens are taken from `template`.

        A template of one picture serves any number of edits; one of several serves a multiple of them, picture
        by picture.
        """
        spatial = maps.reshape(maps.shape[0], self.channels, *self.grid)
        if self.kind == "channels_last":
            return spatial.movedim(1, -1)
        if self.kind != "tokens":
            return spatial
        tokens = spatial.flatten(2).transpose(1, 2)
        if not self.prefix and not self.suffix:
            return tokens
        kept = template.repeat_interleave(maps.shape[0] // template.shape[0], dim=0).to(tokens.dtype)
        return torch.cat([kept[:, : self.prefix], tokens, kept[:, kept.shape[1] - self.suffix :]], dim=1)


def layout_of(
    output: object, module: nn.Module, input_shape: Sequence[int], *, prefix: int | None = None
) -> Layout | None:
    """How to read this module's output, or None where it has no positions to map.

    `input_shape` is the model's input, (batch, channel, *spatial): the grid of a token sequence and the order of
    axes are recognised by their proportion to the picture. `prefix` is the number of class and register tokens
    where the model says so itself.
    """
    if not isinstance(output, Tensor) or not (output.is_floating_point() or output.is_complex()):
        return None
    batch, spatial = input_shape[0], tuple(input_shape[2:])
    if output.ndim < 3 or output.shape[0] != batch or 0 in output.shape:
        return None
    if output.ndim - 2 == len(spatial):
        return _spatial_layout(output, module, spatial)
    if output.ndim == 3 and len(spatial) == 2:
        return _token_layout(output, spatial, prefix)
    return None


def _spatial_layout(output: Tensor, module: nn.Module, spatial: tuple[int, ...]) -> Layout:
    first, last = tuple(output.shape[2:]), tuple(output.shape[1:-1])
    if _is_channels_last(module, first, last, spatial):
        kind: Kind = "channels_last"
        return Layout(kind, output.shape[-1], last)
    kinds: dict[int, Kind] = {1: "line", 2: "channels_first", 3: "volume"}
    return Layout(kinds[len(spatial)], output.shape[1], first)


def _is_channels_last(
    module: nn.Module, first: tuple[int, ...], last: tuple[int, ...], spatial: tuple[int, ...]
) -> bool:
    if type(module) in (nn.LayerNorm, nn.Linear):
        return True
    if isinstance(module, nn.modules.conv._ConvNd | nn.modules.batchnorm._BatchNorm | nn.GroupNorm):
        return False
    return _distortion(last, spatial) < _distortion(first, spatial)


def _distortion(grid: tuple[int, ...], spatial: tuple[int, ...]) -> float:
    """How far a grid's proportions are from the picture's; 0 when every axis shrank alike."""
    shrink = [math.log(pixels / cells) for pixels, cells in zip(spatial, grid, strict=True)]
    if min(shrink) < 0:  # larger than the picture: these are channels
        return math.inf
    return round(max(shrink) - min(shrink), 1)


def _token_layout(output: Tensor, spatial: tuple[int, ...], prefix: int | None) -> Layout | None:
    found = token_grid(output.shape[1], spatial, prefix=prefix)
    return None if found is None else Layout("tokens", output.shape[2], *found)


def token_grid(count: int, spatial: Sequence[int], *, prefix: int | None = None) -> tuple[tuple[int, int], int] | None:
    """Rows and columns of a picture's patch tokens, and how many class and register tokens stand before them.

    None where `count` tokens are no grid of square patches of a picture of this height and width.
    """
    for tokens in range(min(9, count)) if prefix is None else [prefix]:
        grid = _grid(count - tokens, spatial[0], spatial[1])
        if grid is not None:
            return grid, tokens
    return None


def _grid(count: int, height: int, width: int) -> tuple[int, int] | None:
    """Rows and columns of `count` patches of a picture, when square patches fit it."""
    rows = round(math.sqrt(count * height / width)) if count > 0 else 0
    if rows < 1 or count % rows:
        return None
    columns = count // rows
    same_patch = abs(height / rows - width / columns) < max(1.0, 0.05 * height / rows)
    return (rows, columns) if same_patch and (rows > 1 or columns > 1) else None


def needs_layout(layout: Layout | None, layer: str, output: object, note: str = "") -> Layout:
    """The layout, or a `LayoutError` that says what the layer gives instead of maps."""
    if layout is not None:
        return layout
    given = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
    raise LayoutError(
        f"layer {layer!r} gives {given}, which has no positions that could be drawn over a picture"
        f"{f': it {note}' if note.startswith('does') else f' ({note})' if note else ''}. "
        "Choose a layer whose output is a map: 'last' is the last such layer, and scope.layers() lists them all."
    )
