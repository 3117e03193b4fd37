"""Extension points: one of each in a temporary package is found, listed, run and shown."""

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tiny_surveys import made_up

import featuremaps as fm
from featuremaps.draw.canvas import CANVASES
from featuremaps.errors import MethodError, OptionError
from featuremaps.methods.documentation import listed
from featuremaps.registry import Registry
from featuremaps.report.data import SECTIONS, Provenance, ReportData
from featuremaps.report.html import render
from featuremaps.sources import SOURCES
from featuremaps.survey.analysis.question import QUESTIONS
from featuremaps.survey.survey import Survey
from method_samples import Little, noise

ENTRIES = {
    "strongest": '''"""Maps of one channel."""

from featuremaps.methods import method


@method(paper="none")
def strongest(activations):
    """The channel with the largest value."""
    return activations[:, activations.amax((0, 2, 3)).argmax()]
''',
    "toy": '''"""A source of tiny models."""

from torch import nn

from featuremaps.sources import Loaded, source


@source("toy")
def load(name, weights):
    """A convolution with as many channels as the name says."""
    return Loaded(nn.Sequential(nn.Conv2d(3, int(name), 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
''',
    "flat": '''"""A canvas of one colour."""

from dataclasses import dataclass

import torch

from featuremaps.draw.canvas import canvas


@canvas("flat")
@dataclass(frozen=True)
class FlatCanvas:
    """One colour everywhere."""

    rate: float = 0.05

    def start(self, count, shape, generator):
        """A colour for each picture."""
        return (torch.randn(count, shape[0], 1, 1, generator=generator),)

    def picture(self, parameters, shape):
        """The colour at every pixel."""
        return parameters[0].sigmoid().expand(-1, -1, *shape[1:])
''',
    "quiet": '''"""A question about silence."""

from featuremaps.survey.analysis.question import question


@question
def quiet(survey, layer=None, *, below=0.0):
    """The channels that are nowhere above a value."""
    layer = survey.layer_of(layer).name
    return (survey.vectors(layer, "max").max(0) <= below).nonzero()[0].tolist()
''',
    "greeting": '''"""A section of a sentence."""

from dataclasses import dataclass

from featuremaps.report.data import section


@section
@dataclass(frozen=True)
class Greeting:
    """A greeting."""

    kind = "greeting"
    name: str
    title: str = "Good day"
    colormaps: tuple = ()

    def to_json(self):
        """Whom to greet."""
        return {"name": self.name}
''',
}
VIEWER = """import { h } from "featuremaps/dom.js";

export function render(section) {
  return h("p", { class: "greeting" }, `Good day, ${section.name}.`);
}
"""


@pytest.fixture
def extensions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A user's package with an entry of each kind, imported; forgotten afterwards."""
    folder = tmp_path / "my_extensions"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "greeting.js").write_text(VIEWER)
    for name, text in ENTRIES.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    registries = (fm.METHODS, SOURCES, CANVASES, QUESTIONS, SECTIONS)
    before = [set(registry) for registry in registries]
    yield {name: import_module(f"my_extensions.{name}") for name in ENTRIES}
    for registry, known in zip(registries, before, strict=True):
        for name in set(registry) - known:
            registry.remove(name)
    for name in [name for name in sys.modules if name.startswith("my_extensions")]:
        del sys.modules[name]


@pytest.mark.usefixtures("extensions")
def test_a_method_is_one_file() -> None:
    heatmaps = fm.Scope(Little()).explain(noise(2), "strongest", layer="features")
    assert heatmaps.method == "strongest"
    assert "Maps of one channel\n  strongest" in listed(fm.METHODS.values())


@pytest.mark.usefixtures("extensions")
def test_a_source_is_one_file() -> None:
    scope = fm.load("toy:5")
    assert scope.layers(noise(1))["0"].channels == 5
    with pytest.raises(fm.FeatureMapsError, match="toy"):
        fm.load("tou:5")


@pytest.mark.usefixtures("extensions")
def test_a_canvas_is_one_file() -> None:
    drawing = fm.Scope(Little()).draw("features:1", canvas="flat", steps=2, size=16)[0]
    assert float(drawing.picture.flatten(1).std(1).max()) == pytest.approx(0, abs=1e-6)


@pytest.mark.usefixtures("extensions")
def test_a_question_is_one_file() -> None:
    survey = made_up([[0, 1, 0], [0, 0, 3]], [0, 1], ["a", "b"])
    assert survey.quiet() == [0]
    assert survey.quiet(below=1) == [0, 1]
    assert {"quiet", "specialists", "layers"} <= set(dir(survey))
    with pytest.raises(AttributeError, match=r"a survey has no 'quiete'\. Did you mean 'quiet'\?"):
        _ = survey.quiete


def test_editors_know_every_question_of_ours() -> None:
    source = ast.parse(inspect.getsource(Survey)).body[0]
    told = next(
        node for node in ast.walk(source) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    assert {ast.unparse(line.targets[0]) for line in told.body if isinstance(line, ast.Assign)} == set(QUESTIONS)


def test_a_section_is_two_files(extensions: dict[str, Any]) -> None:
    report = ReportData("A title", Provenance("none"), sections=(extensions["greeting"].Greeting("Ada"),))
    assert "sections/greeting.js" in render(report)


@pytest.mark.browser
def test_a_section_is_shown(extensions: dict[str, Any], visit: Callable[..., Any]) -> None:
    report = ReportData("A title", Provenance("none"), sections=(extensions["greeting"].Greeting("Ada"),))
    assert visit(report).page.locator(".greeting").inner_text() == "Good day, Ada."


def test_a_package_is_walked_once_asked() -> None:
    registry: Registry[object] = Registry("thing", "featuremaps.layers")
    assert list(registry) == []
    assert "featuremaps.layers.listing" in sys.modules


@pytest.mark.usefixtures("extensions")
def test_a_taken_name_and_a_missing_docstring_are_errors() -> None:
    with pytest.raises(MethodError, match="'strongest' is registered already, by my_extensions"):

        @fm.method(paper="none")
        def strongest(activations):
            """Another one."""

    registry: Registry[int] = Registry("thing", "my_extensions")
    registry.add("one", 1, Registry)
    with pytest.raises(OptionError, match="thing 'two' needs a docstring"):
        registry.add("two", 2, lambda: None)
    with pytest.raises(OptionError, match=r"there is no thing 'on'; choose 'one'\. Did you mean 'one'\?"):
        registry.find("on")
    assert dict(registry) == {"one": 1}
