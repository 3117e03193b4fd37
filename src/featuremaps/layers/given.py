"""A layout that the user gives, for layers whose places could not be followed from the picture, or were wrongly."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from featuremaps.errors import LayoutError, OptionError
from featuremaps.layers.layout import GIVEN, Layout, of_function

LayoutLike = tuple[int, ...] | int | Callable[[Tensor], Tensor]
"""(rows, columns), (rows, columns, prefix), the number of tokens before the patches, or a function to maps."""


@dataclass(frozen=True)
class GivenLayout:
    """How layers are to be read: as the grid of their tokens, from a number of tokens on, or by a function."""

    grid: tuple[int, ...] = ()
    prefix: int | None = None
    read: Callable[[Tensor], Tensor] | None = None

    def of(self, output: Tensor, picture: Sequence[int], traced: Layout | None) -> Layout | None:
        """The layout of an output (batch, …) of a model with inputs (batch, channel, *spatial).

        That which was `traced` where the given one is about another kind of output: a grid is about sequences of as
        many tokens, and tells where other tokens stand if the trace does or `prefix` says so. `LayoutError` where
        neither says how a sequence lies, or a function does not give maps.
        """
        if self.read is not None:
            return _rearranging(of_function(self.read, output), output)
        spatial = tuple(picture[2:])
        if output.ndim != 3 or len(spatial) < 2:
            return traced
        known_second = traced is not None and traced.batch_axis == 1
        batch_axis = int(known_second or (output.shape[0] != picture[0] and output.shape[1] == picture[0]))
        tokens, channels = output.shape[1 - batch_axis], output.shape[2]
        grid = self.grid or square_patches(tokens - (self.prefix or 0), spatial)
        others = tokens - math.prod(grid)
        prefix = self.prefix
        if prefix is None:
            known = traced is not None and traced.kind == "tokens" and traced.prefix + traced.suffix == others
            prefix = traced.prefix if traced is not None and known else 0 if not others else None
        if grid and prefix is not None and prefix <= others:
            return Layout("tokens", channels, grid, prefix, others - prefix, batch_axis=batch_axis, known=GIVEN)
        if traced is None:
            raise LayoutError(self._misfit(tokens, others))
        return traced

    def check_used(self, layouts: Iterable[Layout | None]) -> None:
        """`LayoutError` where this tells how sequences of tokens lie, and no layer was read by it."""
        known = [layout for layout in layouts if layout is not None]
        if self.read is not None or any(layout.known == GIVEN for layout in known):
            return
        sequences = {
            f"{layout.tokens} tokens, read as {'×'.join(map(str, layout.grid))} after {layout.prefix} others"
            for layout in known
            if layout.kind == "tokens"
        }
        given = "×".join(map(str, self.grid)) or f"{self.prefix} before the patches"
        has = f"has sequences of {'; '.join(sorted(sequences))}" if sequences else "gives no sequence of tokens"
        raise LayoutError(
            f"the layout given, {given}, is about layers that give tokens, and fits none: this model {has}. Leave "
            "layout= out, or give a function from a layer's output to maps."
        )

    def _misfit(self, tokens: int, others: int) -> str:
        given = "×".join(map(str, self.grid))
        if not given:
            return f"its {tokens} tokens less {self.prefix} are no square patches of the picture"
        if others < 0 or self.prefix is not None:
            return f"its {tokens} tokens are not {given}{f' after {self.prefix} others' if self.prefix else ''}"
        return f"its {tokens} tokens are {given} and {others} more, of which it is not known how many stand before them"


def given_layout(layout: "LayoutLike | GivenLayout | None") -> GivenLayout | None:
    """What the user gave, understood; `OptionError` for something else."""
    if layout is None or isinstance(layout, GivenLayout):
        return layout
    if isinstance(layout, int) and not isinstance(layout, bool) and layout >= 0:
        return GivenLayout(prefix=layout)
    if isinstance(layout, tuple | list) and len(layout) in (2, 3) and np.asarray(layout).dtype.kind in "iu":
        rows, columns, *prefix = map(int, layout)
        if rows > 0 and columns > 0 and min(prefix, default=0) >= 0:
            return GivenLayout((rows, columns), prefix[0] if prefix else None)
    if callable(layout):
        return GivenLayout(read=layout)
    raise OptionError(
        f"layout={layout!r} is not understood. Give the grid of a layer's tokens, (rows, columns), or (rows, columns, "
        "prefix) where other tokens stand before them; the number of these tokens alone, where patches are square; or "
        "a function from the layer's output to maps (batch, channel, height, width)."
    )


def _rearranging(layout: Layout, output: Tensor) -> Layout:
    """The layout of a function, which must give of negative values the negative: gradients are read by it as well."""
    numbers = output.is_floating_point() or output.is_complex()
    if numbers and not torch.equal(layout.to_maps(-output).nan_to_num(), -layout.to_maps(output).nan_to_num()):
        raise LayoutError(
            f"the function given as layout= does more with shape {tuple(output.shape)} than to put it in another order"
            ": of the negative values it gives other maps. Gradients are read by it too, so it may move, cut and add "
            "up, and no more"
        )
    return layout


def square_patches(count: int, spatial: Sequence[int]) -> tuple[int, ...]:
    """Rows and columns of `count` square patches of a picture (height, width); empty where they would not be square."""
    height, width = spatial[0], spatial[1]
    rows = round(math.sqrt(count * height / width)) if count > 0 and len(spatial) == 2 else 0
    if rows < 1 or count % rows:
        return ()
    columns = count // rows
    return (rows, columns) if abs(height / rows - width / columns) < max(1.0, 0.05 * height / rows) else ()
