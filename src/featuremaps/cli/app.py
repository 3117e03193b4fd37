"""The application: its commands by what they are for, each loaded from its file when it is asked for."""

import sys
import warnings
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_from_info, get_command_name
from typer.models import CommandInfo

from featuremaps.errors import FeatureMapsError, FeatureMapsWarning


class Listed(NamedTuple):
    """What the help says of a command, and the file that it is in."""

    file: str
    panel: str
    summary: str


LOOK, DRAW = "Look into a model", "Draw what it looks for"
SURVEY, BELIEVE = "Over a whole dataset", "What to believe, and what is wrong"
START = "Begin"
COMMANDS = {
    "demo": Listed("methods", START, "The bundled models on the bundled pictures, without a network."),
    "methods": Listed("methods", START, "List the methods: what they need, their options, their paper."),
    "predict": Listed("predict", LOOK, "What the model answers: the classes of pictures, or boxes."),
    "explain": Listed("explain", LOOK, "Which part of a picture decided a class: overlays, raw maps, a page."),
    "report": Listed("explain", LOOK, "Write one HTML file: methods and layers side by side."),
    "layers": Listed("inspect", LOOK, "List every layer that runs, with channels, size, stride, field."),
    "maps": Listed("inspect", LOOK, "Draw what layers turn pictures into."),
    "attention": Listed("inspect", LOOK, "Draw where each head of a transformer looks."),
    "filters": Listed("inspect", LOOK, "Draw the weights of a convolution, and say which are dead or alike."),
    "project": Listed("project", LOOK, "Send units back to the pixels of their strongest pictures."),
    "draw": Listed("draw", DRAW, "Draw what channels, neurons or classes look for."),
    "invert": Listed("draw", DRAW, "Draw a picture from what each layer kept of it."),
    "dream": Listed("draw", DRAW, "Show a picture with what a layer finds in it made stronger."),
    "stylize": Listed("draw", DRAW, "Paint one picture in the manner of another."),
    "survey": Listed("survey", SURVEY, "Keep what every channel did in each picture of a dataset."),
    "top": Listed("survey", SURVEY, "Show the real pictures that units respond to most or least."),
    "units": Listed("survey", SURVEY, "Write a page for every unit of a survey."),
    "specialists": Listed("survey_questions", SURVEY, "List the channels that each class uses, and no other."),
    "sums": Listed("survey_questions", SURVEY, "Add up a class's channels in every picture: are they its own?"),
    "confusion": Listed("survey_questions", SURVEY, "Compare answers with labels, and show the mistakes."),
    "detect": Listed("detect", SURVEY, "Detect a class by its channels alone."),
    "compare-models": Listed("detect", SURVEY, "Compare models on the same pictures."),
    "verify": Listed("survey", SURVEY, "Say whether every file of a survey is as it was written."),
    "trial": Listed("trial", BELIEVE, "Measure methods and layers on your pictures, beside chance."),
    "measures": Listed("trial", BELIEVE, "List the measures of a trial, and their sources."),
    "factorize": Listed("project", BELIEVE, "Find the parts that pictures share in a layer."),
    "concept": Listed("concept", BELIEVE, "Find what some pictures have and others have not; who rests on it?"),
    "shortcuts": Listed("shortcuts", BELIEVE, "Find what answers rest on that is not the class, and prove it."),
    "repair": Listed("shortcuts", BELIEVE, "Take a shortcut out of a model, or say why that cannot be."),
}
"""The commands in the order of the help. They load PyTorch, which help and completion need not wait for."""


class Commands(TyperGroup):
    """Lists the commands without their files, and loads the one that is run."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = {
            name: TyperCommand(name, help=listed.summary, rich_help_panel=listed.panel)
            for name, listed in COMMANDS.items()
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the arguments begin with, as its file declares it."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, loaded(listed.name) if listed and listed.name else None, rest


def loaded(name: str) -> Any:
    """The command of this name as its file declares it, a click command."""
    import_module(f"featuremaps.cli.{COMMANDS[name].file}")
    (info,) = (each for each in app.registered_commands if name_of(each) == name)
    command: Any = get_command_from_info(info, pretty_exceptions_short=True, rich_markup_mode="markdown")
    for option in (each for each in command.params if each.param_type_name == "option"):
        option.metavar = "" if option.is_flag else "VALUE"
    return command


def name_of(info: CommandInfo) -> str:
    """What a command that a file declares is called."""
    assert info.callback is not None
    return info.name or get_command_name(info.callback.__name__)


app = typer.Typer(
    name="featuremaps",
    help="Ask a vision model what it sees, and get an answer you can check.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    cls=Commands,
)


def _version(wanted: bool | None) -> None:
    if wanted:
        typer.echo(f"featuremaps {version('featuremaps')}")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool | None, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = None,
) -> None:
    pass


INTERRUPTED = 130
"""What Typer exits with after Ctrl-C."""


def main() -> None:
    """Run the command line; an expected error is one message on standard error and exit status 1.

    So is a file that cannot be read or written, by its name.
    """
    warnings.showwarning = _show_warning  # type: ignore[assignment]
    try:
        app()
    except FeatureMapsError as error:
        typer.secho(f"featuremaps: {error}", err=True, fg="red")
        sys.exit(1)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            typer.secho("featuremaps: stopped. Surveys and trials go on where they were by the same command.", err=True)
        raise
    except OSError as error:
        if error.filename is None or error.strerror is None:
            raise
        typer.secho(f"featuremaps: {error.filename}: {error.strerror}.", err=True, fg="red")
        sys.exit(1)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any) -> None:
    if issubclass(category, FeatureMapsWarning):
        typer.secho(f"featuremaps: {message}", err=True, fg="yellow")
    else:
        sys.stderr.write(f"{category.__name__}: {message}\n")
