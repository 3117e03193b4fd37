"""The lines of Python that make a map of a report again: "Copy the Python"."""

import re
from collections.abc import Mapping

from featuremaps.explain.comparison import INPUT
from featuremaps.explain.options import ExplainOptions
from featuremaps.pictures.load import Picture
from featuremaps.targets import detection_targets, targets

LOADABLE = re.compile(r"demo(-\w+)?|[\w./-]+:\S+")
"""What names a model for `fm.load`: a bundled one, or a source and what it is called there."""


def picture_code(model: str, picture: Picture, expression: str = "") -> str:
    """The lines that give `scope` and `picture`; `expression` is Python for a picture that is no file.

    What a report cannot know (a model from memory, a picture from memory) is left to the reader, in a comment.
    """
    loaded = f'scope = fm.load("{model}")' if LOADABLE.fullmatch(model) else f"scope = ...  # fm.Scope of your {model}"
    if LOADABLE.fullmatch(model) and ":" in model:
        loaded += "  # and weights=, transform= where you gave them"
    given = repr(str(picture.path)) if picture.path is not None else f"...  # your picture {picture.name!r}"
    return f"import featuremaps as fm\n\n{loaded}\npicture = {expression or given}"


def map_code(method: str, layer: str, target: object, options: ExplainOptions) -> str:
    """The call that makes one map of `picture`, with whatever differs from the defaults."""
    given: dict[str, object] = {} if layer == INPUT else {"layer": layer}
    parts = [f"{name}={value!r}" for name, value in given.items()]
    if target is not None:
        parts.append(f"target={_target(target)}")
    usual = ExplainOptions()
    changed = {
        name: getattr(options, name)
        for name in ("smooth", "seed", "precision")
        if getattr(options, name) != getattr(usual, name)
    }
    own: Mapping[str, object] = options.of_methods.get(method, {})
    parts += [f"{name}={value!r}" for name, value in {**changed, **own}.items()]
    return f"heat = scope.explain({', '.join(['picture', repr(method), *parts])})\nheat.figure()"


def _target(target: object) -> str:
    """Python for a target: a class, or an object of ours that is written as it was made; else left to the reader."""
    if isinstance(target, int | str):
        return repr(target)
    text, kind = repr(target), type(target).__name__
    simple = re.fullmatch(rf"{kind}\((?:\w+=)?[^()<>\[\]]*\)", text)
    return (
        f"fm.{text}"
        if simple and (hasattr(targets, kind) or hasattr(detection_targets, kind))
        else f"...,  # {kind}: the target you gave\n   "
    )
