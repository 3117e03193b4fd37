"""Signatures that a reader understands: shapes as they are written in the source, without the names of modules."""

import re
from typing import Any

from sphinx.application import Sphinx
from sphinx.domains.python import PyObject

MODULES = re.compile(r"\b(?:featuremaps|torch|jaxtyping|collections|typing|pathlib|PIL|matplotlib)(?:\.\w+)*\.(?=\w)")


def setup(app: Sphinx) -> dict[str, bool]:
    """Shorten every signature that autodoc reads."""
    app.connect("autodoc-process-signature", shorten)
    for part in PyObject.doc_field_types:
        if part.name == "variable":
            part.label = "Attributes"
    return {"parallel_read_safe": True}


def shorten(
    app: Sphinx, what: str, name: str, obj: object, options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """`featuremaps.results.heatmaps.Heatmaps` as `Heatmaps`."""
    if what == "class" and not _made_by_users(obj):
        signature = ""
    return _short(signature), _short(returned)


def _made_by_users(thing: object) -> bool:
    """Whether a class is made by calling it: a model under study, a target, an error; others are what verbs return."""
    return getattr(thing, "__name__", "") in {
        "Scope",
        "Logit",
        "Probability",
        "Margin",
        "Mask",
        "Similarity",
        "Box",
        "Query",
    }


def _short(text: str | None) -> str | None:
    return None if text is None else MODULES.sub("", text)
