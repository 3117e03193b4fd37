"""The figure of specialists: classes down, their channels across, what is a class's own on the diagonal."""

from typing import TYPE_CHECKING

import numpy as np

from featuremaps.figures import Bar, add_bar
from featuremaps.survey.colours import bare, plain_figure, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from featuremaps.survey.specialists import Specialists

COLUMNS, EACH = 72, 12
COLOURS = "viridis"


def specialists_figure(found: "Specialists", most: int) -> "Figure":
    """Shares of pictures, classes × channels; the channels in blocks, one for each class that has any."""
    classes = range(min(most, len(found)))
    shown = [number for number in classes if found.classes[number].channels]
    each = max(1, min(EACH, COLUMNS // max(1, len(shown))))
    blocks = [found.classes[number].channels[:each] for number in shown]
    channels = [channel for block in blocks for channel in block]
    longest = max(len(short(found.classes[number].label)) for number in classes)
    width = max(3.4, 0.17 * len(channels)) + 0.065 * longest + 1.0
    figure = plain_figure(width, 0.26 * len(classes) + 1.35)
    axes = figure.add_subplot()
    pictures = np.maximum([found.classes[number].pictures for number in classes], 1)
    shares = found.tally[: len(classes)][:, channels] / pictures[:, None]
    axes.pcolormesh(shares, cmap=COLOURS, vmin=0, vmax=1, edgecolors="white", linewidth=0.4)
    axes.invert_yaxis()
    bare(axes)
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(len(channels)) + 0.5, [str(channel) for channel in channels], rotation=90, fontsize=6)
    axes.set_yticks(np.arange(len(classes)) + 0.5, [short(found.classes[number].label) for number in classes])
    axes.set_xlabel(f"channel of {found.layer}", fontsize=8)
    _mark(axes, blocks, shown)
    own = "of its own" if found.unique else "most frequent"
    rest = f", first {len(classes)} of {len(found)} classes" if len(classes) < len(found) else ""
    cut = f", {each} at most shown" if any(len(found.classes[n].channels) > each for n in shown) else ""
    figure.suptitle(f"{found.layer}: each class's channels {own}{cut}{rest}", fontsize=10)
    share = f"share of pictures with it\namong their {found.per_image} strongest"
    add_bar(figure, [axes], Bar(COLOURS, 0.0, 1.0, share))
    if not channels:
        axes.text(0.5, 0.5, "no class has any", transform=axes.transAxes, ha="center", va="center", fontsize=9)
    return figure


def _mark(axes: "Axes", blocks: list[tuple[int, ...]], shown: list[int]) -> None:
    """A frame around each class's own channels."""
    from matplotlib.patches import Rectangle

    left = 0
    for block, number in zip(blocks, shown, strict=True):
        axes.add_patch(
            Rectangle((left, number), len(block), 1, fill=False, edgecolor="#D55E00", linewidth=1.6, clip_on=False)
        )
        left += len(block)
