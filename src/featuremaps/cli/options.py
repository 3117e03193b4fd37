"""The options that several commands share, and those that are the fields of a verb's options."""

import inspect
import re
from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from featuremaps.cli import completion
from featuremaps.cli.common import choice
from featuremaps.errors import FeatureMapsError, OptionError
from featuremaps.options import Help, Option, OutputKind, options_of

Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="demo, demo-leaning, demo-fixed, torchvision:NAME or NAME alone, timm:NAME, hf:REPO, keras:FILE.keras, "
        "FILE.pt (with --trust), package.module:factory or FILE.py:factory, "
        "which returns the module, (module, transform) or (module, transform, classes).",
        show_default=True,
        autocompletion=completion.models,
    ),
]
MaybeModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="As for `explain`; not needed for a survey without maps.",
        autocompletion=completion.models,
    ),
]
Weights = Annotated[
    Path | None, typer.Option("--weights", "-w", help="A state dict: .safetensors, or a PyTorch file (read safely).")
]
Classes = Annotated[
    Path | None,
    typer.Option("--classes", help="The class names in the model's order: a text file, one a line, or cat,dog,hen."),
]
Folder = Annotated[Path, typer.Option("--out", "-o", help="The folder to write to.")]
Device = Annotated[str | None, typer.Option("--device", help="cpu, cuda, cuda:1, mps …")]
Open = Annotated[bool, typer.Option("--open", help="Open the page in the browser.")]
PicturePaths = Annotated[
    list[str], typer.Argument(help="Pictures, folders or patterns; demo: the bundled pictures.", show_default=False)
]
Methods = Annotated[
    list[str],
    typer.Option(
        "--method",
        help="A method; give it several times for several. See `featuremaps methods`.",
        autocompletion=completion.methods,
    ),
]
LayerNames = Annotated[
    list[str] | None,
    typer.Option(
        "--layer",
        "-l",
        help="A layer, a pattern, 'last', 'depths' (a few from shallow to deep) or 'all'; several times for several.",
        autocompletion=completion.layers,
    ),
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


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError("one number, or one for each colour, such as 0.485,0.456,0.406") from None


def _lengths(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\d+(x\d+){0,2}", text):
        raise ValueError("a number, or several with an x between them, such as 224x224")
    return tuple(int(part) for part in text.split("x"))


def _layout(text: str) -> tuple[int, ...] | int:
    lengths = _lengths(text)
    return lengths if len(lengths) > 1 else lengths[0]


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """How the model and its pictures are read, where a source does not say that, or wrongly."""

    input_size: Annotated[
        tuple[int, ...] | None,
        Help("The size that pictures are given to the model in, such as 224 or 224x192.", flag="--size", read=_lengths),
    ] = None
    crop: Annotated[
        tuple[int, ...] | None,
        Help("With --size as the shorter side: the middle that is cut out of it, such as 224.", read=_lengths),
    ] = None
    mean: Annotated[
        tuple[float, ...] | None,
        Help("What is taken off the pixels (0 to 1), one number or one for each colour.", read=_numbers),
    ] = None
    std: Annotated[tuple[float, ...] | None, Help("What pixels are divided by after that.", read=_numbers)] = None
    grey: Annotated[bool, Help("Give pictures in grey, with one channel.", flag="--grey")] = False
    usual: Annotated[str | None, Help("A usual preprocessing by name: imagenet or clip.", flag="--preprocessing")] = (
        None
    )
    layout: Annotated[
        tuple[int, ...] | int | None,
        Help("The grid of a layer's tokens, 14x14, or 14x14x1 with one token before them.", read=_layout),
    ] = None
    outputs: Annotated[
        OutputKind | None,
        Help("What outputs are: logits, probabilities, log_probabilities, multi_label or detections."),
    ] = None
    trust: Annotated[
        bool,
        Help(
            "Let model files run their code (torch.save(model), checkpoints with more than tensors): only those of "
            "people you trust.",
            flag="--trust",
        ),
    ] = False


def settings_of(options: list[str] | None) -> dict[str, dict[str, object]]:
    """`["score_cam.chunk=16"]` as `{"score_cam": {"chunk": "16"}}`."""
    settings: dict[str, dict[str, object]] = {}
    for text in options or []:
        address, equals, value = text.partition("=")
        method, dot, name = address.partition(".")
        if not (equals and dot):
            raise FeatureMapsError(
                f"--option {text!r} is not understood; write method.name=value, e.g. score_cam.chunk=16."
            )
        settings.setdefault(method, {})[name] = value
    return settings


def generated(*kinds: type, into: str = "options") -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each field with `Help` of these classes, and their values, checked, as `options`.

    `into` is another name for the parameter that takes these.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(**given: Any) -> None:
            values = {name: value for kind in kinds for name, value in _checked(kind, given).items()}
            command(**given, **{into: values})

        own = inspect.signature(command).parameters
        taken = {"--" + name.replace("_", "-") for name in own}
        panels: dict[type, str] = {ModelOptions: "How pictures and outputs are read, where the model does not say"}
        shown = [_parameter(option, taken, panels.get(kind)) for kind in kinds for option in options_of(kind)]
        parameters = [*(own[name] for name in own if name != into), *shown]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


def sharing(declared: Callable[..., Any], into: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the parameters of another function too, and what that returns for them as `into`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        first, own = (inspect.signature(each).parameters for each in (declared, command))

        @wraps(command)
        def run(**given: Any) -> None:
            result = declared(**{name: given.pop(name) for name in first})
            command(**given, **{into: result})

        parameters = [*first.values(), *(own[name] for name in own if name != into)]
        parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


def _parameter(option: Option, taken: Container[str] = (), panel: str | None = None) -> inspect.Parameter:
    """The option as typer reads it from a command's signature; by its field's name where its flag is `taken`.

    `panel` is the part of the help that it stands in, none the first.
    """
    help, default = option.help, option.default
    kind: Any
    if help.on is not None:
        kind, default = bool, False
    elif help.read is not None or option.several:
        kind, default = list[str] if option.several else str, None
    else:
        kind = next((each for each in (bool, float, int) if each in option.types), str)
    flags = [flag for flag in help.flag.split() if flag not in taken]
    of = typer.Option(*flags, help=help.text, show_default=default is not None, rich_help_panel=panel)
    declared: Any = Annotated[kind | None if default is None else kind, of]
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=declared)


def _checked(kind: type, given: OptionValues) -> OptionValues:
    """The values of a class of options, taken out of `given`; an error names the option as it is typed."""
    flags = _flags(kind)
    values = {option.name: _read(option, flags[option.name], given.pop(option.name)) for option in options_of(kind)}
    check_typed(kind, values)
    return values


def check_typed(kind: type, values: OptionValues) -> None:
    """Check the values of options by the class that is made of them; `OptionError` names the option as it is typed."""
    flags = _flags(kind)
    try:
        kind(**values)
    except OptionError as error:
        name, rest = re.fullmatch(r"(\w*)=?(.*)", str(error), re.DOTALL).groups()  # type: ignore[union-attr]
        raise OptionError(f"{flags[name]} {rest.lstrip()}" if name in flags else str(error)) from error


def _flags(kind: type) -> dict[str, str]:
    return {option.name: option.help.flags(option.name)[0] for option in options_of(kind)}


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


for_model = generated(ModelOptions, into="setup")
"""Give a command the options of `ModelOptions`, as `setup`."""
