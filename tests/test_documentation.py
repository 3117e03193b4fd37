"""The documentation builds without a warning, has every public name, and neither a page nor the build fetches anything."""

import json
import os
import re
import shutil
import subprocess
import sys
import zlib
from importlib.util import find_spec
from pathlib import Path

import pytest

import featuremaps as fm

ROOT = Path(__file__).resolve().parents[1]
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|video)[^>]+src=["']https?:|<link[^>]+rel=["'](?:stylesheet|preload|icon)["'][^>]+"""
    r"""href=["']https?:|@import[^;]*https?:|url\(["']?https?:"""
)


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("sphinx") is None and "CI" not in os.environ, reason="Sphinx is not installed: pip install -e '.[docs]'"
)
def test_the_site_builds_without_a_warning_and_holds_all(tmp_path: Path) -> None:
    """Tutorials are not run here, and the gallery's pictures not made: `make docs` does both."""
    left_out = shutil.ignore_patterns("generated", "__pycache__")
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=left_out)
    for page in ("CHANGELOG.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / page, tmp_path)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", "site"]
    environment = {**os.environ, "FEATUREMAPS_DOCS_RUN": "0"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    site = tmp_path / "site"
    _every_public_name(site)
    _every_method(site)
    _every_guide(tmp_path / "docs", site)
    _nothing_fetched(site)


def _every_public_name(site: Path) -> None:
    """Sphinx's inventory, after four lines in words, is compressed: a line for each name that has an anchor."""
    inventory = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    names = {line.split(" ")[0] for line in zlib.decompress(inventory).decode().splitlines()}
    assert {f"featuremaps.{name}" for name in fm.__all__} <= names
    verbs = {name for name in vars(fm.Scope) if not name.startswith("_") and callable(getattr(fm.Scope, name))}
    assert {f"featuremaps.Scope.{verb}" for verb in verbs} <= names


def _every_method(site: Path) -> None:
    gallery = (site / "gallery.html").read_text(encoding="utf-8")
    for method in fm.METHODS:
        assert (site / "generated" / "methods" / f"{method}.html").exists()
        assert f"generated/methods/{method}.html" in gallery


def _every_guide(docs: Path, site: Path) -> None:
    """Each page of docs/ is there and in the table of contents; one with code is a notebook too."""
    home = (site / "index.html").read_text(encoding="utf-8")
    for page in docs.glob("*.md"):
        assert (site / f"{page.stem}.html").exists(), page
        assert page.stem == "index" or f'href="{page.stem}.html"' in home, page
        if "\n```python\n" in page.read_text(encoding="utf-8"):
            (notebook,) = site.glob(f"_downloads/*/{page.stem}.ipynb")
            assert any(cell["cell_type"] == "code" for cell in json.loads(notebook.read_text())["cells"])
    for script in (docs / "tutorials").glob("plot_*.py"):
        assert len(list(site.glob(f"_downloads/*/{script.stem}.ipynb"))) == 1


def _nothing_fetched(site: Path) -> None:
    for page in [*site.rglob("*.html"), *site.rglob("*.css")]:
        found = FETCHED.search(page.read_text(encoding="utf-8"))
        assert found is None, f"{page.relative_to(site)}: {found and found[0]}"
