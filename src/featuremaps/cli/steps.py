"""What commands do alike: load the model, gather the pictures, say what was left out."""

import shlex
import sys
from pathlib import Path
from typing import Any

import typer

from featuremaps.errors import FeatureMapsError


def model_under_study(model: str, weights: Path | None, classes: Path | None, device: str | None) -> Any:
    """The scope that `--model`, `--weights`, `--classes` and `--device` name."""
    from featuremaps.sources import load

    names = None
    if classes is not None:
        if not classes.is_file():
            raise FeatureMapsError(f"--classes: there is no file {str(classes)!r}.")
        names = [line.strip() for line in classes.read_text(encoding="utf-8").splitlines() if line.strip()]
    return load(model, weights=weights, classes=names, device=device)


def gathered(pictures: list[str]) -> Any:
    """The pictures named on the command line, with those that could not be read."""
    from featuremaps.images import gather

    return gather(pictures[0] if len(pictures) == 1 else pictures)


def tell_refusals(sighting: Any) -> None:
    """Say on standard error which pictures were left out, and why."""
    if sighting.rejected:
        typer.secho(f"{len(sighting.rejected)} left out:", err=True)
    for bad in sighting.rejected:
        typer.secho(f"  {bad.name}: {bad.reason}", err=True)


def command_line() -> str:
    """What to type to do this again."""
    return shlex.join(["featuremaps", *sys.argv[1:]])
