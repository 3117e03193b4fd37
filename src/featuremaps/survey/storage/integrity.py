"""Whether the files of a survey are as they were written: their sizes quickly, their content by its sha256."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from featuremaps.errors import SurveyError
from featuremaps.survey.datasets.files import sha256_of
from featuremaps.survey.storage.manifest import WrittenFile

AT_ONCE = 4
"""Files that are read or written side by side: most of that time is spent outside Python, or waiting for the disk."""


AGAIN = "Make the same survey again: only what is missing or damaged is computed."


def flaw(path: Path, written: WrittenFile, *, content: bool = True) -> str | None:
    """In what a file differs from what was written; None where it does not. Without `content` its size counts alone."""
    try:
        size = path.stat().st_size
        if size != written.bytes:
            return f"it has {size:,} bytes, and {written.bytes:,} were written"
        if content and sha256_of(path) != written.sha256:
            return "its content is not what was written"
    except FileNotFoundError:
        return "it is gone"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return None


def flaws(folder: Path, files: Mapping[str, WrittenFile], *, content: bool = True) -> dict[str, str]:
    """The files that are not as they were written, and in what they differ."""
    with ThreadPoolExecutor(AT_ONCE, "checking") as threads:
        reasons = threads.map(lambda name: flaw(folder / name, files[name], content=content), files)
        return {name: reason for name, reason in zip(files, reasons, strict=True) if reason is not None}


def check_files(folder: Path, files: Mapping[str, WrittenFile], *, content: bool = True) -> None:
    """`SurveyError` that names the files that are not as they were written."""
    damaged = flaws(folder, files, content=content)
    if damaged:
        shown = "; ".join(f"{name}: {reason}" for name, reason in list(damaged.items())[:3])
        raise SurveyError(
            f"the survey in {folder} is damaged: {len(damaged)} of its {len(files)} files are not as they were written "
            f"({shown}). {AGAIN}"
        )
