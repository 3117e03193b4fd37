"""The methods as text: a table of all, or everything about one."""

import inspect
import textwrap
from collections.abc import Iterable
from typing import get_args

from featuremaps.methods.needs import NEEDS
from featuremaps.methods.registry import Method

COSTS = (
    "What a method costs beyond one forward pass: **forward** nothing; **gradient** one backward pass, shared by all "
    "methods, layers and targets asked for together; **tail** runs of what comes after the layer; **passes** more "
    "passes through the whole model; **pass per channel** as many as the layer has channels; **pass per copy** as many "
    "as the method makes copies of the picture with parts of it hidden."
)


def listed(methods: Iterable[Method]) -> str:
    """The methods by family, a line each: name, what it costs beyond one forward pass, and what it does."""
    methods = list(methods)
    width = max(len(method.name) for method in methods)
    costs = max(len(costs_of(method)) for method in methods)
    lines = []
    for title, family in families(methods).items():
        lines += ["", title]
        lines += [f"  {method.name:<{width}}  {costs_of(method):<{costs}}  {method.summary}" for method in family]
    return "\n".join(lines[1:])


def families(methods: Iterable[Method]) -> dict[str, list[Method]]:
    """The methods by what the file they stand in is about, in its own words."""
    by_file: dict[str, list[Method]] = {}
    for method in methods:
        about = getattr(inspect.getmodule(method.formula), "__doc__", None) or "Your own"
        title = about.split("\n")[0].split(":")[0].rstrip(".")
        by_file.setdefault(title, []).append(method)
    return by_file


def described(method: Method) -> str:
    """Everything about one method: its documentation, needs and options."""
    doc = inspect.getdoc(method.formula) or ""
    lines = [f"{method.name} — {method.paper}", "", doc, "", "Needs"]
    lines += [f"  {name}: {NEEDS[name].doc.splitlines()[0]}" for name in method.needs]
    if method.options:
        lines += ["", "Options"]
        lines += [f"  {name}: {_kind(option)} = {option.default!r}" for name, option in method.options.items()]
    return "\n".join(textwrap.fill(line, 100, subsequent_indent="    ") if len(line) > 100 else line for line in lines)


def markdown(methods: Iterable[Method]) -> str:
    """The documentation's table of methods, `docs/methods.md`."""
    lines = [
        "# Methods",
        "",
        "Written by `python -m featuremaps.methods.documentation > docs/methods.md`; "
        "`featuremaps methods NAME` says more.",
    ]
    for title, family in families(methods).items():
        lines += [
            "",
            f"## {title}",
            "",
            "| method | what it shows | costs | options | paper |",
            "|---|---|---|---|---|",
        ]
        for method in family:
            options = ", ".join(f"`{name}={option.default!r}`" for name, option in method.options.items()) or "–"
            lines.append(f"| `{method.name}` | {method.summary} | {costs_of(method)} | {options} | {method.paper} |")
    return "\n".join([*lines, "", COSTS])


def _kind(option: inspect.Parameter) -> str:
    choices = get_args(option.annotation)
    return " | ".join(map(repr, choices)) if choices else str(getattr(option.annotation, "__name__", option.annotation))


def costs_of(method: Method) -> str:
    """What running it takes, beyond one forward pass."""
    if {"observe", "gradients_at", "propagate"} & set(method.needs):
        return "passes"
    if {"score", "box_score", "probability"} & set(method.needs):
        return "pass per channel" if method.by_layer else "pass per copy"
    if {"tail", "tail_logits", "tail_without"} & set(method.needs):
        return "tail"
    needs = [NEEDS[name] for name in method.needs]
    return "gradient" if any(need.gradients or need.ways or need.attention for need in needs) else "forward"


if __name__ == "__main__":
    from featuremaps.methods import METHODS

    print(markdown(METHODS.values()))  # noqa: T201
