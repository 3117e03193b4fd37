"""The command line: parse, call one verb, print or save."""

import shlex
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
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

Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="demo, demo-fixed, torchvision:NAME, timm:NAME, hf:REPO, keras:FILE.keras or package.module:factory.",
        show_default=True,
    ),
]
Weights = Annotated[
    Path | None, typer.Option("--weights", "-w", help="A state dict: .safetensors, or a PyTorch file (read safely).")
]
Classes = Annotated[
    Path | None, typer.Option("--classes", help="A text file with one class name per line, in the model's order.")
]
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
Settings = Annotated[
    list[str] | None,
    typer.Option("--option", help="An option of a method, as method.name=value, e.g. score_cam.chunk=16."),
]
Seed = Annotated[int, typer.Option("--seed", help="The seed of everything random.")]
PrecisionName = Annotated[
    str, typer.Option("--precision", help="Of the extra passes some methods make: float32, bfloat16 or float16.")
]
Smooth = Annotated[
    list[str] | None, typer.Option("--smooth", help="augment (flips and brightness) or eigen; several times for both.")
]


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


@app.command()
def explain(
    pictures: PicturePaths,
    model: Model,
    weights: Weights = None,
    classes: Classes = None,
    method: Methods = ["grad_cam"],  # noqa: B006
    layer: LayerNames = None,
    target: Targets = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write to.")] = Path("out"),
    on: Annotated[
        str, typer.Option("--on", help="Draw on what the model saw ('seen') or the whole 'original'.")
    ] = "seen",
    colormap: Annotated[str | None, typer.Option("--colormap", help="Any matplotlib colour map.")] = None,
    scaling: Annotated[str, typer.Option("--scaling", help="max, minmax or signed.")] = "max",
    smooth: Smooth = None,
    option: Settings = None,
    seed: Seed = 0,
    precision: PrecisionName = "float32",
    device: Device = None,
) -> None:
    """Explain pictures: overlays (PNG), raw maps (.npy) and a self-contained report.html.

    **Examples**

    featuremaps explain cat.jpg --model torchvision:resnet50 --method grad_cam --target tabby

    featuremaps explain photos/ -m torchvision:resnet50 -w my.safetensors --method layer_cam -l layer3 -l layer4
    """
    scope = _scope(model, weights, classes, device)
    sighting = scope.see(_gathered(pictures))
    settings: dict[str, Any] = {"seed": seed, "precision": precision, "options": _settings(option)}
    comparison = scope.compare(sighting, method, layer or "last", target or None, smooth=smooth or (), **settings)
    written = comparison.save(out, on=on, colormap=colormap, scaling=scaling)
    report = scope.write_report(comparison, sighting, out / "report.html", command=_command(), **settings)
    _tell(comparison)
    _refusals(sighting)
    typer.echo(f"{len(written)} files and {report}")


@app.command()
def report(
    pictures: PicturePaths,
    model: Model,
    weights: Weights = None,
    classes: Classes = None,
    method: Methods = ["grad_cam", "grad_cam_pp", "layer_cam", "hires_cam"],  # noqa: B006
    layer: LayerNames = None,
    target: Targets = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The HTML file to write.")] = Path("report.html"),
    title: Annotated[str, typer.Option("--title", help="The report's title.")] = "",
    smooth: Smooth = None,
    option: Settings = None,
    seed: Seed = 0,
    precision: PrecisionName = "float32",
    device: Device = None,
) -> None:
    """Write one HTML file that shows several methods on several layers side by side.

    **Examples**

    featuremaps report photos/ --model torchvision:resnet50 -o report.html

    featuremaps report cat.jpg -m timm:resnet50 --method grad_cam --method score_cam -t "Egyptian cat" -t tabby
    """
    scope = _scope(model, weights, classes, device)
    sighting = scope.see(_gathered(pictures))
    path = scope.report(
        sighting,
        out,
        methods=method,
        layers=layer or None,
        targets=target or None,
        title=title,
        command=_command(),
        smooth=smooth or (),
        seed=seed,
        precision=precision,
        options=_settings(option),
    )
    _refusals(sighting)
    typer.echo(str(path))


@app.command()
def layers(
    model: Model,
    weights: Weights = None,
    picture: Annotated[str | None, typer.Option("--picture", help="A picture to run; default: a blank one.")] = None,
    device: Device = None,
) -> None:
    """List every layer that runs: address, type, channels, size, stride, receptive field.

    **Example**

    featuremaps layers --model torchvision:squeezenet1_0 -w squeezenet.safetensors
    """
    typer.echo(str(_scope(model, weights, None, device).layers(picture)))


@app.command()
def methods(name: Annotated[str | None, typer.Argument(help="One method, in full.")] = None) -> None:
    """List the methods: what they do, what they need, their options, their paper.

    **Examples**

    featuremaps methods

    featuremaps methods score_cam
    """
    from featuremaps.methods import METHODS, find_method
    from featuremaps.methods.table import described, listed

    typer.echo(listed(METHODS.values()) if name is None else described(find_method(name)))


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write to.")] = Path("featuremaps-demo"),
) -> None:
    """Explain the bundled pictures with the bundled models, without any network, and say what was found.

    **Example**

    featuremaps demo
    """
    from featuremaps.demo.tour import tour

    found = tour(out, command=_command())
    for sentence in found.findings:
        typer.echo(sentence)
    typer.echo(f"Report: {found.report}")


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


def _scope(model: str, weights: Path | None, classes: Path | None, device: str | None) -> Any:
    from featuremaps.sources import load

    names = None
    if classes is not None:
        if not classes.is_file():
            raise FeatureMapsError(f"--classes: there is no file {str(classes)!r}.")
        names = [line.strip() for line in classes.read_text(encoding="utf-8").splitlines() if line.strip()]
    return load(model, weights=weights, classes=names, device=device)


def _gathered(pictures: list[str]) -> Any:
    from featuremaps.images import gather

    return gather(pictures[0] if len(pictures) == 1 else pictures)


def _tell(comparison: Any) -> None:
    for heat in comparison.values():
        for seen, label, notes in zip(heat.pictures, heat.targets, heat.warnings, strict=True):
            doubt = f"  — {notes[0]}" if notes else ""
            typer.echo(f"{seen.picture.name}: {heat.method} of {heat.layer} for {label or 'any class'}{doubt}")


def _refusals(sighting: Any) -> None:
    if sighting.rejected:
        typer.secho(f"{len(sighting.rejected)} left out:", err=True)
    for bad in sighting.rejected:
        typer.secho(f"  {bad.name}: {bad.reason}", err=True)


def _settings(options: list[str] | None) -> dict[str, dict[str, object]]:
    """`["score_cam.chunk=16"]` as `{"score_cam": {"chunk": "16"}}`."""
    found: dict[str, dict[str, object]] = {}
    for text in options or []:
        address, equals, value = text.partition("=")
        method, dot, name = address.partition(".")
        if not (equals and dot):
            raise FeatureMapsError(
                f"--option {text!r} is not understood; write method.name=value, e.g. score_cam.chunk=16."
            )
        found.setdefault(method, {})[name] = value
    return found


def _command() -> str:
    return shlex.join(["featuremaps", *sys.argv[1:]])
