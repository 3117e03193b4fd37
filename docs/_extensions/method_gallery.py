"""The gallery of methods: each on the same two pictures and two bundled networks, with a page of its own.

Layer methods are shown on an earlier layer too, where they differ more. Pages and pictures are written to
generated/methods before Sphinx reads anything; gallery.md shows them where
`% methods` stands.
"""

import inspect
import re
from pathlib import Path
from typing import get_args

from PIL import Image
from sphinx.application import Sphinx

import featuremaps as fm
from featuremaps import demo
from featuremaps.errors import MethodError
from featuremaps.methods.documentation import costs_of, families
from featuremaps.methods.needs import NEEDS
from featuremaps.methods.registry import Method
from featuremaps.pictures.load import Pictures
from featuremaps.plotting.method_names import method_name

SHOWN = {"clutter": "scissors among clutter", "plain": "something else on plain ground"}
VIEWS = {
    "fixed": ("demo-fixed", "last", "`demo-fixed`, which looks at scissors"),
    "early": ("demo-fixed", "layer3", "`demo-fixed` one layer earlier"),
    "biased": ("demo", "last", "`demo`, which learned the plain ground"),
}
SIDE = 384
FOLDER = "generated/methods"
OWN = "gallery/method-{}.webp"
"""The picture of a method for models that the bundled ones are not: transformers, detectors."""


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages first, then show them where they are named."""
    app.add_config_value("method_gallery_run", True, "env")
    app.connect("builder-inited", write_pages)
    app.connect("source-read", shown)
    return {"parallel_read_safe": True}


def write_pages(app: Sphinx) -> None:
    """A page for every method, and its pictures where they are made."""
    folder = Path(app.srcdir) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    refusals = draw(folder) if app.config.method_gallery_run else {}
    for family in families(fm.METHODS.values()).values():
        for method in family:
            text = page(method, family, refusals.get(method.name, ""), folder)
            (folder / f"{method.name}.md").write_text(text, encoding="utf-8")


def shown(app: Sphinx, name: str, source: list[str]) -> None:
    """The gallery with its grid of methods; the table of methods with links to their pages."""
    if name == "gallery":
        source[0] = source[0].replace("% methods", grid(Path(app.srcdir)))
    if name == "methods":
        linked = rf"| [`\1`]({FOLDER}/\1.md) |"
        source[0] = re.sub(r"^\| `(\w+)` \|", linked, source[0], flags=re.MULTILINE)


def draw(folder: Path) -> dict[str, str]:
    """The pictures of all methods; why a method has none for a convolutional network."""
    pictures = {picture.name: picture for picture in demo.images()}
    chosen = Pictures(tuple(pictures[name] for name in SHOWN.values()))
    scopes = {name: fm.load(name) for name, _, _ in VIEWS.values()}
    for key, seen in zip(SHOWN, scopes["demo"].see(chosen).seen, strict=True):
        save(seen.image, folder / f"{key}.webp")
    refusals = {}
    for name, method in fm.METHODS.items():
        for view, (network, layer, _) in VIEWS.items():
            if view == "early" and not method.by_layer:
                continue
            try:
                heat = scopes[network].explain(chosen, name, layer=layer, target="scissors")
            except MethodError as refused:
                refusals.setdefault(name, str(refused))
                continue
            for key, overlay in zip(SHOWN, heat.overlay(), strict=True):
                save(overlay, folder / f"{name}-{view}-{key}.webp")
    return refusals


def save(picture: Image.Image, path: Path) -> None:
    """A picture enlarged, as WebP."""
    picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path, quality=82)


def grid(home: Path) -> str:
    """Cards by what the methods do: a picture, the name, what it shows."""
    groups: dict[str, list[Method]] = {}
    for title, family in families(fm.METHODS.values()).items():
        for method in family:
            groups.setdefault(group_of(title, method), []).append(method)
    lines = []
    for title, methods in groups.items():
        lines += [f"### {title}", "", "::::{grid} 2 3 4 4", ":gutter: 2", ":class-container: methods", ""]
        for method in methods:
            views = [f"{FOLDER}/{method.name}-{view}-clutter.webp" for view in ("early", "fixed")]
            lines += [
                f":::{{grid-item-card}} {method_name(method.name)}",
                f":link: {FOLDER}/{method.name}",
                ":link-type: doc",
            ]
            views.append(OWN.format(method.name))
            for picture in [view for view in views if (home / view).exists()][:1]:
                lines += [f":img-top: {picture}", f":img-alt: {method_name(method.name)}: what it shows"]
            lines += ["", f"`{method.name}`", "", method.summary, ":::"]
        lines += ["::::", ""]
    return "\n".join(lines)


def group_of(family: str, method: Method) -> str:
    """Methods of layers by family; those of pixels by whether they hide parts of the picture."""
    if method.level == "layer":
        return family
    return "Down to the pixel, by hiding parts" if costs_of(method) == "pass per copy" else "Down to the pixel"


def page(method: Method, family: list[Method], refusal: str, folder: Path) -> str:
    """Everything about one method, its pictures first."""
    doc = inspect.getdoc(method.formula) or ""
    further = doc.split("\n\n", 1)[1] if "\n\n" in doc else ""
    lines = [
        "---",
        "orphan: true",
        "---",
        "",
        f"# {method_name(method.name)}: `{method.name}`",
        "",
        re.sub(r"\s+", " ", doc.split("\n\n", 1)[0]),
        "",
    ]
    own = OWN.format(method.name)
    if (folder.parents[1] / own).exists():
        where = "[Detectors](../../detectors.md)" if method.name == "d_rise" else "[Attention](../../attention.md)"
        lines += [f"![{method.name}: what it shows](../../{own}){{width=384px}}", "", f"{where} tells more.", ""]
    elif refusal and not (folder / f"{method.name}-fixed-clutter.webp").exists():
        lines += [":::{note}", f"No picture of the bundled networks here: {refusal}", ":::", ""]
    elif (folder / "clutter.webp").exists():
        lines += pictures_of(method.name, folder)
    where = ', layer="layer3"' if method.by_layer else ""
    lines += ["```python", f'heat = scope.explain(pictures, "{method.name}", target="scissors"{where})', "```", ""]
    lines += ["```", f"featuremaps explain cat.jpg --model torchvision:resnet50 --method {method.name} -o out/", "```"]
    lines += ["", further, "", "## What it takes", "", "| | |", "|---|---|", f"| source | {method.paper} |"]
    lines += [f"| costs | {costs_of(method)} |"]
    lines += [f"| reads | `{need}`: {' '.join(NEEDS[need].doc.split())} |" for need in method.needs]
    lines += [
        f"| option | `{name}` = `{option.default!r}`{choices(option)} |" for name, option in method.options.items()
    ]
    others = " · ".join(f"[`{each.name}`]({each.name}.md)" for each in family if each is not method)
    lines += ["", *([f"Of the same family: {others}", ""] if others else [])]
    lines += ["All of them side by side: [gallery](../../gallery.md). In a table: [methods](../../methods.md).", ""]
    return "\n".join(lines)


def choices(option: inspect.Parameter) -> str:
    """What an option may be, where it is one of a few."""
    known = get_args(option.annotation)
    return f": {', '.join(f'`{each!r}`' for each in known)}" if known else ""


def pictures_of(name: str, folder: Path) -> list[str]:
    """Both pictures, and what the method shows of each in both networks."""
    views = [view for view in VIEWS if (folder / f"{name}-{view}-clutter.webp").exists()]
    lines = [f"::::{{grid}} 2 {len(views) + 1} {len(views) + 1} {len(views) + 1}", ":gutter: 2"]
    lines += [":class-container: method-pictures", ""]
    for key, what in SHOWN.items():
        cells = [(f"{key}.webp", what), *((f"{name}-{view}-{key}.webp", VIEWS[view][2]) for view in views)]
        for file, caption in cells:
            lines += [":::{grid-item}", f"![{caption.replace('`', '')}]({file})", "", caption, ":::"]
    return [*lines, "::::", "", "What speaks for *scissors*.", ""]
