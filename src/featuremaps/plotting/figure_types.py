"""The types of matplotlib that signatures name; matplotlib itself is imported where a figure is drawn."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure as Figure
else:
    Axes, Figure = "matplotlib.axes.Axes", "matplotlib.figure.Figure"
