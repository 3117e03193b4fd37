"""Files that are there whole or not at all: written beside their place, flushed to the disk, and renamed."""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from featuremaps.errors import SurveyError
from featuremaps.survey.storage.manifest import NAME, FinishedShard, Manifest

UNFINISHED = ".part"
LOCK = ".lock"
AT_ONCE = 4
"""Files that are read or written side by side: most of that time is spent outside Python, or waiting for the disk."""
Write = Callable[[BinaryIO], Any]


@dataclass
class Store:
    """A survey's folder while it is being made, and the manifest that says what in it counts."""

    folder: Path
    manifest: Manifest

    def begin(self) -> None:
        """Make the folder, sweep out what a killed run left unfinished, and forget shards whose files are gone."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # Only files of ours: a folder that a user names may hold others with such an ending.
        if (self.folder / NAME).exists():
            for left in self.folder.rglob(f"*.parquet{UNFINISHED}"):
                left.unlink()
        (self.folder / (NAME + UNFINISHED)).unlink(missing_ok=True)
        whole = [shard for shard in self.manifest.shards if all(map(self._exists, shard.files))]
        if len(whole) < len(self.manifest.shards):
            self.manifest = replace(self.manifest, shards=tuple(whole), complete=False, tables={})
        if self.manifest.complete and not all(map(self._exists, self.manifest.tables)):
            self.manifest = replace(self.manifest, complete=False, tables={})
        self._save()

    def write(self, name: str, write: Write) -> str:
        """Write one file of the survey, and give its sha256."""
        return atomically(self.folder / name, write)

    def write_all(self, files: Mapping[str, Write]) -> dict[str, str]:
        """Write several, a few at a time side by side, and give the sha256 of each."""
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

    def _exists(self, name: str) -> bool:
        return (self.folder / name).is_file()


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """While no other process writes to this survey; `SurveyError` where one does. A killed process holds nothing.

    A file system that knows no locks is trusted.
    """
    with _disk_trouble(folder):
        folder.mkdir(parents=True, exist_ok=True)
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


def atomically(path: Path, write: Write) -> str:
    """Let `write` fill a new file that then takes the place of `path`; gives its sha256.

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
                found = hashlib.file_digest(stream, "sha256").hexdigest()
            os.replace(part, path)  # noqa: PTH105 (the tests count these calls)
        except BaseException:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        _flush_folder(path.parent)
    return found


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
