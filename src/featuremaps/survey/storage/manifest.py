"""The survey's own description on disk: what was surveyed, with what, and how far it is."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from featuremaps.errors import SurveyError
from featuremaps.survey.datasets.examples import digest

SCHEMA = 1
NAME = "manifest.json"


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
class FinishedShard:
    """A shard that is on disk: how many of its pictures count and how many are bad, and the sha256 of its files."""

    number: int
    rows: int
    bad: int
    files: Mapping[str, str]


@dataclass(frozen=True)
class Manifest:
    """What a survey is. `fingerprint` is a sha256 of each thing that must not change, `described` says it in words."""

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
    tables: Mapping[str, str] = field(default_factory=dict)
    complete: bool = False

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
        return replace(
            self,
            described={**self.described, "settings": words},
            fingerprint={**self.fingerprint, "settings": digest([words])},
        )

    def to_json(self) -> bytes:
        """The manifest as a file holds it."""
        return (json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1, ensure_ascii=False) + "\n").encode()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a survey's folder; `SurveyError` where there is none that this version can read."""
    path = folder / NAME
    try:
        facts = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        what = "does not exist" if not folder.exists() else f"holds no survey: there is no {NAME} in it"
        raise SurveyError(f"{folder} {what}. Make one with survey(dataset, layers, out={str(folder)!r}).") from error
    except (ValueError, OSError) as error:
        raise SurveyError(f"{path} cannot be read ({error}): the survey is damaged. Make it again.") from error
    schema = facts.pop("schema", None) if isinstance(facts, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise SurveyError(
            f"{folder} was written by a newer version of featuremaps ({facts.get('created_by', 'unknown')}; its schema "
            f"is {schema}, this version reads up to {SCHEMA}). Update featuremaps to open it."
        )
    names = {known.name for known in fields(Manifest)}
    if schema != SCHEMA or set(facts) != names:
        raise SurveyError(f"{path} is not the manifest of a survey of schema {SCHEMA}: the survey is damaged.")
    return _of_json(facts)


def _of_json(facts: dict[str, Any]) -> Manifest:
    layers = tuple(SurveyedLayer(**{key: _tupled(value) for key, value in layer.items()}) for layer in facts["layers"])
    shards = tuple(FinishedShard(**shard) for shard in facts["shards"])
    rest = {key: _tupled(value) for key, value in facts.items() if key not in ("layers", "shards")}
    return Manifest(layers=layers, shards=shards, **rest)


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
