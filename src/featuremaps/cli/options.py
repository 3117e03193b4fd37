"""The options that several commands share, and those that are the fields of a verb's options."""

import inspect
import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from featuremaps.cli.common import choice
from featuremaps.errors import FeatureMapsError, OptionError
from featuremaps.options import Option, options_of

Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="demo, demo-fixed, torchvision:NAME, timm:NAME, hf:REPO, keras:FILE.keras, package.module:factory "
        "or FILE.py:factory, "
        "which returns the module, (module, transform) or (module, transform, classes).",
        show_default=True,
    ),
]
MaybeModel = Annotated[
    str | None, typer.Option("--model", "-m", help="As for `explain`; not needed for a survey without maps.")
]
Weights = Annotated[
    Path | None, typer.Option("--weights", "-w", help="A state dict: .safetensors, or a PyTorch file (read safely).")
]
Classes = Annotated[
    Path | None, typer.Option("--classes", help="A text file with one class name per line, in the model's order.")
]
Folder = Annotated[Path, typer.Option("--out", "-o", help="The folder to write to.")]
Device = Annotated[str | None, typer.Option("--device", help="cpu, cuda, cuda:1, mps …")]
PicturePaths = Annotated[list[str], typer.Argument(help="Pictures, folders or patterns.", show_default=False)]
Methods = Annotated[
    list[str], typer.Option("--method", help="A method; give it several times for several. See `featuremaps methods`.")
]
LayerNames = Annotated[
    list[str] | None,
    typer.Option("--layer", "-l", help="A layer, a pattern, 'last' or 'all'; several times for several."),
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target", "-t", help="A class name or index; several times for several. Default: the top prediction."
    ),
]
MethodOptions = Annotated[
    list[str] | None,
    typer.Option("--option", help="An option of a method, as method.name=value, e.g. score_cam.chunk=16."),
]
OptionValues = dict[str, Any]
"""The values of generated options, by the names of their fields."""


def generated(*kinds: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each field with `Help` of these classes, and their values, checked, as `options`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(**given: Any) -> None:
            values = {name: value for kind in kinds for name, value in _checked(kind, given).items()}
            command(**given, options=values)

        shown = [_parameter(option) for kind in kinds for option in options_of(kind)]
        own = inspect.signature(command).parameters
        parameters = [*(own[name] for name in own if name != "options"), *shown]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


def _parameter(option: Option) -> inspect.Parameter:
    """The option as typer reads it from a command's signature."""
    help, default = option.help, option.default
    kind: Any
    if help.on is not None:
        kind, default = bool, False
    elif help.read is not None or option.several:
        kind, default = list[str] if option.several else str, None
    else:
        kind = next((each for each in option.types if each in (bool, int, float)), str)
    of = typer.Option(*([help.flag] if help.flag else []), help=help.text, show_default=default is not None)
    declared: Any = Annotated[kind | None if default is None else kind, of]
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=declared)


def _checked(kind: type, given: OptionValues) -> OptionValues:
    """The values of a class of options, taken out of `given`; an error names the option as it is typed."""
    flags = {option.name: option.help.flag or "--" + option.name.replace("_", "-") for option in options_of(kind)}
    values = {option.name: _read(option, flags[option.name], given.pop(option.name)) for option in options_of(kind)}
    try:
        kind(**values)
    except OptionError as error:
        name, rest = re.fullmatch(r"(\w*)=?(.*)", str(error), re.DOTALL).groups()  # type: ignore[union-attr]
        raise OptionError(f"{flags[name]} {rest.lstrip()}" if name in flags else str(error)) from error
    return values


def _read(option: Option, flag: str, value: Any) -> Any:
    if option.help.on is not None:
        return option.help.on if value else option.default
    if value is None:
        return option.default
    if option.help.read is not None:
        try:
            return option.help.read(value)
        except ValueError as error:
            raise FeatureMapsError(f"{flag} {value!r} is not understood; write {error}.") from None
    for one in value if option.several else [value]:
        if option.choices:
            choice(flag, one, option.choices)
    return value
