"""The figure of specialists: classes down, their channels across, what is a class's own on the diagonal."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from featuremaps.plotting.class_colours import INK, bare, plain_figure, short
from featuremaps.plotting.figure_types import Axes, Figure
from featuremaps.plotting.panels import Bar, add_bar

COLUMNS, EACH = 72, 12
COLOURS = "viridis"


@dataclass(frozen=True, eq=False)
class ClassRow:
    """A class, its channels, and in how many of its pictures each channel of the layer is among the strongest."""

    label: str
    pictures: int
    channels: tuple[int, ...]
    tally: Int[np.ndarray, " channel"]


def specialists_figure(
    classes: Sequence[ClassRow], *, layer: str, per_image: int, unique: bool, most: int, counted: str = "pictures"
) -> Figure:
    """Shares of pictures, the first `most` classes × channels; these in blocks, one for each class that has any.

    `counted` says what is counted as pictures.
    """
    rows = classes[:most]
    shown = [number for number, row in enumerate(rows) if row.channels]
    each = max(1, min(EACH, COLUMNS // max(1, len(shown))))
    blocks = [rows[number].channels[:each] for number in shown]
    channels = [channel for block in blocks for channel in block]
    longest = max(len(short(row.label)) for row in rows)
    width = max(3.4, 0.17 * len(channels)) + 0.065 * longest + 1.0
    figure = plain_figure(width, 0.26 * len(rows) + 1.35)
    axes = figure.add_subplot()
    shares = np.stack([row.tally[channels] / max(1, row.pictures) for row in rows])
    axes.pcolormesh(shares, cmap=COLOURS, vmin=0, vmax=1, edgecolors="white", linewidth=0.4)
    axes.invert_yaxis()
    bare(axes)
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(len(channels)) + 0.5, [str(channel) for channel in channels], rotation=90, fontsize=6)
    axes.set_yticks(np.arange(len(rows)) + 0.5, [short(row.label) for row in rows])
    axes.set_xlabel(f"channel of {layer}", fontsize=8)
    _mark(axes, blocks, shown)
    kind = "of its own" if unique else "most frequent"
    rest = f", first {len(rows)} of {len(classes)} classes" if len(rows) < len(classes) else ""
    cut = f", {each} at most shown" if any(len(row.channels) > each for row in rows) else ""
    figure.suptitle(f"{layer}: each class's channels {kind}{cut}{rest}", fontsize=10)
    share = f"share of {counted} with it\namong their {per_image} strongest"
    add_bar(figure, [axes], Bar(COLOURS, 0.0, 1.0, share))
    if not channels:
        axes.text(0.5, 0.5, "no class has any", transform=axes.transAxes, ha="center", va="center", fontsize=9)
    return figure


def _mark(axes: Axes, blocks: list[tuple[int, ...]], shown: list[int]) -> None:
    """A frame around each class's own channels."""
    from matplotlib.patches import Rectangle

    left = 0
    for block, number in zip(blocks, shown, strict=True):
        axes.add_patch(Rectangle((left, number), len(block), 1, fill=False, edgecolor=INK, linewidth=2, clip_on=False))
        left += len(block)
