"""`featuremaps shortcuts`: what a model's answers rest on that is not the class."""

from pathlib import Path
from typing import Annotated

import typer

from featuremaps.cli.app import app
from featuremaps.cli.common import model_under_study
from featuremaps.cli.options import Classes, Device, Model, OptionValues, Weights, for_model, generated
from featuremaps.cli.survey_common import Folder, Pictures, SurveyFolder, named, say, tell_written
from featuremaps.shortcuts.options import ShortcutOptions

Names = Annotated[
    list[str] | None,
    typer.Option("--name", help="An output of the model that means a label, as label=output; several."),
]
ShortcutLayer = Annotated[str, typer.Option("--layer", "-l", help="The layer to take them out of, and put them into.")]


@app.command()
@for_model
@generated(ShortcutOptions)
def shortcuts(
    survey: SurveyFolder,
    model: Model,
    weights: Weights = None,
    classes: Classes = None,
    layer: ShortcutLayer = "last",
    name: Names = None,
    pictures: Pictures = None,
    device: Device = None,
    out: Folder = Path("out"),
    *,
    options: OptionValues,
    setup: OptionValues,
) -> None:
    """Find what answers rest on that is not the class, and prove it by taking it out and putting it in.

    **Examples**

    featuremaps survey data/train --model torchvision:resnet50 --layer last --out survey/

    featuremaps shortcuts survey/ --model torchvision:resnet50 -o out/
    """
    scope = model_under_study(model, weights, classes, device, setup)
    surveyed = scope.open_survey(survey, pictures)
    found = scope.find_shortcuts(surveyed, layer, names=named("--name", name, "label=output"), **options)
    say(found)
    tell_written(found.save(out))
