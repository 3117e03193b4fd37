"""Volumes with their maps: the three slices where the map is strongest, large, and a strip through all of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from featuremaps.plotting.class_colours import DOUBT
from featuremaps.plotting.figure_types import Axes, Figure
from featuremaps.plotting.panels import Bar, bar_beside
from featuremaps.plotting.paper import Rectangle, cut, fitted, paper, show, wrapped, write

STRONGEST, STRIP = 3, 12
SIDE, LARGE, SMALL, GAP, RIGHT, TOP = 0.2, 2.1, 0.51, 0.06, 0.95, 0.5
HEADING, NUMBERS, FOOT = 0.4, 0.17, 0.3
"""Inches: of what is written above a volume and above its strip, and the room below it."""
WIDE = STRONGEST * LARGE + (STRONGEST - 1) * GAP
FRAME, GREY = "#d9480f", "#555555"


@dataclass(frozen=True, eq=False)
class VolumePanel:
    """One volume: its `slices` without and `laid` with the map over them, and how strong the map is in each.

    `title` and `notes` are written above; `bar` says what the colours mean.
    """

    slices: Sequence[Image.Image]
    laid: Sequence[Image.Image]
    strengths: Sequence[float]
    title: str
    bar: Bar
    notes: tuple[str, ...] = ()

    @property
    def strongest(self) -> list[int]:
        """The slices in which the map is strongest, in their order."""
        order = sorted(range(len(self.slices)), key=lambda number: -self.strengths[number])
        return sorted(order[:STRONGEST])

    @property
    def strip(self) -> list[int]:
        """Slices evenly spread through the volume, and the strongest among them."""
        room = min(STRIP, len(self.slices)) - len(self.strongest)
        others = [number for number in range(len(self.slices)) if number not in self.strongest]
        spread = np.linspace(0, len(others) - 1, room).round().astype(int).tolist()
        return sorted({*self.strongest, *(others[place] for place in spread)})

    @property
    def sizes(self) -> tuple[Rectangle, Rectangle]:
        """Of a large slice, and of one in the strip."""
        first = self.slices[0]
        return fitted(first, LARGE, LARGE * 1.2), fitted(first, SMALL, SMALL * 1.5)

    @property
    def height(self) -> float:
        """Of all of it, in inches."""
        large, small = self.sizes
        return HEADING + large.height + NUMBERS + 2 * small.height + GAP / 2 + FOOT


def volume_figure(panels: Sequence[VolumePanel], title: str) -> Figure:
    """Volumes below each other, with a colour bar beside each whose colours are new."""
    width, top = SIDE + WIDE + RIGHT, TOP
    figure, axes = paper(width, TOP + sum(panel.height for panel in panels))
    axes.text(width / 2, 0.22, title, ha="center", va="center", fontsize=10)
    for panel, before in zip(panels, (None, *panels), strict=False):
        _draw(axes, panel, top)
        if before is None or before.bar != panel.bar:
            bar_beside(figure, panel.bar, SIDE + WIDE + 0.14, top + HEADING, panel.sizes[0].height)
        top += panel.height
    return figure


def _draw(axes: Axes, panel: VolumePanel, top: float) -> None:
    write(axes, SIDE, top + 0.08, [cut(panel.title, WIDE, 8)], 8)
    if panel.notes:
        write(axes, SIDE, top + 0.22, wrapped(f"⚠ {panel.notes[0]}", WIDE, 7)[:1], 7, DOUBT)
    (large, small), last = panel.sizes, len(panel.slices) - 1
    for place, number in enumerate(panel.strongest):
        left = SIDE + place * (LARGE + GAP)
        write(axes, left, top + HEADING - 0.08, [f"slice {number} of 0–{last}"], 7, FRAME)
        show(axes, panel.laid[number], left, top + HEADING, large)
    top += HEADING + large.height + NUMBERS
    for place, number in enumerate(panel.strip):
        left, framed = SIDE + place * WIDE / max(STRIP, len(panel.strip)), number in panel.strongest
        write(axes, left, top - 0.06, [str(number)], 5.5, FRAME if framed else GREY)
        show(axes, panel.slices[number], left, top, small)
        show(axes, panel.laid[number], left, top + small.height + GAP / 2, small)
        if framed:
            _frame(axes, left, top, small.width, 2 * small.height + GAP / 2)


def _frame(axes: Axes, left: float, top: float, width: float, height: float) -> None:
    from matplotlib import patches

    axes.add_patch(patches.Rectangle((left, top), width, height, fill=False, edgecolor=FRAME, linewidth=1.4))
