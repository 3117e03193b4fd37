"""Files that are there whole or not at all: written beside their place, flushed to the disk, and renamed."""

import errno
import hashlib
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from featuremaps.errors import FeatureMapsWarning, SurveyError
from featuremaps.survey.storage.integrity import AT_ONCE, flaws
from featuremaps.survey.storage.manifest import NAME, FinishedShard, Manifest, WrittenFile, check_ours

UNFINISHED = ".part"
LOCK = ".survey.lock"
SHARD = "[0-9]" * 5 + ".parquet"
PATTERNS = (
    *(f"{table}.parquet" for table in ("pictures", "regions", "top", "channels", "classes")),
    *(f"{folder}/{SHARD}" for folder in ("vectors/*/*", "predictions", "partial/*")),
)
"""What a survey's files are called beside its manifest."""
Write = Callable[[BinaryIO], Any]


@dataclass
class Store:
    """A survey's folder while it is being made, and the manifest that says what in it counts."""

    folder: Path
    manifest: Manifest

    def begin(self, *, fresh: bool = False) -> None:
        """Make the folder, sweep out what a killed run left unfinished, and forget shards that are not as written.

        `fresh` removes the survey that was there. `SurveyError` for a new survey where a file of another kind is in its
        way; nothing of others is touched.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        there = (self.folder / NAME).exists()
        if fresh and there:
            check_ours(self.folder, (self.folder / NAME).read_bytes())
            # The manifest last: a run that is killed here leaves files that it still names as a survey's.
            for path in [*_written_in(self.folder), self.folder / NAME]:
                path.unlink()
        elif not there and (others := _written_in(self.folder)):
            raise SurveyError(
                f"{others[0]} is in the way: a survey would overwrite it, and no {NAME} says that it is a survey's. "
                "Move it away, or give another out=."
            )
        elif there:
            for path in _written_in(self.folder, UNFINISHED):
                path.unlink()
        (self.folder / (NAME + UNFINISHED)).unlink(missing_ok=True)
        self._forget(flaws(self.folder, self.manifest.files))
        self._save()

    def _forget(self, damaged: Mapping[str, str]) -> None:
        """Leave what is gone or damaged out of the manifest, and say so."""
        if not damaged:
            return
        name, reason = next(iter(damaged.items()))
        warnings.warn(
            f"{len(damaged)} files of the survey in {self.folder} are not as they were written (first {name}: "
            f"{reason}); what they held is computed again.",
            FeatureMapsWarning,
            stacklevel=2,
        )
        whole = tuple(shard for shard in self.manifest.shards if not damaged.keys() & shard.files.keys())
        self.manifest = replace(self.manifest, shards=whole, complete=False, tables={})

    def write(self, name: str, write: Write) -> WrittenFile:
        """Write one file of the survey, and give what was written."""
        return atomically(self.folder / name, write)

    def write_all(self, files: Mapping[str, Write]) -> dict[str, WrittenFile]:
        """Write several, a few at a time side by side, and give what was written of each."""
        with ThreadPoolExecutor(AT_ONCE, "writing") as threads:
            return dict(zip(files, threads.map(self.write, files.keys(), files.values()), strict=True))

    def finish_shard(self, shard: FinishedShard) -> None:
        """From here on the shard counts."""
        self.manifest = self.manifest.with_shard(shard)
        self._save()

    def finish(self, **facts: Any) -> None:
        """From here on the survey is complete."""
        self.manifest = replace(self.manifest, complete=True, **facts)
        self._save()

    def _save(self) -> None:
        content = self.manifest.to_json()
        path = self.folder / NAME
        if not path.exists() or path.read_bytes() != content:
            atomically(path, lambda stream: stream.write(content))


def _written_in(folder: Path, ending: str = "") -> list[Path]:
    """The files in a folder that are called like those of a survey, `ending` aside."""
    return sorted(path for pattern in PATTERNS for path in folder.glob(pattern + ending) if path.is_file())


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """While no other process writes to this survey; `SurveyError` where one does. A killed process holds nothing.

    `SurveyError` also where the folder is somebody else's. A file system that knows no locks is trusted.
    """
    with _disk_trouble(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / NAME).exists():
            check_ours(folder, (folder / NAME).read_bytes())
        lock = FileLock(folder / LOCK, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise SurveyError(
                f"{folder} is being written by another process. Wait until it ends and make the same call again, or "
                "give another out=."
            ) from error
        except NotImplementedError:
            pass
    try:
        yield
    finally:
        lock.release()
        if not (folder / NAME).exists():  # nothing was begun
            with suppress(OSError):
                (folder / LOCK).unlink(missing_ok=True)
                folder.rmdir()


def atomically(path: Path, write: Write) -> WrittenFile:
    """Let `write` fill a new file that then takes the place of `path`; gives what was written.

    A process or machine that stops in between leaves the old file, or none. Raises `SurveyError` on a full disk.
    """
    part = path.with_name(path.name + UNFINISHED)
    with _disk_trouble(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("w+b") as stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
                stream.seek(0)
                sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
                written = WrittenFile(sha256, stream.tell())
            os.replace(part, path)  # noqa: PTH105 (the tests count these calls)
        except BaseException:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        _flush_folder(path.parent)
    return written


def _flush_folder(folder: Path) -> None:
    """Make a rename last; not every system lets a folder be flushed."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _disk_trouble(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "the disk is full" if full else f"it cannot be written ({error.strerror or error})"
        todo = "Make room" if full else "Put that right"
        raise SurveyError(
            f"{path}: {what}. What is finished is kept. {todo} and make the same call again: it goes on from there."
        ) from error
