"""`featuremaps draw`, `invert`, `stylize` and `dream`: pictures by optimisation."""

from pathlib import Path
from typing import Annotated, Any

import typer

from featuremaps.cli.app import app
from featuremaps.cli.options import Classes, Device, LayerNames, Model, Seed, Weights
from featuremaps.cli.steps import gathered, model_under_study, tell_refusals
from featuremaps.draw.drawing import Drawing, Drawings
from featuremaps.errors import FeatureMapsError
from featuremaps.heatmaps import file_name

FRAMES = 24

Folder = Annotated[Path, typer.Option("--out", "-o", help="The folder to write to.")]
Layer = Annotated[str | None, typer.Option("--layer", "-l", help="A layer, or 'last'.")]
PicturePath = Annotated[str, typer.Argument(help="A picture.", show_default=False)]
Size = Annotated[
    str | None, typer.Option("--size", help="Pixels: 224, or height x width as 160x224. Default: what suits the model.")
]
Steps = Annotated[int | None, typer.Option("--steps", help="Steps of the optimisation.")]
Animation = Annotated[bool, typer.Option("--animation", help="Also write the way there, as an animated WebP.")]
Numbers = Annotated[bool, typer.Option("--numbers", help="Also write the unrounded picture and the curve (.npy).")]


@app.command()
def draw(
    model: Model,
    units: Annotated[
        list[str] | None,
        typer.Argument(help="layer:channel, layer:channel@row,column or a class; several.", show_default=False),
    ] = None,
    weights: Weights = None,
    classes: Classes = None,
    layer: Layer = None,
    top: Annotated[int | None, typer.Option("--top", help="With --layer: how many of its channels, from 0 on.")] = None,
    canvas: Annotated[
        str | None, typer.Option("--canvas", help="What is optimised: fourier, pixels, maco or cppn.")
    ] = None,
    size: Size = None,
    steps: Steps = None,
    seed: Seed = 0,
    real: Annotated[
        list[str] | None,
        typer.Option("--real", help="Real pictures or a folder, to compare with; several times for several."),
    ] = None,
    animation: Animation = False,
    numbers: Numbers = False,
    out: Folder = Path("out"),
    device: Device = None,
) -> None:
    """Draw what channels, neurons or classes look for. Ctrl-C keeps the best so far.

    **Examples**

    featuremaps draw layer4:452 layer4:7 --model torchvision:resnet50 --real photos/ -o out/

    featuremaps draw --layer layer4 --top 64 -m torchvision:resnet50

    featuremaps draw "Egyptian cat" -m torchvision:resnet50 --canvas maco --animation
    """
    if not units and layer is None:
        raise FeatureMapsError("nothing to draw was given; name units, such as layer4:452, or a --layer with --top.")
    scope = model_under_study(model, weights, classes, device)
    pictures = gathered(real) if real else None
    wanted = _given(
        layer=layer, top=top, canvas=canvas, size=_size(size), steps=steps, real=pictures, frames=_frames(animation)
    )
    _write(scope.draw(units or None, seed=seed, **wanted), out, "draw", animation, numbers)
    if pictures is not None:
        tell_refusals(pictures)


@app.command()
def invert(
    picture: PicturePath,
    model: Model,
    weights: Weights = None,
    layer: LayerNames = None,
    size: Size = None,
    steps: Steps = None,
    seed: Seed = 0,
    animation: Animation = False,
    numbers: Numbers = False,
    out: Folder = Path("out"),
    device: Device = None,
) -> None:
    """Draw a picture from what each layer kept of it: what is missing in the drawing, the layer has forgotten.

    **Example**

    featuremaps invert cat.jpg --model torchvision:resnet50 --layer layer1 --layer layer3 --layer layer4 -o out/
    """
    scope = model_under_study(model, weights, None, device)
    wanted = _given(size=_size(size), steps=steps, frames=_frames(animation))
    _write(scope.invert(picture, layer or "last", seed=seed, **wanted), out, "invert", animation, numbers)


@app.command()
def stylize(
    content: Annotated[str, typer.Argument(help="The picture that says what is shown.", show_default=False)],
    style: Annotated[str, typer.Argument(help="The picture that says how it is painted.", show_default=False)],
    model: Model,
    weights: Weights = None,
    content_layer: Annotated[
        list[str] | None, typer.Option("--content-layer", help="A layer of the content; several times for several.")
    ] = None,
    style_layer: Annotated[
        list[str] | None, typer.Option("--style-layer", help="A layer of the style; several times for several.")
    ] = None,
    alpha: Annotated[
        float | None, typer.Option("--alpha", help="The weight of the content; 0 draws the texture alone.")
    ] = None,
    beta: Annotated[
        float | None, typer.Option("--beta", help="The weight of the style; 0 draws the content alone.")
    ] = None,
    optimizer: Annotated[str | None, typer.Option("--optimizer", help="lbfgs or adam.")] = None,
    size: Size = None,
    steps: Steps = None,
    seed: Seed = 0,
    animation: Animation = False,
    numbers: Numbers = False,
    out: Folder = Path("out"),
    device: Device = None,
) -> None:
    """Paint one picture in the manner of another.

    **Example**

    featuremaps stylize cat.jpg starry_night.jpg --model torchvision:vgg19 --content-layer features.21 -o out/
    """
    scope = model_under_study(model, weights, None, device)
    wanted = _given(
        content_layers=content_layer,
        style_layers=style_layer,
        alpha=alpha,
        beta=beta,
        optimizer=optimizer,
        size=_size(size),
        steps=steps,
        frames=_frames(animation),
    )
    _write(scope.stylize(content, style, seed=seed, **wanted), out, "stylize", animation, numbers)


@app.command()
def dream(
    picture: PicturePath,
    model: Model,
    weights: Weights = None,
    layer: Layer = None,
    octaves: Annotated[int | None, typer.Option("--octaves", help="From how many sizes, small to large.")] = None,
    steps: Steps = None,
    seed: Seed = 0,
    animation: Animation = False,
    numbers: Numbers = False,
    out: Folder = Path("out"),
    device: Device = None,
) -> None:
    """Show a picture with whatever a layer finds in it made stronger (DeepDream).

    **Example**

    featuremaps dream clouds.jpg --model torchvision:googlenet --layer inception4c --octaves 4 -o out/
    """
    scope = model_under_study(model, weights, None, device)
    wanted = _given(octaves=octaves, steps=steps, frames=_frames(animation))
    _write(scope.dream(picture, layer or "last", seed=seed, **wanted), out, "dream", animation, numbers)


def _write(found: Drawing | Drawings, out: Path, verb: str, animation: bool, numbers: bool) -> None:
    """Everything there is to see of drawings, written; a line about each, printed, what is doubtful on stderr."""
    drawings = found if isinstance(found, Drawings) else Drawings((found,))
    written = drawings.save(out, numbers=numbers)
    sheet = out / f"{file_name('drawings', verb)}.png"
    sheet.write_bytes(drawings._repr_png_() or b"")
    if animation:
        written += drawings.animation(out)
    for drawing in drawings:
        typer.echo(f"{drawing.name}: {drawing.words}" if drawing.words else drawing.name)
        for note in drawing.notes:
            typer.secho(f"{drawing.name}: {note}", err=True, fg="yellow")
    typer.echo(f"{len(written)} file{'s' if len(written) != 1 else ''} and {sheet}")


def _given(**options: Any) -> dict[str, Any]:
    """The options that were given; the verb knows the others' defaults."""
    return {name: value for name, value in options.items() if value is not None}


def _frames(animation: bool) -> int | None:
    return FRAMES if animation else None


def _size(text: str | None) -> int | tuple[int, int] | None:
    """`"224"` as 224, `"160x224"` as (160, 224)."""
    if text is None:
        return None
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise FeatureMapsError(f"--size {text!r} is not understood; write 224, or height x width such as 160x224.")
    sides = [int(part) for part in parts]
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])
