"""A matplotlib figure whose texts are drawn as they are: a `$` in a class's or a file's name begins no mathematics.

Names that matplotlib's own font cannot write (Chinese, Japanese, Korean, Devanagari, …) are written in one of the
machine's fonts that can.
"""

from collections.abc import Sequence
from typing import Any

from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, fontManager, get_font
from matplotlib.text import Text
from matplotlib.ticker import LogFormatter

from featuremaps.plotting.files import png_of

OTHER_SCRIPTS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans SC", "Noto Sans JP", "Noto Sans KR"),
    *("Source Han Sans", "PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Microsoft YaHei", "Yu Gothic"),
    *("Malgun Gothic", "SimHei", "MS Gothic", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback"),
    *("Noto Sans Devanagari", "Noto Sans Bengali", "Noto Sans Tamil", "Noto Sans Thai", "Nirmala UI", "Leelawadee UI"),
    *("Arial Unicode MS", "Unifont"),
)
"""Fonts of systems and distributions for scripts that DejaVu Sans lacks; those that are installed are used."""


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
        texts = [text for text in self.findobj(Text) if isinstance(text, Text)]
        for text in texts:
            text.set_parse_math(text in powers)
        write_other_scripts([text for text in texts if not text.get_text().isascii()])
        super().draw(renderer)


def write_other_scripts(texts: Sequence[Text]) -> None:
    """Add to the fonts of each text that its own font cannot write those of `OTHER_SCRIPTS` that are installed."""
    for text in texts:
        written = get_font(findfont(text.get_fontproperties())).get_charmap()
        families = text.get_fontfamily()
        if all(ord(letter) in written for letter in text.get_text() if not letter.isspace()):
            continue
        installed = set(fontManager.get_font_names())
        text.set_fontfamily(
            [*families, *(name for name in OTHER_SCRIPTS if name in installed and name not in families)]
        )
