"""A matplotlib figure whose texts are drawn as they are: a `$` in a class's or a file's name begins no mathematics."""

from typing import Any

from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogFormatter

from featuremaps.plotting.files import png_of


class PlainFigure(Figure):
    """Looks at its texts before every drawing, as labels of ticks are made late; powers on log axes stay powers.

    A notebook shows it, whatever matplotlib is set to.
    """

    def _repr_png_(self) -> bytes:
        return png_of(self)

    def draw(self, renderer: Any) -> None:
        """Draw the figure."""
        powers = {
            text
            for axis in self.findobj(Axis)
            if isinstance(axis.get_major_formatter(), LogFormatter)
            for text in axis.findobj(Text)
            if text is not axis.label
        }
        for text in self.findobj(Text):
            text.set_parse_math(text in powers)
        super().draw(renderer)
