"""The files that a result was saved in: a list of paths, which a notebook shows as small pictures with their names."""

from base64 import b64encode
from html import escape
from io import BytesIO
from pathlib import Path

from PIL import Image

from featuremaps.plotting.file_names import PICTURE_SUFFIXES

SHOWN = 8
"""So many pictures at most."""
LONGEST = 128
"""Their longest side, in pixels."""


class WrittenFiles(list[Path]):
    """The paths of files, in the order in which they were written."""

    def _repr_html_(self) -> str:
        pictures = [path for path in self if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()]
        shown = "".join(_figure(path) for path in pictures[:SHOWN])
        folders = ", ".join(dict.fromkeys(f"<code>{escape(str(path.parent))}</code>" for path in self))
        count = f"{len(self)} file{'' if len(self) == 1 else 's'}" + (f" in {folders}" if self else "")
        rest = f", the first {SHOWN} of {len(pictures)} pictures of which are shown" if len(pictures) > SHOWN else ""
        return f'<div style="display: flex; flex-wrap: wrap; gap: 8px">{shown}</div><p>{count}{rest}.</p>'


def _figure(path: Path) -> str:
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    image.thumbnail((LONGEST, LONGEST))
    buffer = BytesIO()
    image.save(buffer, "PNG")
    source = b64encode(buffer.getvalue()).decode("ascii")
    name = escape(path.name)
    return (
        f'<figure style="width: {LONGEST}px; margin: 0"><img src="data:image/png;base64,{source}" alt="{name}">'
        f'<figcaption style="font-size: 11px; overflow-wrap: anywhere">{name}</figcaption></figure>'
    )
