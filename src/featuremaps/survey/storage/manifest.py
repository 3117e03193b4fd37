"""The survey's own description on disk: what was surveyed, with what, and how far it is."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from featuremaps.errors import SurveyError
from featuremaps.options import Each
from featuremaps.survey.datasets.examples import digest

SCHEMA = 2
NAME = "manifest.json"
OURS = {"created_by", "fingerprint", "shard_size"}
"""Keys of which one at least is in the manifest of a survey, and in no other file of that name."""
ANEW = "make the survey anew with resume=False (--fresh)"
PLURALS: Mapping[str, str] = {"picture": "pictures", "box": "boxes", "region": "regions"}


@dataclass(frozen=True)
class SurveyedLayer:
    """One layer of a survey; sizes and fields as in `LayerInfo`, in pixels of the model's input of `input_size`."""

    name: str
    type: str
    channels: int
    size: tuple[int, ...] | None
    stride: tuple[float, ...] | None
    start: tuple[float, ...] | None
    receptive_field: tuple[float, ...] | None
    whole: bool
    input_size: tuple[int, ...]

    @property
    def folder(self) -> str:
        """Where the layer's vectors lie: its name, with what a file system may not take written as %XX."""
        return quote(self.name, safe="#@+=,")


@dataclass(frozen=True)
class WrittenFile:
    """What a file held when it was written."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class FinishedShard:
    """A shard that is on disk: how many of its pictures count and how many are bad, and its files by name."""

    number: int
    rows: int
    bad: int
    files: Mapping[str, WrittenFile]


@dataclass(frozen=True)
class Manifest:
    """What a survey is. `fingerprint` is a sha256 of each thing that must not change, `described` says it in words.

    `each` is what is counted, and `threshold` the score from which on a box counts. `region_labels` are the model's
    numbers of the classes that were found, in the order in which the tables count them, and `region_counts` how many
    there are of each; −1 is elsewhere.
    """

    fingerprint: Mapping[str, str]
    described: Mapping[str, str]
    model: str
    classes: tuple[str, ...] | None
    model_classes: tuple[str, ...] | None
    layers: tuple[SurveyedLayer, ...]
    pictures: int
    shard_size: int
    precision: str
    keep: int
    predictions: bool
    created_by: str
    pools: tuple[str, ...] = ("mean", "max")
    shards: tuple[FinishedShard, ...] = ()
    tables: Mapping[str, WrittenFile] = field(default_factory=dict)
    complete: bool = False
    each: Each = "picture"
    threshold: float | None = None
    region_labels: tuple[int, ...] = ()
    region_counts: tuple[int, ...] = ()
    multi_label: bool = False

    @property
    def key(self) -> str:
        """The column of the tables that says of what a row is."""
        return "picture" if self.each == "picture" else "region"

    @property
    def files(self) -> dict[str, WrittenFile]:
        """Every file that counts, by its name in the folder."""
        of_shards = [shard.files for shard in self.shards]
        return {name: written for files in [*of_shards, self.tables] for name, written in files.items()}

    @property
    def count(self) -> int:
        """How many shards there are in all."""
        return -(-self.pictures // self.shard_size)

    def numbers(self, shard: int) -> range:
        """The dataset's numbers of the pictures in one shard."""
        return range(shard * self.shard_size, min((shard + 1) * self.shard_size, self.pictures))

    def missing(self) -> list[int]:
        """The shards that are not finished."""
        done = {shard.number for shard in self.shards}
        return [number for number in range(self.count) if number not in done]

    def with_shard(self, shard: FinishedShard) -> "Manifest":
        """The same with one more finished shard."""
        others = [known for known in self.shards if known.number != shard.number]
        return replace(self, shards=tuple(sorted([*others, shard], key=lambda known: known.number)))

    def with_settings(self) -> "Manifest":
        """The same with its settings among the things that must not change."""
        answers = "yes" if self.predictions else "no"
        words = f"precision {self.precision}, shard {self.shard_size}, keep {self.keep}, predictions {answers}"
        words += "" if self.each == "picture" else f", each {self.each}"
        words += "" if self.threshold is None else f", threshold {self.threshold:g}"
        words += ", several labels a picture" if self.multi_label else ""
        return replace(
            self,
            described={**self.described, "settings": words},
            fingerprint={**self.fingerprint, "settings": digest([words])},
        )

    def to_json(self) -> bytes:
        """The manifest as a file holds it."""
        facts = {"schema": SCHEMA, **asdict(self)}
        return (json.dumps({"sha256": _digest(facts), **facts}, indent=1, ensure_ascii=False) + "\n").encode()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a survey's folder; `SurveyError` where there is none, or not one as this version wrote it."""
    path = folder / NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        what = "does not exist" if not folder.exists() else f"holds no survey: there is no {NAME} in it"
        raise SurveyError(f"{folder} {what}. Make one with survey(dataset, layers, out={str(folder)!r}).") from error
    except OSError as error:
        raise SurveyError(
            f"{path} cannot be read ({error.strerror}): make it readable, or give another out=."
        ) from error
    check_ours(folder, content)
    try:
        facts = json.loads(content)
    except ValueError as error:
        raise SurveyError(f"{path} is damaged ({error}): put back a copy of it, or {ANEW}.") from error
    schema = facts.pop("schema", None)
    if isinstance(schema, int) and schema != SCHEMA:
        age, todo = ("a newer", "Update featuremaps to open it") if schema > SCHEMA else ("an older", ANEW.capitalize())
        raise SurveyError(
            f"{folder} was written by {age} version of featuremaps ({facts.get('created_by', 'unknown')}; its schema "
            f"is {schema}, this version reads {SCHEMA}). {todo}."
        )
    if facts.pop("sha256", None) != _digest({"schema": schema, **facts}):
        raise SurveyError(
            f"{path} is not as it was written, so what it says cannot be trusted: put back a copy of it, or {ANEW}."
        )
    return _of_json(facts)


def check_ours(folder: Path, content: bytes) -> None:
    """`SurveyError` where a file called like a manifest is of something else, which is left alone.

    One that cannot be read any more is a survey's where it begins like one or where a survey's tables lie beside it.
    """
    try:
        facts = json.loads(content)
        ours = isinstance(facts, dict) and bool(OURS & set(facts))
    except ValueError:
        ours = b'"schema"' in content[:200] or (folder / "partial").is_dir()
    if not ours:
        raise SurveyError(
            f"{folder / NAME} is not the manifest of a survey, so something else keeps its files in this folder, and "
            "they are left alone: give another folder."
        )


def _digest(facts: Mapping[str, Any]) -> str:
    """Of what a manifest says, however it is laid out."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _of_json(facts: dict[str, Any]) -> Manifest:
    layers = tuple(SurveyedLayer(**{key: _tupled(value) for key, value in layer.items()}) for layer in facts["layers"])
    shards = tuple(FinishedShard(**{**shard, "files": _files(shard["files"])}) for shard in facts["shards"])
    rest = {key: _tupled(value) for key, value in facts.items() if key not in ("layers", "shards", "tables")}
    return Manifest(layers=layers, shards=shards, tables=_files(facts["tables"]), **rest)


def _files(known: Mapping[str, Mapping[str, Any]]) -> dict[str, WrittenFile]:
    return {name: WrittenFile(**written) for name, written in known.items()}


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
