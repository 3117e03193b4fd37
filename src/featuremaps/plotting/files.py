"""Names of files that are written, and figures as PNG."""

from collections.abc import Sequence
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def file_name(*parts: str) -> str:
    """A file name made of parts, safe on any system."""
    kept = "__".join(parts)
    return "".join(char if char.isalnum() or char in "-_.+ " else "-" for char in kept).strip(". ") or "picture"


def unique_names(names: Sequence[str]) -> list[str]:
    """The names without their picture suffix, numbered where several are alike."""
    stems = [Path(name).stem or name for name in names]
    taken = {stem for stem in stems if stems.count(stem) == 1}
    result = []
    for stem in stems:
        numbered = (f"{stem}-{number}" for number in count(1))
        result.append(stem if stem in taken and stem not in result else next(n for n in numbered if n not in taken))
        taken.add(result[-1])
    return result


def png_of(figure: "Figure") -> bytes:
    """A figure as PNG, for notebooks."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    return buffer.getvalue()
