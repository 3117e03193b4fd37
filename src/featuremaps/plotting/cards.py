"""Cards: what a notebook shows of a result that has no figure, in the notebook's own colours."""

from collections.abc import Mapping, Sequence
from html import escape

LEFT = ' style="text-align: left"'


def card(title: str, rows: Mapping[str, object]) -> str:
    """A table of two columns in HTML: what each row says, and its value; `title` stands above it.

    A value that is a sequence of texts has a line for each.
    """
    body = "".join(
        f"<tr><th{LEFT}>{escape(name)}</th><td{LEFT}>{_cell(value)}</td></tr>" for name, value in rows.items()
    )
    return f"<table><caption{LEFT}><b>{escape(title)}</b></caption><tbody>{body}</tbody></table>"


def grid(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in HTML with a heading for each column."""
    headings = "".join(f"<th{LEFT}>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td{LEFT}>{_cell(value)}</td>' for value in row)}</tr>" for row in rows)
    caption = f"<caption{LEFT}>{escape(title)}</caption>"
    return f"<table>{caption}<thead><tr>{headings}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "<br>".join(escape(str(each)) for each in value)
    return escape(str(value))
