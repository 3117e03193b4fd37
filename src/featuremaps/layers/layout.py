"""How a layer lays out its output, and its translation to maps (batch, channel, height, width) and back.

Convolutions give (batch, channel, height, width); Swin gives (batch, height, width, channel); a ViT gives tokens,
with or without class and register tokens; audio and volumes have one or three spatial axes. Formulas see maps only.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from featuremaps.errors import LayoutError

Kind = Literal["channels_first", "channels_last", "tokens", "line", "volume", "function"]
KINDS: dict[int, Kind] = {1: "line", 2: "channels_first", 3: "volume"}
"""Channels first, by the number of spatial axes."""
GIVEN = "as layout= says"
PARTLY = "followed from the picture, which it does not cover evenly"
HOW_GIVEN = (
    "layout=(rows, columns) or (rows, columns, prefix) for tokens, or layout= a function from a layer's output to maps "
    "(batch, channel, height, width)"
)
TURNED = "the picture's axes stand in another order in it: its places run down the columns first"
AMONG = "its places run along the first axis together with the pictures of a batch: it works on windows cut out of them"
PADDED = "its first axis counts other pictures than were given, as where a model pads its batch or copies pictures"
COMPLEX = (
    ": a map is of real numbers, and which of them (real parts, lengths) is the model's to say. Name the layer behind "
    "it that gives them; a module that takes the .abs() is one"
)
LIKELY = "by the kind of layer or the picture's proportions: it could not be followed"


@dataclass(frozen=True)
class Layout:
    """How to read one layer's output as maps.

    `grid` is the spatial shape in the layer's own axes, `prefix` the number of class and register tokens in front of
    the patches, `suffix` that of tokens after them. A volume's depth is folded into the height, a line has height 1.
    `read` is a user's own function from the output to maps, which cannot be turned round. `known` says how it is known.
    `batch_axis` is the axis of the pictures: 1 of tokens that are given as (token, batch, channel).
    `reordered`: of several pictures the maps come in another order than that of the batch.
    """

    kind: Kind
    channels: int
    grid: tuple[int, ...]
    prefix: int = 0
    suffix: int = 0
    read: Callable[[Tensor], Tensor] | None = None
    batch_axis: int = 0
    known: str = field(default="followed from the picture", compare=False, repr=False)
    reordered: bool = field(default=False, compare=False, repr=False)

    @property
    def tokens(self) -> int:
        """How many tokens a sequence has, all kinds together."""
        return self.prefix + math.prod(self.grid) + self.suffix

    @property
    def whole(self) -> "Layout":
        """The same with class and register tokens as places too, all in one row, in the order of the output."""
        if self.kind != "tokens":
            return self
        return replace(self, grid=(self.tokens,), prefix=0, suffix=0)

    @property
    def places(self) -> slice:
        """Where the picture's places stand among all tokens of a sequence."""
        return slice(self.prefix, self.tokens - self.suffix)

    def describe(self, layer: str) -> str:
        """How the layer is read, in a sentence's words."""
        places = " × ".join(map(str, self.grid))
        others = [f"{self.prefix} before", f"{self.suffix} after"]
        apart = " and ".join(text for text, count in zip(others, (self.prefix, self.suffix), strict=True) if count)
        second = ", the batch second" if self.batch_axis else ""
        kinds = {"tokens": f"{self.tokens} tokens: patches{f', {apart} them set apart' if apart else ''}{second}"}
        kinds |= {"function": "read by a function"}
        kind = kinds.get(self.kind, self.kind.replace("_", " "))
        return f"{layer}: {self.channels} channels of {places} places ({kind}), {self.known}"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the maps."""
        return folded(self.grid)

    def to_maps(self, output: Shaped[Tensor, "..."]) -> Shaped[Tensor, "batch channel height width"]:
        """The output as maps; a view where possible, differentiable always."""
        if self.read is not None:
            return self.read(output)
        output = output.movedim(self.batch_axis, 0)
        if self.kind == "tokens":
            output = output[:, self.prefix : output.shape[1] - self.suffix].transpose(1, 2)
        elif self.kind == "channels_last":
            output = output.movedim(-1, 1)
        return output.reshape(output.shape[0], self.channels, *self.size)

    def of(self, output: Tensor) -> "Layout | None":
        """The layout of the same layer for pictures of another size; None for an output of another form.

        That of tokens is known for its own size only.
        """
        if self.read is not None:
            return of_function(self.read, output)
        if self.kind == "tokens":
            sequence = output.shape[:1] if self.batch_axis else output.shape[1:2]
            alike = output.ndim == 3 and (*sequence, output.shape[2]) == (self.tokens, self.channels)
            return self if alike else None
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
        if self.read is not None:
            raise LayoutError(
                "layout= is a function here, which reads a layer's maps and cannot put edited ones back. Give the grid "
                "of its tokens instead, layout=(rows, columns, prefix), or choose a method that edits no maps, such as "
                "'grad_cam'."
            )
        spatial = maps.reshape(maps.shape[0], self.channels, *self.grid)
        if self.kind == "channels_last":
            return spatial.movedim(1, -1)
        if self.kind != "tokens":
            return spatial
        tokens = spatial.flatten(2).transpose(1, 2)
        if self.prefix or self.suffix:
            kept = template.movedim(self.batch_axis, 0)
            kept = kept.repeat_interleave(maps.shape[0] // kept.shape[0], dim=0).to(tokens.dtype)
            tokens = torch.cat([kept[:, : self.prefix], tokens, kept[:, kept.shape[1] - self.suffix :]], dim=1)
        return tokens.movedim(0, self.batch_axis)


def folded(grid: Sequence[int]) -> tuple[int, int]:
    """Height and width of maps of so many places: a volume's slices are below each other, a signal has height 1."""
    return math.prod(grid[:-1]), grid[-1]


def of_function(read: Callable[[Tensor], Tensor], output: Tensor) -> Layout:
    """The layout of an output that a user's function reads; `LayoutError` where it does not give maps."""
    try:
        maps = read(output)
    except Exception as error:
        raise LayoutError(
            f"the function given as layout= failed on shape {tuple(output.shape)}: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(maps, Tensor) or maps.ndim != 4 or maps.shape[0] != output.shape[0]:
        got = f"shape {tuple(maps.shape)}" if isinstance(maps, Tensor) else f"a {type(maps).__name__}"
        raise LayoutError(
            f"the function given as layout= made {got} of shape {tuple(output.shape)}; it must give maps (batch, "
            "channel, height, width)"
        )
    if maps.is_complex():
        raise LayoutError(f"the function given as layout= made complex numbers of shape {tuple(output.shape)}{COMPLEX}")
    return Layout("function", maps.shape[1], tuple(maps.shape[2:]), read=read, known=GIVEN)


def layout_of(output: object, module: nn.Module, input_shape: Sequence[int]) -> Layout | None:
    """How to read an output that was not followed to the picture; None where nothing says how.

    `input_shape` is the model's input, (batch, channel, *spatial). The kind of module says which axis has the channels,
    or else the proportions of the picture, where they leave no doubt. Of a sequence nothing is known.
    """
    if not isinstance(output, Tensor) or not output.is_floating_point():
        return None
    spatial = tuple(input_shape[2:])
    if output.ndim != len(spatial) + 2 or output.shape[0] != input_shape[0] or 0 in output.shape:
        return None
    first, last = tuple(output.shape[2:]), tuple(output.shape[1:-1])
    channels_last = _is_channels_last(module, first, last, spatial)
    if channels_last is None:
        return None
    if channels_last:
        return Layout("channels_last", output.shape[-1], last, known=LIKELY)
    return Layout(KINDS[len(spatial)], output.shape[1], first, known=LIKELY)


def _is_channels_last(
    module: nn.Module, first: tuple[int, ...], last: tuple[int, ...], spatial: tuple[int, ...]
) -> bool | None:
    if type(module) in (nn.LayerNorm, nn.Linear):
        return True
    if isinstance(module, nn.modules.conv._ConvNd | nn.modules.batchnorm._BatchNorm | nn.GroupNorm):
        return False
    as_first, as_last = _distortion(first, spatial), _distortion(last, spatial)
    return None if as_first == as_last else as_last < as_first


def _distortion(grid: tuple[int, ...], spatial: tuple[int, ...]) -> float:
    """How far a grid's proportions are from the picture's; 0 when every axis shrank alike."""
    shrink = [math.log(pixels / cells) for pixels, cells in zip(spatial, grid, strict=True)]
    if min(shrink) < 0:  # larger than the picture: these are channels
        return math.inf
    return round(max(shrink) - min(shrink), 1)


def needs_layout(layout: Layout | None, layer: str, output: object, note: str = "") -> Layout:
    """The layout, or a `LayoutError` that says what the layer gives instead of maps."""
    if layout is not None:
        return layout
    given = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
    if isinstance(output, Tensor) and output.is_complex():
        reason = f" of complex numbers{COMPLEX}."
    elif note.startswith("does") or not note:
        reason = f", which has no positions that could be drawn over a picture{f': it {note}' if note else ''}."
    else:
        reason = f" ({note})." + (f" Say how it lies, {HOW_GIVEN}, if you know." if note not in (AMONG, PADDED) else "")
    raise LayoutError(
        f"layer {layer!r} gives {given}{reason} Choose a layer whose output is a map: 'last' is the last such layer, "
        "and scope.layers() lists them all."
    )
