"""Pages that join the guides by themselves, and every page with code as a notebook.

A page of docs/ that index.md does not name is a guide: it stands in the table of contents where `% guides` stands, in
the order of their titles. A page with Python in it can be downloaded as a notebook.
"""

import json
import re
from pathlib import Path

from sphinx.application import Sphinx

BLOCK = re.compile(r"^```python\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
NOTEBOOKS = "generated/notebooks"
TUTORIAL = "generated/tutorials/plot_"
NOTE = re.compile(r"\.\. only:: html\n\n    \.\. note::\n.*?(?=^\.\. rst-class)", re.DOTALL | re.MULTILINE)
TITLE = re.compile(r"^(?P<title>\S.*)\n=+\n", re.MULTILINE)


def setup(app: Sphinx) -> dict[str, bool]:
    """Change pages as they are read."""
    app.connect("source-read", changed)
    return {"parallel_read_safe": True}


def changed(app: Sphinx, name: str, source: list[str]) -> None:
    """The home page with its guides; a page with code with its notebook."""
    if name == "index":
        source[0] = source[0].replace("% guides", "\n".join(guides(Path(app.srcdir), source[0])))
    elif name.startswith(TUTORIAL):
        source[0] = with_downloads(source[0], name.rsplit("/", 1)[1])
    elif "/" not in name and BLOCK.search(source[0]) and (Path(app.srcdir) / f"{name}.md").exists():
        path = Path(app.srcdir) / NOTEBOOKS / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(notebook(source[0]), encoding="utf-8")
        link = f"{{download}}`Download as a notebook <{NOTEBOOKS}/{name}.ipynb>`"
        title, rest = source[0].split("\n", 1)
        source[0] = f"{title}\n\n{link}\n{rest}"


def guides(folder: Path, home: str) -> list[str]:
    """The pages of this folder that the home page does not name, by title: of it what stands before the colon."""
    named = set(re.findall(r"^(?:.*<)?([\w/-]+)>?$", home, re.MULTILINE))
    titles = {page.stem: page.read_text(encoding="utf-8").split("\n", 1)[0] for page in folder.glob("*.md")}
    listed = sorted((page for page in titles if page != "index" and page not in named), key=lambda page: titles[page])
    return [f"{titles[page].removeprefix('# ').partition(':')[0]} <{page}>" for page in listed]


def with_downloads(page: str, name: str) -> str:
    """A page that sphinx-gallery wrote, with its script and notebook below the title, as the guides have theirs."""
    links = f":download:`Download as a notebook <{name}.ipynb>` :download:`as a script <{name}.py>`"
    return TITLE.sub(lambda found: f"{found[0]}\n{links}\n", NOTE.sub("", page, count=1), count=1)


def notebook(page: str) -> str:
    """A page of Markdown as a Jupyter notebook: its Python in cells to run, the rest as text."""
    cells = []
    for number, part in enumerate(BLOCK.split(page)):
        text = part.strip() if number % 2 else re.sub(r"!\[([^]]*)\]\([^)]*\)", r"*\1*", part).strip()
        lines = text.splitlines(keepends=True)
        if number % 2:
            cells.append({"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": lines})
        elif text:
            cells.append({"cell_type": "markdown", "metadata": {}, "source": lines})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
