"""`featuremaps draw`, `invert`, `stylize` and `dream`: pictures by optimisation."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featuremaps.cli.app import app
from featuremaps.cli.common import gathered, model_under_study, tell_doubts, tell_refusals
from featuremaps.cli.options import (
    Classes,
    Device,
    Folder,
    LayerNames,
    Model,
    OptionValues,
    Weights,
    check_typed,
    for_model,
    generated,
)
from featuremaps.draw.choices import DrawChoices, DreamChoices, InvertChoices, StylizeChoices
from featuremaps.draw.choices import Weights as StyleWeights
from featuremaps.errors import FeatureMapsError
from featuremaps.plotting.file_names import file_name

if TYPE_CHECKING:
    from featuremaps.draw import Drawing, Drawings

Layer = Annotated[str | None, typer.Option("--layer", "-l", help="A layer, or 'last'.")]
PicturePath = Annotated[str, typer.Argument(help="A picture.", show_default=False)]
Numbers = Annotated[bool, typer.Option("--numbers", help="Also write the unrounded picture and the curve (.npy).")]


@app.command()
@for_model
@generated(DrawChoices)
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
    real: Annotated[
        list[str] | None,
        typer.Option("--real", help="Real pictures or a folder, to compare with; several times for several."),
    ] = None,
    numbers: Numbers = False,
    out: Folder = Path("out"),
    device: Device = None,
    *,
    options: OptionValues,
    setup: OptionValues,
) -> None:
    """Draw what channels, neurons or classes look for. Ctrl-C keeps the best so far.

    **Examples**

    featuremaps draw layer4:452 layer4:7 --model torchvision:resnet50 --real photos/ -o out/

    featuremaps draw --layer layer4 --top 64 -m torchvision:resnet50

    featuremaps draw "Egyptian cat" -m torchvision:resnet50 --canvas maco --animation
    """
    from featuremaps.draw import DrawOptions

    check_typed(DrawOptions, options)
    if not units and layer is None:
        raise FeatureMapsError("nothing to draw was given; name units, such as layer4:452, or a --layer with --top.")
    pictures = gathered(real) if real else None
    scope = model_under_study(model, weights, classes, device, setup)
    given = {"layer": layer, "top": top, "real": pictures}
    options |= {name: value for name, value in given.items() if value is not None}
    _write(scope.draw(units or None, **options), out, "draw", numbers, options)
    if pictures is not None:
        tell_refusals(pictures)


@app.command()
@for_model
@generated(InvertChoices)
def invert(
    picture: PicturePath,
    model: Model,
    weights: Weights = None,
    layer: LayerNames = None,
    numbers: Numbers = False,
    out: Folder = Path("out"),
    device: Device = None,
    *,
    options: OptionValues,
    setup: OptionValues,
) -> None:
    """Draw a picture from what each layer kept of it: what is missing in the drawing, the layer has forgotten.

    **Example**

    featuremaps invert cat.jpg --model torchvision:resnet50 --layer layer1 --layer layer3 --layer layer4 -o out/
    """
    from featuremaps.draw.invert import InvertOptions

    check_typed(InvertOptions, options)
    scope = model_under_study(model, weights, None, device, setup)
    _write(scope.invert(picture, layer or "last", **options), out, "invert", numbers, options)


@app.command()
@for_model
@generated(StylizeChoices, StyleWeights)
def stylize(
    content: Annotated[str, typer.Argument(help="The picture that says what is shown.", show_default=False)],
    style: Annotated[str, typer.Argument(help="The picture that says how it is painted.", show_default=False)],
    model: Model,
    weights: Weights = None,
    numbers: Numbers = False,
    out: Folder = Path("out"),
    device: Device = None,
    *,
    options: OptionValues,
    setup: OptionValues,
) -> None:
    """Paint one picture in the manner of another.

    **Example**

    featuremaps stylize cat.jpg starry_night.jpg --model torchvision:vgg19 --content-layer features.21 -o out/
    """
    scope = model_under_study(model, weights, None, device, setup)
    _write(scope.stylize(content, style, **options), out, "stylize", numbers, options)


@app.command()
@for_model
@generated(DreamChoices)
def dream(
    picture: PicturePath,
    model: Model,
    weights: Weights = None,
    layer: Layer = None,
    numbers: Numbers = False,
    out: Folder = Path("out"),
    device: Device = None,
    *,
    options: OptionValues,
    setup: OptionValues,
) -> None:
    """Show a picture with whatever a layer finds in it made stronger (DeepDream).

    **Example**

    featuremaps dream clouds.jpg --model torchvision:googlenet --layer inception4c --octaves 4 -o out/
    """
    scope = model_under_study(model, weights, None, device, setup)
    _write(scope.dream(picture, layer or "last", **options), out, "dream", numbers, options)


def _write(drawn: "Drawing | Drawings", out: Path, verb: str, numbers: bool, options: OptionValues) -> None:
    """Everything there is to see of drawings, written; a line about each, printed, what is doubtful on stderr."""
    from featuremaps.draw import Drawings

    drawings = drawn if isinstance(drawn, Drawings) else Drawings((drawn,))
    written = drawings.save(out, numbers=numbers)
    sheet = out / f"{file_name('drawings', verb)}.png"
    sheet.write_bytes(drawings._repr_png_() or b"")
    if options["frames"]:
        written += drawings.animation(out)
    for drawing in drawings:
        typer.echo(f"{drawing.name}: {drawing.words}" if drawing.words else drawing.name)
        tell_doubts([f"{drawing.name}: {note}" for note in drawing.notes])
    typer.echo(f"{len(written)} file{'s' if len(written) != 1 else ''} and {sheet}")
