"""The order of the packages: a file imports only from packages below its own, and no two files import each other."""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import featuremaps

ROOT = Path(featuremaps.__file__).parent
CONTRIBUTING = Path(__file__).resolve().parents[1] / "CONTRIBUTING.md"
HOUSE = {
    "cli": "the command line: parse, call one verb, print or save",
    "sources": "`load()`: where models come from, one file each",
    "demo": "the bundled world: scenes, small trained networks",
    "scope": "the model under study: one class, thin verbs",
    "report": "data and viewer, one HTML file",
    "evidence.measures": "formulas that judge a heatmap, a file per family",
    "evidence": "which explanation deserves belief",
    "repair": "shortcuts taken out, by which way and at what cost",
    "shortcuts": "what answers rest on that is not the class, and its proof",
    "concepts": "what channels do together, and what pictures have in common",
    "survey": "a dataset in one pass, and its result",
    "survey.engine": "the pass: plan, loader, shards, Ray",
    "survey.analysis": "the questions asked of a survey",
    "survey.figures": "figures of the answers (matplotlib)",
    "survey.charts": "charts of the answers (Altair)",
    "survey.storage": "tables, shards, manifest, the reader",
    "survey.datasets": "whatever a dataset comes as",
    "survey.measures": "AUC, ROC, proportions and their intervals",
    "explain": "methods × layers × targets on one record",
    "maps": "what every layer and channel makes of a picture",
    "draw": "pictures by optimisation",
    "projection": "a unit back in pixel space",
    "filters": "weights as pictures",
    "methods": "formulas, a file per family; `needs.py`: what a formula may name",
    "acceleration": "what makes many passes cheaper",
    "tail": "the model from one layer on",
    "editing": "a model without a channel, a direction, or with other weights",
    "results": "result types that several verbs share",
    "models": "the model under study, and models of other libraries as ordinary modules",
    "runtime": "record, capture, stream, backward, batches",
    "targets": "what of an output is explained: a class, a box, a region",
    "outputs": "what models return, read: class scores, boxes, regions",
    "pictures": "decode, load, preprocessing, what the model saw",
    "layers": "addresses, discovery by running, layouts, `last`",
    "plotting": "rendering, panels, colour scales, files",
    "session": "the promise that the model comes back as it was",
    "rules": "backward rules on operations",
    "receptive_field": "sizes, strides, receptive fields",
    "running": "running models, and counting the pictures that enter them",
    "registry": "extension points: found by walking their packages",
    "options": "options: a verb's fields, their help and their checks",
    "progress": "progress bars",
    "errors": "errors and warnings",
}
"""The packages, a file below none that stands above it, and what is in each: the table in CONTRIBUTING."""


@cache
def imports() -> dict[str, set[str]]:
    """What every module imports, lazily or for typing too; the package's front door aside."""
    modules = {
        path.relative_to(ROOT.parent).with_suffix("").as_posix().replace("/", "."): path for path in ROOT.rglob("*.py")
    }
    modules = {name.removesuffix(".__init__"): path for name, path in modules.items()}
    found: dict[str, set[str]] = {}
    for name, path in modules.items():
        nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
        named = {(node.module or "", alias.name) for node in nodes for alias in node.names}
        targets = {f"{module}.{item}" if f"{module}.{item}" in modules else module for module, item in named}
        found[name] = {target for target in targets if target in modules} - {name}
    return {name: found[name] for name in found if name not in ("featuremaps", "featuremaps.__main__")}


def package(module: str) -> str:
    """The longest name in `HOUSE` that a module lies in."""
    inner = module.removeprefix("featuremaps.")
    return max((name for name in HOUSE if f"{inner}.".startswith(f"{name}.")), key=len)


def test_imports_go_downwards_only() -> None:
    order = list(HOUSE)
    upwards = [
        f"{module} imports {target}"
        for module, targets in imports().items()
        for target in targets
        if order.index(package(target)) < order.index(package(module))
    ]
    assert upwards == []


def test_no_files_import_each_other() -> None:
    inside = {name: {t for t in targets if t not in ("featuremaps",)} for name, targets in imports().items()}
    TopologicalSorter(inside).prepare()  # a CycleError names the circle


def test_few_files_lie_outside_the_rooms() -> None:
    assert len(list(ROOT.glob("*.py"))) <= 10


def test_contributing_shows_this_order() -> None:
    rows = "\n".join(f"| `{name.replace('.', '/')}` | {holds} |" for name, holds in HOUSE.items())
    assert f"| package | holds |\n|---|---|\n{rows}\n" in CONTRIBUTING.read_text()


def test_what_contributing_names_is_there() -> None:
    repository, text = CONTRIBUTING.parent, CONTRIBUTING.read_text()
    named = {path for path in re.findall(r"`([\w./-]+(?:\.pyi?|\.md|/))`", text) if not re.search(r"\bX\b|_N_", path)}
    missing = {path for path in named if not (repository / path).exists() and not any(ROOT.rglob(path.rstrip("/")))}
    assert len(named) > 30
    assert missing == set()
    makefile = (repository / "Makefile").read_text()
    targets = set(re.findall(r"\bmake\s+([a-z-]+)(?=[ `]|$)", text, re.MULTILINE))
    assert {"check", "check-lowest", "test", "demo", "docs", "bench"} <= targets
    assert {target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)} == set()
