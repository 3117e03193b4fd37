"""What commands do alike: load the model, gather the pictures, say what was left out."""

import shlex
import sys
import webbrowser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from featuremaps.errors import FeatureMapsError, did_you_mean


def model_under_study(
    model: str, weights: Path | None, classes: Path | None, device: str | None, setup: Mapping[str, Any]
) -> Any:
    """The scope that `--model`, `--weights`, `--classes`, `--device` and the options of `ModelOptions` name."""
    from featuremaps.pictures.preprocess import preprocess
    from featuremaps.sources import load

    made = {name: setup[name] for name in ("usual", "crop", "mean", "std", "grey") if setup[name]}
    made |= {"size": setup["input_size"]} if setup["input_size"] else {}
    return load(
        model,
        weights=weights,
        classes=lines_of("--classes", classes),
        device=device,
        transform=preprocess(**made) if made else None,
        layout=setup["layout"],
        outputs=setup["outputs"],
        trust=setup["trust"],
    )


def show_page(path: Path, wanted: bool) -> None:
    """Open a page in the browser, where that is `wanted` (`--open`)."""
    if wanted:
        webbrowser.open(path.resolve().as_uri())


def lines_of(option: str, path: Path | None) -> list[str] | None:
    """The names in a text file, a line each, or with commas in place of a file."""
    if path is None:
        return None
    if not path.is_file() and "," in str(path):
        return [name.strip() for name in str(path).split(",") if name.strip()]
    if not path.is_file():
        raise FeatureMapsError(
            f"{option}: there is no file {str(path)!r}. Give a text file with a name a line, or the names with commas: "
            f"{option} cat,dog."
        )
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def gathered(pictures: list[str]) -> Any:
    """The pictures named on the command line, with those that could not be read; "demo" stands for the bundled ones."""
    from featuremaps.pictures.load import gather

    if pictures == ["demo"] and not Path("demo").exists():
        from featuremaps import demo

        return gather(demo.images())
    return gather(pictures[0] if len(pictures) == 1 else pictures)


def tell_refusals(seen_pictures: Any) -> None:
    """Say on standard error which pictures were left out, and why."""
    if seen_pictures.rejected:
        typer.secho(f"{len(seen_pictures.rejected)} left out:", err=True)
    for bad in seen_pictures.rejected:
        typer.secho(f"  {bad.name}: {bad.reason}", err=True)


def tell_doubts(warnings: Sequence[str]) -> None:
    """Say on standard error what should not be believed."""
    for warning in warnings:
        typer.secho(warning, err=True, fg="yellow")


def command_line() -> str:
    """What to type to do this again."""
    return shlex.join(["featuremaps", *sys.argv[1:]])


def choice(option: str, text: str, allowed: Sequence[str]) -> Any:
    """The word itself, where it is one of those allowed."""
    if text not in allowed:
        known = ", ".join(allowed)
        raise FeatureMapsError(f"{option} {text!r} is not known; choose {known}.{did_you_mean(text, allowed)}")
    return text


def write_figure(path: Path, figure: Any) -> Path:
    """A matplotlib figure as PNG."""
    from featuremaps.plotting.files import png_of

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png_of(figure))
    return path
