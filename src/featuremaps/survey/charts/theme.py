"""What all charts share: colours that follow the page around them, and what is said of the mark that is pointed at.

A chart is a Vega-Lite specification in plain data; `draw.js` draws it in a page.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from featuremaps.plotting.class_colours import GREY, PALETTE
from featuremaps.plotting.panels import number

if TYPE_CHECKING:
    import altair as alt


Made = TypeVar("Made")
Chart = dict[str, Any]
Rows = list[dict[str, Any]]
Told = Mapping[str, str | tuple[str, str]]
"""What is said of a mark: names, and the fields they stand for, a number's with its format."""
INK, LINE = "currentColor", "var(--line, #8884)"
OTHER = f"var(--series-other, {GREY})"
HEIGHT, SQUARE = 220, 250
LETTERS = 52
"""So many letters of a legend fit into a line of a narrow screen."""
DIGITS = ".4~g"
_UNCHECKED = RLock()  # whether Altair checks is one setting for the whole process


def unchecked(chart: Callable[..., Made]) -> Callable[..., Made]:
    """The function that makes charts, without Altair checking each part anew wherever it is put in: the tests do that.

    Most of the time of a chart went there.
    """

    @wraps(chart)
    def quickly(*args: Any, **kwargs: Any) -> Made:
        from altair.utils.schemapi import debug_mode

        with _UNCHECKED, debug_mode(False):
            return chart(*args, **kwargs)

    return quickly


def colour(number: int) -> str:
    """The colour of a series: the page's, lighter in the dark; elsewhere that of the printed figures."""
    place = number % len(PALETTE)
    return f"var(--series-{place}, {PALETTE[place].lower()})"


def data(rows: Rows) -> "alt.InlineData":
    """Rows as a chart's data. Six digits are more than anybody sees; null stands for what is not finite."""
    import altair as alt

    return alt.InlineData(values=[{name: _short(value) for name, value in row.items()} for row in rows])


def _short(value: object) -> object:
    if not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else None


def said(fields: Told) -> Any:
    """A mark's tooltip: names, and the fields they stand for, a number's with its format.

    An expression of our own, because Vega-Lite's leaves text undefined where the mark nearest to the pointer is meant.
    """
    import altair as alt

    parts = []
    for name, field in fields.items():
        field, form = field if isinstance(field, tuple) else (field, "")
        value = f"(datum.datum || datum)[{json.dumps(field)}]"
        shown = f"isValid({value}) ? format({value}, {json.dumps(form)}) : 'none'" if form else value
        parts.append(f"{json.dumps(name)}: {shown}")
    return alt.expr("{" + ", ".join(parts) + "}")


def nearest() -> Any:
    """The choice of the mark nearest to the pointer, to be made larger: small marks need not be hit."""
    import altair as alt

    return alt.selection_point(name="near", nearest=True, on="pointerover", clear="pointerout", empty=False)


def legend(names: Sequence[str], **options: Any) -> "alt.Legend":
    """A legend above the chart, in as many columns as fit on a narrow screen."""
    import altair as alt

    longest = max((len(name) for name in names), default=0)
    return alt.Legend(columns=max(1, min(len(names), LETTERS // (longest + 5))), **options)


def finished(chart: Any, title: str, note: str = "") -> Chart:
    """The specification, in the colours of the page around it: words and axes take the page's text colour.

    Its `description` is the title, for the page to write and for those who hear it; `usermeta` has the note.
    """
    words = dict.fromkeys(("labelColor", "titleColor"), INK)
    lines = dict.fromkeys(("tickColor", "domainColor", "gridColor"), INK)
    faint = {"gridOpacity": 0.15, "domainOpacity": 0.4, "tickOpacity": 0.4}
    specification: Chart = chart.properties(description=title, usermeta={"note": note}).to_dict(validate=False)
    specification.pop("$schema", None)  # an address; the page knows what it draws
    specification.setdefault("width", "container")
    specification.setdefault("height", HEIGHT)
    specification["config"] = {
        "background": "transparent",
        "font": "system-ui, sans-serif",
        "view": {"stroke": None},
        "axis": {**words, **lines, **faint, "titleFontWeight": 500},
        "legend": {
            **words,
            "orient": "top",
            "symbolBaseFillColor": INK,
            "symbolBaseStrokeColor": INK,
            "layout": {"top": {"direction": "vertical", "anchor": "start", "margin": 2}},
        },
    }
    return specification


def shared(charts: Mapping[str, Chart]) -> tuple[dict[str, Chart], dict[str, Rows]]:
    """Charts without their data, and the data of all of them once: Altair names equal data alike."""
    rows = {name: table for chart in charts.values() for name, table in chart.get("datasets", {}).items()}
    bare = {name: {key: part for key, part in chart.items() if key != "datasets"} for name, chart in charts.items()}
    return bare, rows


def thinned(count: int, most: int) -> list[int]:
    """At most `most` of `count` places, spread evenly, first and last included."""
    if count <= most:
        return list(range(count))
    return sorted({round(place) for place in np.linspace(0, count - 1, most).tolist()})


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
