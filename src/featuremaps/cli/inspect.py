"""`featuremaps layers`, `maps`, `attention` and `filters`: what is inside a model."""

from pathlib import Path
from typing import Annotated, Any

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
    PicturePaths,
    Weights,
    for_model,
)
from featuremaps.errors import FeatureMapsError


@app.command()
@for_model
def layers(
    model: Model,
    weights: Weights = None,
    picture: Annotated[str | None, typer.Option("--picture", help="A picture to run; default: a blank one.")] = None,
    device: Device = None,
    *,
    setup: OptionValues,
) -> None:
    """List every layer that runs: address, type, channels, size, stride, receptive field.

    **Example**

    featuremaps layers --model torchvision:squeezenet1_0 -w squeezenet.safetensors
    """
    typer.echo(str(model_under_study(model, weights, None, device, setup).layers(picture)))


@app.command()
@for_model
def maps(
    pictures: PicturePaths,
    model: Model,
    weights: Weights = None,
    classes: Classes = None,
    layer: LayerNames = None,
    top: Annotated[int, typer.Option("--top", help="How many of a layer's channels to show, strongest first.")] = 16,
    by: Annotated[str, typer.Option("--by", help="Rank channels by their mean or max activation.")] = "mean",
    highlight: Annotated[
        list[str] | None,
        typer.Option("--highlight", help="A unit, layer:channel, to frame; several times for several."),
    ] = None,
    scaling: Annotated[
        str, typer.Option("--scaling", help="map (each its own), layer (one per layer) or limits such as 0,5.")
    ] = "map",
    out: Folder = Path("out"),
    device: Device = None,
    *,
    setup: OptionValues,
) -> None:
    """Draw what layers turn pictures into: the strongest channels, all of them, their three main colours; raw maps.

    A layer `all` is a walk through every layer: its size, sparsity and strongest channels, as a table and a figure.

    **Examples**

    featuremaps maps cat.jpg --model torchvision:resnet50 --layer layer3 --top 16 --highlight layer3:452 -o out/

    featuremaps maps photos/ -m torchvision:resnet50 -l layer4:452 -l layer4:7

    featuremaps maps cat.jpg -m torchvision:resnet50 --layer all
    """
    found = gathered(pictures)
    scope = model_under_study(model, weights, classes, device, setup)
    seen_pictures = scope.see(found)
    feature_maps = scope.maps(seen_pictures, layer or "last", highlight=highlight or (), scaling=_scaling(scaling))
    written = _write_maps(feature_maps, out, top, by)
    tell_refusals(seen_pictures)
    typer.echo(f"{len(written)} files in {out}")


@app.command()
@for_model
def attention(
    pictures: PicturePaths,
    model: Model,
    weights: Weights = None,
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", "-l", help="An attention, a module that holds some, a glob or last; several."),
    ] = None,
    query: Annotated[
        str | None,
        typer.Option("--query", help="class, mean, a token's number or a pixel Y,X. Default: class if there is one."),
    ] = None,
    out: Folder = Path("out"),
    device: Device = None,
    *,
    setup: OptionValues,
) -> None:
    """Draw what every attention head looks at: a figure a picture, a row a layer, and the raw maps (.npy).

    **Examples**

    featuremaps attention cat.jpg --model timm:vit_small_patch16_224 -o out/

    featuremaps attention cat.jpg -m torchvision:vit_b_16 --layer last --query 100,60
    """
    found = gathered(pictures)
    scope = model_under_study(model, weights, None, device, setup)
    seen_pictures = scope.see(found)
    heads = scope.attention(seen_pictures, layer or None, query=_query(query))
    written = heads.save(out)
    typer.echo(repr(heads))
    tell_doubts(heads.warnings)
    tell_refusals(seen_pictures)
    typer.echo(f"{len(written)} files in {out}")


def _query(text: str | None) -> str | int | tuple[int, int] | None:
    """`"class"` and `"mean"` as they are, `"3"` as a token, `"100,60"` as a pixel."""
    if text is None or text.strip().isalpha():
        return text
    parts = text.split(",")
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
        raise FeatureMapsError(
            f"--query {text!r} is not understood; write class, mean, a token's number such as 3, or a pixel such as "
            "100,60."
        )
    numbers = [int(part) for part in parts]
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


@app.command()
@for_model
def filters(
    model: Model,
    layer: Annotated[str, typer.Option("--layer", "-l", help="A convolution, or a layer that holds exactly one.")],
    weights: Weights = None,
    scaling: Annotated[str, typer.Option("--scaling", help="filter (each its own) or layer (one for all).")] = "filter",
    out: Folder = Path("out"),
    *,
    setup: OptionValues,
) -> None:
    """Draw the weights of a convolution; say which filters are dead or nearly the same. The model is not run.

    **Example**

    featuremaps filters --model torchvision:resnet50 --layer conv1 -o out/
    """
    kernels = model_under_study(model, weights, None, None, setup).filters(layer, scaling=scaling)
    written = kernels.save(out)
    typer.echo(f"{kernels.layer}: {kernels.summary()}")
    if kernels.dead:
        typer.echo(f"dead: {', '.join(map(str, kernels.dead))}")
    for first, second, cosine in kernels.duplicates:
        typer.echo(f"nearly the same: {first} and {second} (cosine {cosine:.4f})")
    typer.echo(f"{len(written)} files in {out}")


def _write_maps(maps: Any, out: Path, top: int, by: str) -> list[Path]:
    """Everything there is to see of maps, written; what a person would read of it, printed."""
    from featuremaps.maps.layer_maps import LayerMaps
    from featuremaps.maps.layer_summary import LayerWalk

    if isinstance(maps, LayerWalk):
        typer.echo(str(maps))
        return maps.save(out)
    if isinstance(maps, LayerMaps):
        return [path for of_layer in maps.values() for path in _write_maps(of_layer, out, top, by)]
    written: list[Path] = maps.save(out)
    if not maps.whole:
        typer.echo(repr(maps))
        return written
    best = maps.top(top, by)
    typer.echo(repr(best))
    return [*written, *best.save(out), *maps.rgb().save(out)]


def _scaling(text: str) -> Any:
    """`"map"`, `"layer"`, or `"0,5"` as (0.0, 5.0)."""
    low, comma, high = text.partition(",")
    if not comma:
        return text
    try:
        return float(low), float(high)
    except ValueError as error:
        raise FeatureMapsError(
            f"--scaling {text!r} is not understood; write map, layer, or two numbers such as 0,5."
        ) from error
