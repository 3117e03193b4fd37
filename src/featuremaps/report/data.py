"""What a report says, apart from how it looks: a title, findings, a list of sections, and how it was made.

A section is one dataclass with a `kind` under `@section`, and one viewer module of the same name.
"""

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

from PIL.Image import Image

from featuremaps.errors import FeatureMapsError
from featuremaps.methods import METHODS
from featuremaps.plotting.method_names import method_name
from featuremaps.registry import Registry
from featuremaps.report.encode import Json, alone, plain, plain_fields
from featuremaps.report.first_screen import FirstScreen
from featuremaps.report.palettes import palettes

SCHEMA = 1
"""The version of the payload's layout; a viewer refuses one that it does not know."""


def versions_of(*packages: str) -> dict[str, str]:
    """The versions of Python and this library, and of the packages besides that a report was made with."""
    return {"python": platform.python_version(), **{name: version(name) for name in ("featuremaps", *packages)}}


@runtime_checkable
class Section(Protocol):
    """One part of a report. `kind` names the viewer module that draws it.

    `colormaps`, where it has any, are matplotlib's that it needs beside those that every report offers. A section may
    also say which of a reader's `question`s it answers, `count` what it holds, and be summed up in one sentence, its
    `summary`: readers find it by these.
    """

    kind: ClassVar[str]

    @property
    def title(self) -> str:
        """The heading."""

    def to_json(self) -> Json:
        """Everything that the viewer module needs, in JSON's own types."""


SECTIONS: Registry[type[Section]] = Registry("section", "featuremaps.report")
"""The parts that a report may have, by kind."""

SectionClass = TypeVar("SectionClass", bound=type[Any])
Layer = TypeVar("Layer")


def section(kind: SectionClass) -> SectionClass:
    """Register a class of sections under its `kind`.

    The viewer module that draws it is `viewer/sections/KIND.js`, or `KIND.js` beside the module of another package.
    """
    SECTIONS.add(kind.kind, kind, kind)
    return kind


@section
@dataclass(frozen=True)
class FailedSection:
    """A section that could not be made, and why: shown in its place, so that nothing goes missing unsaid."""

    kind: ClassVar[str] = "failure"

    title: str
    message: str
    question: str = ""

    def to_json(self) -> Json:
        """The message."""
        return {"message": self.message}


def made(title: str, make: Callable[[], Section], question: str = "") -> Section:
    """The section that `make` makes; a visible failure where the library says why it cannot be made."""
    try:
        return make()
    except FeatureMapsError as error:
        return FailedSection(title, f"{type(error).__name__}: {error}", question)


@dataclass(frozen=True, eq=False)
class LayeredPicture(Generic[Layer]):
    """One picture: what the model saw of it, and its layers in the order in which they run."""

    name: str
    seen: Image
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True)
class MethodNote:
    """A method as a reader meets it: its name, one line on what it does, and the paper it comes from."""

    name: str
    summary: str = ""
    paper: str = ""


@dataclass(frozen=True)
class Rejection:
    """A picture that was not explained, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Provenance:
    """How a report was made, in enough detail to make it again; `settings` are the seed and the precision, if any."""

    model: str
    source: str = ""
    preprocessing: str = ""
    layers: tuple[str, ...] = ()
    methods: tuple[MethodNote, ...] = ()
    targets: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    device: str = ""
    command: str = ""
    created: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))

    def to_json(self) -> Json:
        """The fields under their own names, and the settings under theirs."""
        return plain_fields(vars(replace(self, settings={}))) | {"seed": None, "precision": "", **self.settings}


@dataclass(frozen=True)
class ReportData:
    """A whole report: what a reader meets first, then the sections that show it, then how it was made.

    `findings` are sentences; they stand below the title, or, where there is a `first` screen, folded below that.
    """

    title: str
    provenance: Provenance
    findings: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    rejected: tuple[Rejection, ...] = ()
    first: FirstScreen | None = None

    def to_json(self) -> Json:
        """The payload that the viewer reads. A section that cannot be encoded becomes a visible failure."""
        wanted = tuple(name for section in self.sections for name in getattr(section, "colormaps", ()))
        return {
            "schema": SCHEMA,
            "title": self.title,
            "findings": list(self.findings),
            "first": None if self.first is None else self._first_json(self.first),
            "sections": [_section_json(section) for section in self.sections],
            "provenance": self.provenance.to_json(),
            "rejected": plain(self.rejected),
            "palettes": palettes(wanted),
            "names": {name: method_name(name) for name in METHODS},
        }

    def _first_json(self, first: FirstScreen) -> Json:
        """The first screen; one that cannot be encoded says why, above the findings."""
        return alone(first, lambda first: first.to_json([section.title for section in self.sections]))


def _section_json(section: Section) -> Json:
    try:
        content = _about(section) | section.to_json()
    except Exception as error:
        section = FailedSection(section.title, f"{type(error).__name__}: {error}", getattr(section, "question", ""))
        content = _about(section) | section.to_json()
    return {**content, "kind": section.kind, "title": section.title}


def _about(section: Section) -> Json:
    """What a reader finds a section by, as far as it says so."""
    about = {name: getattr(section, name, None) for name in ("question", "count", "summary")}
    return {name: value for name, value in about.items() if value not in (None, "")}
