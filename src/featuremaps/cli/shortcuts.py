"""`featuremaps shortcuts` and `repair`: what answers rest on that is not the class, and the model without it."""

from pathlib import Path
from typing import Annotated

import typer

from featuremaps.cli.app import app
from featuremaps.cli.common import command_line, model_under_study
from featuremaps.cli.options import Classes, Device, Model, OptionValues, Weights, for_model, generated
from featuremaps.cli.survey_common import Folder, Pictures, SurveyFolder, named, say, tell_written
from featuremaps.errors import FeatureMapsError
from featuremaps.plotting.files import png_of
from featuremaps.repair.options import RepairOptions
from featuremaps.shortcuts.options import ShortcutOptions

Names = Annotated[
    list[str] | None,
    typer.Option("--name", help="An output of the model that means a label, as label=output; several."),
]
ShortcutLayer = Annotated[str, typer.Option("--layer", "-l", help="The layer to take them out of, and put them into.")]

ReportFile = Annotated[
    Path | None,
    typer.Option("--report", help="Write a report of the survey too, this HTML file, with what was found first."),
]


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
    other: Annotated[
        str | None,
        typer.Option("--other", help="Other pictures in which findings are looked up, best without the classes."),
    ] = None,
    device: Device = None,
    out: Folder = Path("out"),
    report: ReportFile = None,
    *,
    options: OptionValues,
    setup: OptionValues,
) -> None:
    """Find what answers rest on that is not the class, and prove it by taking it out and putting it in.

    **Examples**

    featuremaps survey data/train --model torchvision:resnet50 --layer last --out survey/

    featuremaps shortcuts survey/ --model torchvision:resnet50 -o out/ --report shortcuts.html
    """
    scope = model_under_study(model, weights, classes, device, setup)
    surveyed = scope.open_survey(survey, pictures)
    meant = named("--name", name, "label=output")
    found = scope.find_shortcuts(surveyed, layer, other=other, names=meant, **options)
    say(found)
    written = found.save(out)
    if report is not None:
        written.append(scope.report_survey(surveyed, report, shortcuts=found, command=command_line()))
    tell_written(written)


@app.command()
@for_model
@generated(RepairOptions)
def repair(
    survey: SurveyFolder,
    model: Model,
    weights: Weights = None,
    classes: Classes = None,
    number: Annotated[int, typer.Option("--number", help="Which of the shortcuts that are found, from 1.")] = 1,
    layer: ShortcutLayer = "last",
    name: Names = None,
    pictures: Pictures = None,
    device: Device = None,
    out: Folder = Path("out"),
    report: ReportFile = None,
    *,
    options: OptionValues,
    setup: OptionValues,
) -> None:
    """Take a shortcut out of a model by the way that helps the worst group most, or say why that cannot be.

    Writes the weights that differ (safetensors), the whole repaired model for torch.load, and what changed.

    **Examples**

    featuremaps repair survey/ --model torchvision:resnet50 -o out/
    """
    from safetensors.torch import save_file
    from torch import save

    scope = model_under_study(model, weights, classes, device, setup)
    surveyed = scope.open_survey(survey, pictures)
    meant = named("--name", name, "label=output")
    found = scope.find_shortcuts(surveyed, layer, names=meant)
    say(found)
    if not found:
        if report is not None:
            tell_written([scope.report_survey(surveyed, report, shortcuts=found, command=command_line())])
        return
    if not 1 <= number <= len(found):
        raise FeatureMapsError(f"--number is which of the {len(found)} shortcuts found is repaired; got {number}.")
    shortcut = found[number - 1]
    made = scope.repaired(shortcut, surveyed, names=meant, **options)
    say(made)
    out.mkdir(parents=True, exist_ok=True)
    changed = scope.before_after(made, surveyed, shortcut=shortcut, names=meant)
    (out / "before-after.png").write_bytes(png_of(changed.figure()))
    written = [out / "before-after.png"]
    if made.repaired:
        exported = made.scope.export(surveyed.example(0))
        written += [out / "diff.safetensors", out / "model.pt"]
        save_file(dict(exported.diff), written[1])
        save(exported.model, written[2])
    if report is not None:
        shown = {"shortcuts": found, "repair": made, "before_after": changed}
        written.append(scope.report_survey(surveyed, report, **shown, command=command_line()))
    tell_written(written)
