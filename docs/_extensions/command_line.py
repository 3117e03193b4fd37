"""The reference of the command line: every command with its options, as the commands themselves say it."""

import re

from sphinx.application import Sphinx

from featuremaps.cli.app import COMMANDS, loaded


def setup(app: Sphinx) -> dict[str, bool]:
    """Put the commands where `% commands` stands in their page."""
    app.connect("source-read", shown)
    return {"parallel_read_safe": True}


def shown(app: Sphinx, name: str, source: list[str]) -> None:
    """The page with its commands."""
    if name == "reference/command-line":
        source[0] = source[0].replace("% commands", reference())


def reference() -> str:
    """Every command by its group: how it is called, what it does, its arguments and options in a table."""
    groups: dict[str, list[str]] = {}
    for name, listed in COMMANDS.items():
        groups.setdefault(listed.panel, []).append(name)
    lines = []
    for title, names in groups.items():
        lines += [f"## {title}", "", *(line for name in names for line in explained(name))]
    return "\n".join(lines)


def explained(name: str) -> list[str]:
    """One command."""
    command = loaded(name)
    arguments = [each.name.upper() for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option" and not each.hidden]
    usage = " ".join(["featuremaps", name, *arguments])
    lines = [f"### {name}", "", f"```\n{usage} [OPTIONS]\n```", "", described(command.help or ""), ""]
    lines += ["| option | |", "|---|---|"] if options else []
    return [*lines, *(f"| {written(each.opts)} | {help_of(each)} |" for each in options), ""]


def described(text: str) -> str:
    """The words of a command, its examples as code."""
    return re.sub(
        r"((?:^featuremaps .*\n*)+)", lambda found: f"```\n{squeezed(found[1])}\n```\n\n", text, flags=re.MULTILINE
    )


def squeezed(lines: str) -> str:
    """Lines without empty ones between."""
    return "\n".join(line for line in lines.splitlines() if line)


def written(names: list[str]) -> str:
    """The names of an option."""
    return ", ".join(f"`{name}`" for name in names)


def help_of(option: object) -> str:
    """What an option does, in a cell of a table."""
    return str(getattr(option, "help", "") or "").replace("|", "\\|").replace("\n", " ")
