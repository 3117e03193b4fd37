"""`featuremaps concept`: what some pictures have and others have not, and which classes rest on it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featuremaps.cli.app import app
from featuremaps.cli.common import command_line, gathered, model_under_study, tell_refusals
from featuremaps.cli.options import Classes, Device, Folder, Model, OptionValues, Weights, for_model, generated
from featuremaps.cli.survey_common import named, say, tell_written
from featuremaps.concepts.options import Comparison, ConceptOptions
from featuremaps.errors import FeatureMapsError

if TYPE_CHECKING:
    from featuremaps.pictures.seen import SeenPictures
    from featuremaps.scope import Scope
    from featuremaps.survey.survey import Survey


@app.command()
@for_model
@generated(ConceptOptions)
@generated(Comparison, into="beside")
def concept(
    positive: Annotated[str, typer.Argument(help="Pictures that have it: a folder, say.", show_default=False)],
    negative: Annotated[str, typer.Argument(help="Pictures that have not.", show_default=False)],
    model: Model,
    weights: Weights = None,
    classes: Classes = None,
    layer: Annotated[str, typer.Option("--layer", "-l", help="The layer whose channels tell them apart.")] = "last",
    name: Annotated[str, typer.Option("--name", help="What it is called; by default as the first folder.")] = "",
    survey: Annotated[
        Path | None, typer.Option("--survey", help="A survey of labelled pictures: which classes rest on it?")
    ] = None,
    pictures: Annotated[
        list[str] | None,
        typer.Option("--pictures", help="Pictures instead of a survey, which count for what the model calls them."),
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", "-t", help="A class to test, several times for several.")
    ] = None,
    output: Annotated[
        list[str] | None, typer.Option("--output", help="An output that means a label of the survey, as label=output.")
    ] = None,
    device: Device = None,
    out: Folder = Path("out"),
    report: Annotated[
        Path | None, typer.Option("--report", help="Write a report of it too, this HTML file, with its pictures.")
    ] = None,
    *,
    options: OptionValues,
    beside: OptionValues,
    setup: OptionValues,
) -> None:
    """Find what some pictures have and others have not in a layer, and test which classes rest on it.

    Writes the concept's figure, numbers and words (fm.open_concept reads them), and the sensitivities.

    **Examples**

    featuremaps concept stripes/ other/ --model torchvision:resnet50 --layer layer3 -o out/

    featuremaps concept stripes/ other/ --model torchvision:resnet50 --pictures photos/ --target zebra --report z.html
    """
    from featuremaps.concepts.find_concept import called

    if survey is not None and pictures:
        raise FeatureMapsError("--survey and --pictures both say which pictures are tested; give one of them.")
    found = [gathered([side]) for side in (positive, negative)]
    scope = model_under_study(model, weights, classes, device, setup)
    sides = [scope.see(side) for side in found]
    for side in sides:
        tell_refusals(side)
    names = {"name": name or called(positive, "concept"), "against": called(negative, "other pictures")}
    found = scope.concept(*sides, layer, **names, **options)
    say(found)
    written, tested = found.save(out), None
    shown = _shown(scope, survey, pictures)
    if shown is not None:
        meant, how = named("--output", output, "label=output"), {key: options[key] for key in ("seed", "batch_size")}
        tested = scope.sensitivity(found, shown, target, names=meant, **beside, **how)
        say(tested)
        written += tested.save(out)
    if report is not None:
        written.append(scope.report_concept(found, report, sensitivity=tested, command=command_line()))
    tell_written(written)


def _shown(scope: "Scope", survey: Path | None, pictures: list[str] | None) -> "SeenPictures | Survey | None":
    """The pictures or the survey on which classes are tested, where that was asked."""
    if pictures:
        seen = scope.see(gathered(pictures))
        tell_refusals(seen)
        return seen
    return None if survey is None else scope.open_survey(survey)
