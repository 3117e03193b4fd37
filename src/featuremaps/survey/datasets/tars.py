"""WebDataset shards: tar files whose members of one name make one example, indexed once and read in place."""

import glob
import hashlib
import itertools
import json
import re
import tarfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from featuremaps.errors import FeatureMapsWarning, ImageError, SurveyError
from featuremaps.pictures.decode import SUFFIXES, decoded_bytes
from featuremaps.pictures.labels import LABEL_KEYS, label_of
from featuremaps.pictures.load import Picture
from featuremaps.survey.datasets.columns import warn_unlabelled
from featuremaps.survey.datasets.examples import Example, cells_as_labels, digest, numbered

CAPTION = 64  # characters; a longer text, or one of several lines, tells what is to be seen and is no class's name


@dataclass(frozen=True)
class Member:
    """Where a picture lies: which tar file, and which bytes of it."""

    name: str
    tar: int
    offset: int
    size: int
    suffix: str


@dataclass(frozen=True, eq=False)
class Tars:
    """The pictures in tar files, in the order in which they lie there."""

    tars: tuple[Path, ...]
    members: tuple[Member, ...]
    labels: Sequence[int | None]
    classes: tuple[str, ...] | None
    threads: bool = True

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, number: int) -> Example:
        return Example(number, self.members[number].name, None, self.labels[number])

    def read(self, number: int) -> Picture:
        """The picture in the tar file."""
        member, content = self.members[number], self._content(number)
        if len(content) < member.size:
            raise ImageError(f"{self.tars[member.tar].name} ends inside this picture: the tar file is cut short.")
        return Picture(member.name, kept=decoded_bytes(content, member.suffix), label=self.labels[number])

    def sha256(self, number: int) -> str | None:
        """Of the picture's bytes; None where they cannot be read."""
        with suppress(ImageError):
            return hashlib.sha256(self._content(number)).hexdigest()
        return None

    def _content(self, number: int) -> bytes:
        member = self.members[number]
        try:
            with self.tars[member.tar].open("rb") as stream:
                stream.seek(member.offset)
                return stream.read(member.size)
        except OSError as error:
            raise ImageError(f"{self.tars[member.tar]} cannot be read ({error.strerror}).") from error

    def identity(self) -> str:
        """The names, sizes and labels of all pictures."""
        rows = zip(self.members, self.labels, strict=True)
        return digest(f"{member.name}|{member.size}|{label}" for member, label in rows)


def tars(patterns: Sequence[str], classes: Sequence[str] | None, label: str | None = None) -> Tars:
    """The pictures in the tar files that paths, globs or braces such as `train-{000..099}.tar` name.

    Labels are those of a `.cls` member (a number or a name), of "label", "class", "target" … in `.json`, or of `.txt`
    where none of these is longer than a name; `label` names another key of `.json`.
    """
    paths = [path for pattern in patterns for path in _found(pattern)]
    found = [entry for tar, path in enumerate(paths) for entry in _indexed(path, tar, label)]
    if not found:
        raise SurveyError(f"there is no picture in {', '.join(path.name for path in paths[:5])}.")
    labels, names = numbered(_labels([label for _, label in found], paths[0].name), classes)
    return Tars(tuple(path.absolute() for path in paths), tuple(member for member, _ in found), labels, names)


def braces(pattern: str) -> list[str]:
    """The names that `{000..012}` and `{a,b}` in a pattern stand for."""
    pieces = [
        _alternatives(piece[1:-1]) if piece.startswith("{") and piece.endswith("}") else [piece]
        for piece in re.split(r"(\{[^{}]*\})", pattern)
    ]
    return ["".join(choice) for choice in itertools.product(*pieces)]


def _alternatives(inside: str) -> list[str]:
    span = re.fullmatch(r"(\d+)\.\.(\d+)", inside)
    if span is None:
        return inside.split(",")
    first, last = span.groups()
    return [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]


def _found(pattern: str) -> list[Path]:
    found = []
    for text in braces(str(Path(pattern).expanduser())):
        matches = sorted(glob.glob(text)) if any(sign in text for sign in "*?[") else [text]  # noqa: PTH207
        if not matches:
            raise SurveyError(f"{text}: this pattern matches no tar file.")
        found += [Path(match) for match in matches]
    return found


def _indexed(path: Path, tar: int, key: str | None) -> Iterator[tuple[Member, object]]:
    """The pictures of one tar file with their labels; members of one example stand together."""
    try:
        with tarfile.open(path, "r:") as archive:
            files = (member for member in archive if member.isfile())
            for stem, group in itertools.groupby(files, lambda member: _split(member.name)[0]):
                members = {_split(member.name)[1]: member for member in group}
                picture = next((suffix for suffix in members if _ending(suffix) in SUFFIXES), None)
                if picture is not None:
                    file = members[picture]
                    place = Member(f"{stem}.{picture}", tar, file.offset_data, file.size, _ending(picture))
                    yield place, _label(archive, members, key)
            _check_end(path, archive)
    except tarfile.ReadError as error:
        hint = " A compressed tar cannot be read in place: unpack it with gunzip." if path.suffix != ".tar" else ""
        raise SurveyError(f"{path} is not a tar file that can be read ({error}).{hint}") from error
    except OSError as error:
        raise SurveyError(f"{path} cannot be opened ({error.strerror}).") from error


def _ending(suffix: str) -> str:
    return f".{suffix.rpartition('.')[2]}"


def _split(name: str) -> tuple[str, str]:
    """A member's example and the rest, which begins at the first dot of its file name."""
    path = PurePosixPath(name)
    base, _, suffix = path.name.partition(".")
    return str(path.with_name(base or "_")), suffix.lower()


@dataclass(frozen=True)
class Text:
    """What stands in a `.txt` member: the name of a class, or a caption."""

    words: str


@dataclass(frozen=True)
class OtherKeys:
    """What a `.json` member holds in place of a label."""

    names: tuple[str, ...]


def _label(archive: tarfile.TarFile, members: dict[str, tarfile.TarInfo], key: str | None) -> object:
    """The label beside a picture as it stands there; None where there is none."""
    other = None
    for suffix in ("json",) if key is not None else ("cls", "cls.txt", "json", "txt"):
        stream = archive.extractfile(members[suffix]) if suffix in members else None
        if stream is None:
            continue
        words = stream.read().decode("utf-8", "replace").strip()
        label = _of_json(words, members[suffix].name, key) if suffix == "json" else words
        if isinstance(label, OtherKeys):
            other = label
        elif label is not None and label != "":
            return Text(words) if suffix == "txt" else label
    return other


def _of_json(text: str, name: str, key: str | None) -> object:
    try:
        content = json.loads(text)
        if not isinstance(content, dict):
            return label_of(content)
        if not set(content) & ({key} if key is not None else set(LABEL_KEYS)):
            return OtherKeys(tuple(content))
        return label_of(content if key is None else content[key])
    except ValueError as error:
        raise SurveyError(f"the label in {name} is not understood: {error}") from error


def _labels(given: Sequence[object], where: str) -> list[object]:
    """The labels with texts as names, or without them where one is too long for a name; warns where none is a label."""
    texts = [label.words for label in given if isinstance(label, Text)]
    longest = max(texts, key=len, default="")
    captions = len(longest) > CAPTION or any("\n" in text for text in texts)
    labels = [
        None if isinstance(label, OtherKeys) or (captions and isinstance(label, Text)) else label for label in given
    ]
    if captions:
        _warn(f"{where}: the .txt members are captions ({longest[:CAPTION]!r}…), so they are taken for no labels.")
    keys = next((label.names for label in given if isinstance(label, OtherKeys)), None)
    if keys and not any(label is not None for label in labels):
        warn_unlabelled(keys, where)
    return cells_as_labels([label.words if isinstance(label, Text) else label for label in labels])


def _warn(message: str) -> None:
    warnings.warn(message, FeatureMapsWarning, stacklevel=3)


def _check_end(path: Path, archive: tarfile.TarFile) -> None:
    """Warn of a tar file without the empty blocks at its end: one cut between two members reads like a whole one."""
    with path.open("rb") as stream:
        stream.seek(archive.offset)
        end = stream.read(tarfile.BLOCKSIZE)
    if len(end) < tarfile.BLOCKSIZE:
        _warn(f"{path} ends without the mark of a tar file's end: if it was cut short, its last pictures are missing.")
