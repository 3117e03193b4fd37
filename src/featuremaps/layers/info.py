"""What is known about one layer of a model, and the table of all of them as text and HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from featuremaps.layers.layout import AMONG, LIKELY, PADDED, PARTLY, TURNED, Layout

UNREACHED = "does not depend on the picture"
LOST = "its places in the picture are unknown"
HEADINGS = ("address", "type", "channels", "size", "stride", "receptive field", "formula")


@dataclass(frozen=True)
class LayerInfo:
    """One call of one layer, as it ran.

    `name` is the address, with `#call` only where the module ran several times. `size` is the shape of its maps,
    None for a layer that gives none. `stride`, `receptive_field` and `start` (the middle of the first unit's
    field; pixel 0's middle is 0.5) are in input pixels, one number per axis of the picture, None where unknown;
    after an upsampling the field is true to within one step of the coarser grid.
    `whole`: every unit depends on the whole picture; its receptive field is then the picture's size. `gated`: a
    local field, times something that saw the whole picture. `note` says why something is not known.
    """

    name: str
    type: str
    module_name: str
    call: int
    calls: int
    shape: tuple[int, ...] | None
    layout: Layout | None
    channels: int | None
    size: tuple[int, ...] | None
    stride: tuple[float, ...] | None
    receptive_field: tuple[float, ...] | None
    start: tuple[float, ...] | None
    gated: bool
    whole: bool
    formula: str | None
    parameters: int
    depth: int
    order: int
    note: str = ""

    @property
    def places_guessed(self) -> bool:
        """Whether where its places lie in the picture could not be followed."""
        return self.layout is not None and self.layout.known == LIKELY

    @property
    def places_uneven(self) -> bool:
        """Whether its places do not cover the picture evenly."""
        return self.layout is not None and self.layout.known == PARTLY

    @property
    def reached(self) -> bool:
        """Whether it depends on the picture."""
        return self.note != UNREACHED

    @property
    def lost(self) -> bool:
        """Whether it depends on the picture in a way that could not be followed."""
        return self.note.startswith(LOST)

    @property
    def no_map(self) -> bool:
        """Whether its places are known and yet no map: it works on pictures on their side, on more than were given,
        or on places as a batch.
        """
        return self.note in (TURNED, AMONG, PADDED)

    @property
    def positions(self) -> int:
        """How many places its maps have; 0 for a layer that gives none."""
        count = 1 if self.size is not None else 0
        for length in self.size or ():
            count *= length
        return count


def _numbers(values: Sequence[float] | None) -> str:
    if not values:
        return ""
    texts = [f"{value:g}" for value in values]
    return texts[0] if len(set(texts)) == 1 else "×".join(texts)


def _size(info: LayerInfo) -> str:
    if info.size is not None:
        return "×".join(str(length) for length in info.size)
    if info.shape is None:
        return "no tensor"
    return "no map: " + ("×".join(str(length) for length in info.shape[1:]) or "one number")


def receptive_field_of(info: LayerInfo) -> str:
    """The receptive field as the table has it: numbers in input pixels, or words."""
    if info.whole:
        return "whole picture"
    return _numbers(info.receptive_field) + (" + global gate" if info.gated else "")


def row(info: LayerInfo) -> tuple[str, ...]:
    """One line of the table, a text per heading."""
    formula = info.formula.replace("\n", "; ") if info.formula else info.note
    channels = "" if info.channels is None else str(info.channels)
    return (
        info.name,
        info.type,
        channels,
        _size(info),
        _numbers(info.stride),
        receptive_field_of(info),
        formula,
    )


def as_text(infos: Sequence[LayerInfo], summary: str) -> str:
    """The table in monospaced, aligned columns, with a line of summary below."""
    return "\n".join([*aligned([HEADINGS, *(row(info) for info in infos)]), "", summary])


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of text whose columns stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in rows]


def as_html(infos: Sequence[LayerInfo], summary: str, marked: str | None) -> str:
    """The table for a notebook; the layer called `marked` is set in bold."""
    head = "".join(f'<th style="text-align:left">{escape(heading)}</th>' for heading in HEADINGS)
    body = "".join(_html_row(info, bold=info.name == marked) for info in infos)
    return f"<table><caption>{escape(summary)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _html_row(info: LayerInfo, *, bold: bool) -> str:
    address, *others = (escape(text) for text in row(info))
    cells = "".join(f'<td style="text-align:left">{text}</td>' for text in others)
    address = f"<code>{address}</code>"
    return f'<tr><th style="text-align:left">{f"<b>{address}</b>" if bold else address}</th>{cells}</tr>'
