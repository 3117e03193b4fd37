"""`featuremaps project` and `featuremaps factorize`: what units and layers respond to, over many pictures."""

from pathlib import Path
from typing import Annotated

import typer

from featuremaps.cli.app import app
from featuremaps.cli.common import gathered, model_under_study, tell_doubts, tell_refusals, write_figure
from featuremaps.cli.options import (
    Classes,
    Device,
    Folder,
    Model,
    OptionValues,
    PicturePaths,
    Weights,
    for_model,
    generated,
)
from featuremaps.concepts.options import FactorizeOptions
from featuremaps.plotting.file_names import file_name


@app.command()
@for_model
def project(
    pictures: PicturePaths,
    model: Model,
    unit: Annotated[list[str], typer.Option("--unit", "-u", help="A unit, layer:channel; several times for several.")],
    weights: Weights = None,
    rule: Annotated[str, typer.Option("--rule", help="deconvnet, guided or gradient.")] = "deconvnet",
    most: Annotated[int, typer.Option("--most", help="How many pictures of each unit, strongest first.")] = 9,
    out: Folder = Path("out"),
    device: Device = None,
    *,
    setup: OptionValues,
) -> None:
    """Send units back to the pixels: what each sees in its strongest pictures, beside those parts of them.

    **Example**

    featuremaps project photos/ --model torchvision:resnet50 --unit layer4:452 --unit layer4:7 -o out/
    """
    found = gathered(pictures)
    scope = model_under_study(model, weights, None, device, setup)
    seen_pictures = scope.see(found)
    projections = scope.project(seen_pictures, unit, rule=rule, most=most)
    written = projections.save(out)
    figure = out / f"projections__{rule}.png"
    write_figure(figure, projections.figure())
    for row in projections.units:
        best = ", ".join(f"{projection.seen.picture.name} ({projection.value:.3g})" for projection in row[:3])
        typer.echo(f"{row[0].unit}: strongest in {best}")
    tell_doubts(projections.warnings)
    tell_refusals(seen_pictures)
    typer.echo(f"{len(written)} files and {figure}")


@app.command()
@for_model
@generated(FactorizeOptions)
def factorize(
    pictures: PicturePaths,
    model: Model,
    weights: Weights = None,
    classes: Classes = None,
    layer: Annotated[str, typer.Option("--layer", "-l", help="A layer after its ReLU.")] = "last",
    out: Folder = Path("out"),
    device: Device = None,
    *,
    options: OptionValues,
    setup: OptionValues,
) -> None:
    """Find the parts that a set of pictures share in a layer, and what the model would call each of them alone.

    **Example**

    featuremaps factorize photos/ --model torchvision:resnet50 --layer layer4 --concepts 6 -o out/
    """
    found = gathered(pictures)
    scope = model_under_study(model, weights, classes, device, setup)
    seen_pictures = scope.see(found)
    factors = scope.factorize(seen_pictures, layer, **options)
    written = factors.save(out)
    figure = out / f"{file_name('concepts', factors.layer)}.png"
    write_figure(figure, factors.figure())
    for number, named in enumerate(factors.top_classes(), 1):
        alone = ", ".join(f"{name} {share:.0%}" for name, share in named) or "no classes"
        typer.echo(f"concept {number}: {alone}")
    tell_doubts(factors.warnings)
    tell_refusals(seen_pictures)
    typer.echo(f"{len(written)} files and {figure}")
