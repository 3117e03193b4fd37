"""A chart of distributions: of each kind of picture the share in every bin of a score, with thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from featuremaps.survey.charts.theme import DIGITS, INK, Mark, Rows, data, legend, lines, said

BINS, AIR = 24, 0.02


@dataclass(frozen=True, eq=False)
class Kind:
    """Pictures of one kind: what they are called, their colour, their scores."""

    name: str
    colour: str
    scores: Float[np.ndarray, " picture"]


def distributions(kinds: Sequence[Kind], marks: Sequence[Mark], axis: str) -> Any:
    """Outlines of the kinds' histograms, one scale for all; pointing at a bin says the shares in it."""
    import altair as alt

    edges = _edges([*(kind.scores for kind in kinds), np.array([mark.value for mark in marks])])
    shares = [np.histogram(kind.scores, edges)[0] / max(1, len(kind.scores)) for kind in kinds]
    names = [kind.name for kind in kinds]
    colours = alt.Scale(domain=names, range=[kind.colour for kind in kinds])
    x = alt.X(
        "score:Q",
        title=axis,
        scale=alt.Scale(domain=[edges[0], edges[-1]], nice=False),
        axis=alt.Axis(grid=False, tickCount=6),
    )
    y = alt.Y("share:Q", title=None, axis=alt.Axis(format="%", tickCount=3))
    outlines = (
        alt.Chart(data(_outlines(names, edges, shares)))
        .mark_area(interpolate="step-after", fillOpacity=0.16, line={"strokeWidth": 1.75})
        .encode(x=x, y=y.stack(None), color=alt.Color("kind:N", scale=colours, title=None, legend=legend(names)))
    )
    told = {"from": ("low", DIGITS), "to": ("high", DIGITS)}
    told |= {name: (f"share{place}", ".1%") for place, name in enumerate(names)}
    over = alt.selection_point(name="near", on="pointerover", clear="pointerout", empty=False, fields=["low"])
    columns = (
        alt.Chart(data(_bins(edges, shares)))
        .mark_bar(color=INK, tooltip=said(told), cursor="crosshair", binSpacing=0)
        .encode(
            x=alt.X("low:Q", title=axis),
            x2="high:Q",
            y=alt.value(0),
            y2=alt.value("height"),
            opacity=alt.condition(over, alt.value(0.1), alt.value(0)),
        )
        .add_params(over)
    )
    return alt.layer(outlines, columns, *lines(marks, "x"))


def _edges(values: Sequence[np.ndarray]) -> np.ndarray:
    found = np.concatenate(values).astype(np.float64)
    low, high = float(found.min()), float(found.max())
    margin = AIR * ((high - low) or abs(high) or 1.0)
    return np.linspace(low - margin, high + margin, BINS + 1)


def _outlines(names: Sequence[str], edges: np.ndarray, shares: Sequence[np.ndarray]) -> Rows:
    """Each bin's share at its left edge, and the last one's at the right edge too."""
    return [
        {"kind": name, "score": float(edge), "share": float(share)}
        for name, own in zip(names, shares, strict=True)
        for edge, share in zip(edges, [*own, own[-1]], strict=True)
    ]


def _bins(edges: np.ndarray, shares: Sequence[np.ndarray]) -> Rows:
    return [
        {"low": float(edges[place]), "high": float(edges[place + 1])}
        | {f"share{kind}": float(own[place]) for kind, own in enumerate(shares)}
        for place in range(len(edges) - 1)
    ]
