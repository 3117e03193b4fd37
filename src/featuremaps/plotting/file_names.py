"""Names of files that are written: safe on any system, different from each other."""

from collections.abc import Sequence
from hashlib import sha256
from itertools import count
from pathlib import Path

LONGEST = 180
"""Bytes of a name; file systems take 255, and endings and labels are added."""
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif")


def file_name(*parts: str) -> str:
    """A file name made of parts, safe on any system; long parts are cut, with a digest of the whole in their place."""
    kept = list(parts)
    for _ in parts:
        excess = len("__".join(kept).encode()) - LONGEST
        longest = max(range(len(kept)), key=lambda i: len(kept[i].encode()))
        kept[longest] = _shortened(kept[longest], excess)
    name = "".join(char if char.isalnum() or char in "-_.+ " else "-" for char in "__".join(kept))
    return name.strip(". ") or "picture"


def _shortened(text: str, excess: int) -> str:
    """A text by so many bytes shorter, yet of 24 or more; a digest sets it apart from others that begin alike."""
    whole = text.encode()
    room = max(24, len(whole) - excess)
    if excess <= 0 or room >= len(whole):
        return text
    return f"{whole[: room - 9].decode(errors='ignore')}-{sha256(whole).hexdigest()[:8]}"


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


def is_picture_file(path: str | Path) -> bool:
    """Whether a path is meant as one picture's file, not as a folder."""
    return Path(path).suffix.lower() in PICTURE_SUFFIXES and not Path(path).is_dir()
