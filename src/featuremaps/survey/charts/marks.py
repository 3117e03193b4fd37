"""Lines at values that a chart marks, such as thresholds; named in the legend, since words would hide the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from featuremaps.plotting.panels import number
from featuremaps.survey.charts.theme import INK, data, legend

DASHED, DOTTED = (5.0, 4.0), (1.5, 3.5)
STROKE = 1.25


@dataclass(frozen=True)
class Mark:
    """A value to be marked, by its name and the dashes of its line."""

    name: str
    value: float
    dashes: tuple[float, float] = DASHED

    def __str__(self) -> str:
        return f"{self.name} {number(self.value)}"


def lines(marks: Sequence[Mark], axis: Literal["x", "y"]) -> list[Any]:
    """Lines at values of an axis: upright ones, or across."""
    import altair as alt

    if not marks:
        return []
    names = [str(mark) for mark in marks]
    dashes = alt.Scale(domain=names, range=[list(mark.dashes) for mark in marks])
    key = legend(names, symbolType="stroke", symbolStrokeColor=INK, symbolStrokeWidth=STROKE, symbolSize=600)
    rules = alt.Chart(data([{"at": mark.value, "mark": str(mark)} for mark in marks])).mark_rule(
        color=INK, strokeWidth=STROKE, tooltip=None
    )
    return [rules.encode(**{axis: "at:Q"}, strokeDash=alt.StrokeDash("mark:N", title=None, scale=dashes, legend=key))]
