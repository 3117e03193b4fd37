"""Where a page was written: a path like any other, which shows the page in a notebook and opens it in the browser."""

import webbrowser
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    _Path = Path
else:
    _Path = type(Path())  # before Python 3.12 only the system's own kind of path can be derived from

MOST_FRAMED = 32 * 2**20
"""Bytes; what is larger is left out of a notebook, which would keep a copy."""


class PagePath(_Path):
    """The path of a page. A notebook that it is the last line of shows the page itself."""

    def show(self) -> None:
        """Open the page in the browser."""
        webbrowser.open(self.resolve().as_uri())

    def frame(self, height: int = 720) -> str:
        """The page as HTML for a notebook, `IPython.display.HTML(path.frame(900))`.

        Args:
            height: Of the frame, in CSS pixels.

        Returns:
            An `<iframe>` that holds the whole page, for the notebook may be moved without the file.

        Raises:
            FileNotFoundError: The file is no longer there.
        """
        return framed(self.read_text(encoding="utf-8"), self.name, height)

    def _repr_html_(self) -> str | None:
        if not self.is_file() or self.suffix.lower() not in (".html", ".htm"):
            return None
        size = self.stat().st_size
        words = f"<code>{escape(str(self))}</code>, {size / 2**20:.1f} MB"
        if size > MOST_FRAMED:
            return f"<p>{words}: too large for a notebook; open it in the browser, <code>.show()</code>.</p>"
        return f"{self.frame()}\n<p>{words}</p>"


def framed(page: str, title: str, height: int) -> str:
    """A whole page as an `<iframe srcdoc>`, which can run its scripts and save files, and reaches nothing else."""
    return (
        f'<iframe srcdoc="{escape(page)}" title="{escape(title)}" width="100%" height="{height}" '
        'style="border: 0" sandbox="allow-scripts allow-modals allow-downloads"></iframe>'
    )
