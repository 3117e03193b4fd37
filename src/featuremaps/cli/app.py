"""The application that commands register with, and how it starts and fails."""

import sys
import warnings
from importlib.metadata import version
from typing import Annotated, Any

import typer

from featuremaps.errors import FeatureMapsError, FeatureMapsWarning

app = typer.Typer(
    name="featuremaps",
    help="Ask a vision model what it sees, and get an answer you can check.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
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


def main() -> None:
    """Run the command line; an expected error is one message on standard error and exit status 1."""
    warnings.showwarning = _show_warning  # type: ignore[assignment]
    try:
        app()
    except FeatureMapsError as error:
        typer.secho(f"featuremaps: {error}", err=True, fg="red")
        sys.exit(1)
    except KeyboardInterrupt:
        typer.secho("featuremaps: stopped.", err=True)
        sys.exit(130)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any) -> None:
    if issubclass(category, FeatureMapsWarning):
        typer.secho(f"featuremaps: {message}", err=True, fg="yellow")
    else:
        sys.stderr.write(f"{category.__name__}: {message}\n")
