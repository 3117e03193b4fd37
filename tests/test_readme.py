"""The README's Python runs as it stands, and the documentation is complete."""

import ast
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import featuremaps as fm
from featuremaps import demo
from featuremaps.cli.app import loaded
from featuremaps.evidence.documentation import markdown as table_of_measures
from featuremaps.methods.documentation import markdown
from featuremaps.sources.registry import SOURCES

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def run_page(name: str, **names: Any) -> dict[str, Any]:
    """What the Python of a page of the documentation leaves behind, run in the folder that one is in."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, name, "exec"), names)
    return names


def largest_shown(name: str) -> int:
    """The bytes of the largest file that a page of the documentation shows or leads to."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    return max((ROOT / "docs" / target).stat().st_size for target in re.findall(r"\]\(([^)#]+)\)", text))


@pytest.mark.slow
def test_readme_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert BLOCKS
    names: dict[str, object] = {}
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), names)
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert len(list((tmp_path / "out").glob("*.png"))) == len(demo.images())


def test_the_numbers_in_the_readme_are_those_of_the_registers() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    of_layers = sum(method.level == "layer" for method in fm.METHODS.values())
    assert f"| class activation maps | {of_layers} |" in text
    assert f"| methods down to the pixel | {len(fm.METHODS) - of_layers} |" in text
    assert f"| measures of an explanation | {len(fm.MEASURES)}, " in text


@pytest.mark.slow
def test_getting_started_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        run_page("getting-started.md")
    finally:
        if "strongest_channel" in fm.METHODS:
            fm.METHODS.remove("strongest_channel")
    assert list((tmp_path / "out").glob("*.png"))


def test_extending_runs() -> None:
    try:
        names = run_page("extending.md", __name__="own_extensions")
    finally:
        for register, name in ((fm.METHODS, "power_cam"), (SOURCES, "mine")):
            if name in register:
                register.remove(name)
    assert names["heat"].method == "power_cam"


def test_bring_your_own_model_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "your-own-model.md").read_text(encoding="utf-8")
    cases = re.findall(r"^## (\d+)\. .*?```python\n(.*?)```", page, re.DOTALL | re.MULTILINE)
    assert [int(number) for number, _ in cases] == list(range(1, 16))
    run_page("your-own-model.md", __name__="own_model")


def test_the_page_on_signals_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page("signals.md")
    for written in ("ecg.png", "volume.png", "volume.gif"):
        assert (tmp_path / written).stat().st_size > 5_000
    assert largest_shown("signals.md") < 200_000


def test_every_method_has_its_row() -> None:
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    assert page.strip() == markdown(fm.METHODS.values()).strip(), (
        "docs/methods.md is stale: python -m featuremaps.methods.documentation > docs/methods.md"
    )
    for name in fm.METHODS:
        assert f"| `{name}` |" in page


def test_every_measure_has_its_row() -> None:
    page = (ROOT / "docs" / "measures.md").read_text(encoding="utf-8")
    assert page.strip() == table_of_measures(fm.MEASURES.values()).strip(), (
        "docs/measures.md is stale: python -m featuremaps.evidence.documentation > docs/measures.md"
    )


@pytest.mark.slow
def test_the_page_on_evidence_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        run_page("evidence.md")
    finally:
        if "upper_half" in fm.MEASURES:
            fm.MEASURES.remove("upper_half")
    assert (tmp_path / "trial" / "trial.png").stat().st_size > 5_000
    assert largest_shown("evidence.md") < 300_000


@pytest.mark.slow
def test_the_page_on_shortcuts_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = run_page("shortcuts.md")
    assert [each.label for each in names["found"]] == ["scissors"]
    plain = {Path(path).name.startswith("plain") for path in _files(names, "strongest")}
    clutter = {Path(path).name.startswith("plain") for path in _files(names, "missing")}
    assert (plain, clutter) == ({True}, {False})
    assert not names["made"].repaired
    assert (tmp_path / "out" / "shortcut-1.png").stat().st_size > 5_000
    assert largest_shown("shortcuts.md") < 200_000


@pytest.mark.slow
def test_the_page_on_concepts_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = run_page("concepts.md")
    assert names["ground"].beyond_chance
    assert names["resting"].of("scissors").sure
    assert not names["of_fixed"].of("scissors").sure
    assert "“plain ground”" in repr(names["found"])
    assert (tmp_path / "out" / "concept.png").stat().st_size > 5_000
    assert largest_shown("concepts.md") < 300_000


def test_the_page_on_segmenters_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    names = run_page("segmenters.md")
    assert names["heat"].targets[0].startswith("scissors in its ")
    hammer = names["told"]
    assert float(hammer.evidence.whole[0, 1]) > 0.5
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert largest_shown("segmenters.md") < 200_000


@pytest.mark.slow
def test_the_page_on_detectors_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = run_page("detectors.md")
    assert len(names["heat"]) >= 1
    assert len([*(tmp_path / "out").iterdir()]) == 2 * len(names["heat"])
    assert (len(names["surest"]), len(names["corner"])) == (1, 1)
    told = names["told"]
    assert told.evidence.lost.shape == (1, len(told), len(told))
    assert told.boxes == names["heat"].boxes[: len(told)]
    assert "What each box rests on" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert largest_shown("detectors.md") < 300_000


def _files(names: dict[str, Any], kind: str) -> list[str]:
    """The files of a finding's examples."""
    rows = getattr(names["found"][0].examples, kind)
    return [names["survey"].pictures.names[row] for row in rows]


def test_links_and_pictures_in_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"""\]\(([^)#]+)|(?:src|srcset)="([^"]+)""", text)
    targets = [target for pair in found for target in pair if target and not target.startswith("http")]
    assert targets
    for target in targets:
        assert (ROOT / target).exists(), target


def test_the_guide_to_surveys_shows_what_exists() -> None:
    text = (ROOT / "docs" / "surveys.md").read_text(encoding="utf-8")
    targets = [ROOT / "docs" / target for target in re.findall(r"\]\(([^)#]+)\)", text)]
    assert len(targets) >= 6
    for target in targets:
        assert target.stat().st_size < 200_000, target
    commands = re.findall(r"^featuremaps ([\w-]+) ((?:.*\\\n)*.*)$", text, re.MULTILINE)
    assert {name for name, _ in commands} == {
        *("survey", "specialists", "top", "units", "sums", "detect", "compare-models", "confusion", "report")
    }
    for name, rest in commands:
        options = {option for parameter in loaded(name).params for option in parameter.opts}
        assert set(re.findall(r"(?<!\S)--?[a-z-]+", rest)) <= options, name


def test_every_public_name_is_documented() -> None:
    for name in fm.__all__:
        thing = getattr(fm, name)
        assert name in ("MEASURES", "METHODS") or thing.__doc__, name


def test_the_page_on_attention_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = run_page("attention.md")
    assert names["array"].shape == (2, 2, 4, 8, 8)
    assert names["last"].layers == ("encoder.layers.encoder_layer_1.self_attention",)
    assert len(names["found"]) == 5
    assert (tmp_path / "out" / "picture 0__attention.png").stat().st_size > 5_000
    assert largest_shown("attention.md") < 300_000


@pytest.mark.parametrize("script", sorted((ROOT / "docs").glob("*.py")), ids=lambda path: path.stem)
def test_what_the_scripts_of_the_pages_import_is_there(script: Path) -> None:
    """They are run by hand, when a picture is to be made anew."""
    nodes = [
        node for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)
    ]
    for node in nodes:
        if node.module and node.module.split(".")[0] == "featuremaps":
            module = import_module(node.module)
            missing = [each.name for each in node.names if not hasattr(module, each.name)]
            assert not [name for name in missing if find_spec(f"{node.module}.{name}") is None]
