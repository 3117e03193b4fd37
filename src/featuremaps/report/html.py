"""The writer: report data and the viewer's modules put into one HTML file that needs nothing else."""

import json
import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any

from featuremaps.errors import OptionError
from featuremaps.report.data import ReportData, Section
from featuremaps.report.packing import packed
from featuremaps.report.page_path import PagePath
from featuremaps.survey.charts.page import library, page_files, script_json

PREFIX = "featuremaps/"
"""How the viewer's modules name each other: `import { h } from "featuremaps/dom.js"`."""


def viewer_files() -> dict[str, str]:
    """The text of every file of the viewer by its path inside `viewer/`, for a page or a server to hand out.

    Those that draw charts come from where the charts are made, as `charts/…`.
    """
    charts = {f"charts/{name}": text for name, text in page_files().items()}
    return dict(sorted([*_walk(files("featuremaps.report") / "viewer", ""), *charts.items()]))


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, str]]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith((".js", ".css", ".j2")):
            found.append((prefix + entry.name, entry.read_text(encoding="utf-8")))
    return found


def render(report: ReportData) -> str:
    """The report as one HTML page without a single reference to anything outside it."""
    modules = [own_module(section) for section in report.sections]
    lead = [report.first.lead] if report.first and report.first.lead else []
    findings = [*lead, *report.findings]
    content = packed(report.to_json())
    return page_parts("page.html.j2", report.title, content, findings, dict(filter(None, modules)))


def own_module(section: Section) -> tuple[str, str] | None:
    """Where a section of another package is drawn: its viewer module's path in the viewer, and its text."""
    package, _, _ = type(section).__module__.rpartition(".")
    if package.partition(".")[0] == "featuremaps" or not package:
        return None
    module = files(package) / f"{section.kind}.js"
    return (f"sections/{section.kind}.js", module.read_text(encoding="utf-8")) if module.is_file() else None


def page_parts(
    template_name: str,
    title: str,
    content: Mapping[str, Any],
    findings: Sequence[str] = (),
    modules: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """A page of the viewer from one of its templates: style sheets and modules inside, `content` as its payload.

    `modules` are those of other packages. The library that draws charts comes with it where a section has any.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    sources = viewer_files() | dict(modules)
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = template.from_string(sources[template_name]).render(
        title=title,
        findings=findings,
        # The three are ours or escaped above: the style sheets, the import map (base64), the payload.
        styles=Markup("\n".join(text for name, text in sources.items() if name.endswith(".css"))),
        import_map=Markup(_import_map(sources)),
        payload=Markup(script_json(content)),
        charts_library=library() if any("charts" in section for section in content.get("sections", ())) else "",
    )
    # A file name may hold bytes that are not text; Python carries them as lone surrogates, which UTF-8 lacks.
    return page.encode("utf-8", errors="replace").decode("utf-8")


def _import_map(sources: dict[str, str]) -> str:
    imports = {
        PREFIX + name: "data:text/javascript;base64," + b64encode(text.encode("utf-8")).decode("ascii")
        for name, text in sources.items()
        if name.endswith(".js")
    }
    return json.dumps({"imports": imports}, separators=(",", ":"))


def write(report: ReportData, path: str | os.PathLike[str]) -> PagePath:
    """Writes the page and returns its path; folders are made, and a file already there is replaced in one step.

    Raises `OptionError` where `path` is a folder.
    """
    target = PagePath(path)
    if target.is_dir():
        raise OptionError(f"report path {str(target)!r}: is a folder. Give a file, such as {target / 'report.html'}.")
    target.parent.mkdir(parents=True, exist_ok=True)
    text = render(report)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target
