"""Lines at values that a chart marks, such as thresholds, with their names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from featuremaps.figures import number
from featuremaps.survey.charts.look import INK, data

DASHED, DOTTED, WHOLE = (5.0, 4.0), (1.5, 3.5), (1.0, 0.0)
STROKE = 1.25


@dataclass(frozen=True)
class Mark:
    """A value to be marked, by its name and the dashes of its line."""

    name: str
    value: float
    dashes: tuple[float, float] = DASHED

    def __str__(self) -> str:
        return f"{self.name} {number(self.value)}"


def level(marks: Sequence[Mark]) -> list[Any]:
    """Lines across at their heights, named at their right end."""
    import altair as alt

    found: list[Any] = []
    for mark in marks:
        base = alt.Chart(data([{"at": mark.value, "name": str(mark)}])).encode(y="at:Q")
        found.append(base.mark_rule(color=INK, strokeWidth=STROKE, strokeDash=list(mark.dashes), tooltip=None))
        word = base.mark_text(color=INK, align="right", dy=-6, dx=-2, tooltip=None)
        found.append(word.encode(text="name:N", x=alt.value("width")))
    return found


def upright(marks: Sequence[Mark], middle: float) -> list[Any]:
    """Upright lines, named beside their upper end, towards the middle of the chart, one below the other."""
    import altair as alt

    found: list[Any] = []
    for row, mark in enumerate(marks):
        base = alt.Chart(data([{"at": mark.value, "name": str(mark)}])).encode(x="at:Q")
        found.append(base.mark_rule(color=INK, strokeWidth=STROKE, strokeDash=list(mark.dashes), tooltip=None))
        left = mark.value < middle
        word = base.mark_text(
            color=INK, align="left" if left else "right", dx=4 if left else -4, dy=8 + 13 * row, tooltip=None
        )
        found.append(word.encode(text="name:N", y=alt.value(0)))
    return found
