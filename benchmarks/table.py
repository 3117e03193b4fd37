"""Results as rows, and rows as tables that read well in a terminal and in a README."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One comparison: seconds and peak bytes of the two sides, the ratio that the goal is about, and the goal."""

    work: str
    batch: int | None
    own: str
    other: str
    own_seconds: float
    other_seconds: float
    runs: int
    ratio: float
    goal: str
    met: bool
    own_bytes: int | None = None
    other_bytes: int | None = None
    same_map: float | None = None
    notes: tuple[str, ...] = field(default_factory=tuple)

    def as_dict(self) -> dict[str, Any]:
        """The row for a JSON file."""
        return asdict(self)


HEAD = ("work", "batch", "ours", "against", "time", "ratio", "goal", "", "peak memory", "same map", "runs", "note")


def as_table(rows: Sequence[Row]) -> str:
    """The rows, and below them the notes they refer to."""
    notes = list(dict.fromkeys(note for row in rows for note in row.notes))
    lines = [_cells(row, [str(notes.index(note) + 1) for note in row.notes]) for row in rows]
    below = [f"{number}. {note}" for number, note in enumerate(notes, start=1)]
    return "\n".join([aligned(HEAD, lines), *([""] if below else []), *below])


def aligned(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, its columns padded to one width."""
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    rule = ["-" * max(3, width) for width in widths]
    widths = [max(3, width) for width in widths]
    padded = [[text.ljust(width) for text, width in zip(line, widths, strict=True)] for line in [head, rule, *lines]]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def _cells(row: Row, notes: Sequence[str]) -> list[str]:
    return [
        row.work,
        "" if row.batch is None else str(row.batch),
        f"{_time(row.own_seconds)}{row.own.removeprefix('featuremaps')}",
        row.other,
        _time(row.other_seconds),
        f"{row.ratio:.2f}" if row.ratio < 10 else f"{row.ratio:.0f}",
        row.goal,
        "ok" if row.met else "MISSED",
        ""
        if row.own_bytes is None or row.other_bytes is None
        else f"{_size(row.own_bytes)} / {_size(row.other_bytes)}",
        "" if row.same_map is None else f"{row.same_map:.4f}",
        str(row.runs),
        ", ".join(notes),
    ]


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def _size(count: int) -> str:
    return f"{count / 2**20:,.0f} MB"
