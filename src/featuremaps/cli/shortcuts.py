"""`featuremaps shortcuts` and `repair`: what answers rest on that is not the class, and the model without it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from featuremaps.cli.app import app
from featuremaps.cli.common import command_line, model_under_study, write_figure
from featuremaps.cli.options import Classes, Device, Model, OptionValues, Weights, for_model, generated, sharing
from featuremaps.cli.survey_common import Folder, Names, Pictures, SurveyFolder, named, say, tell_written
from featuremaps.errors import FeatureMapsError
from featuremaps.repair.options import RepairOptions
from featuremaps.shortcuts.options import ShortcutOptions

ShortcutLayer = Annotated[str, typer.Option("--layer", "-l", help="The layer to take them out of, and put them into.")]

ReportFile = Annotated[
    Path | None,
    typer.Option("--report", help="Write a report of the survey too, this HTML file, with what was found first."),
]


@dataclass(frozen=True)
class _Searched:
    """A model, the survey of it to search, how, and where to write; `names` maps labels to outputs."""

    scope: Any
    survey: Any
    layer: str
    names: Mapping[str, str]
    other: str | None
    out: Path
    report: Path | None

    def found(self, **options: object) -> Any:
        """The shortcuts."""
        return self.scope.find_shortcuts(self.survey, self.layer, other=self.other, names=self.names, **options)

    def reported(self, **shown: object) -> list[Path]:
        """The report with what was found, where one is wanted."""
        if self.report is None:
            return []
        return [self.scope.report_survey(self.survey, self.report, **shown, command=command_line())]


def _searched(
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
    setup: OptionValues,
) -> _Searched:
    scope = model_under_study(model, weights, classes, device, setup)
    meant = named("--name", name, "label=output")
    return _Searched(scope, scope.open_survey(survey, pictures), layer, meant, other, out, report)


@app.command()
@for_model
@sharing(_searched, into="asked")
@generated(ShortcutOptions)
def shortcuts(*, asked: _Searched, options: OptionValues) -> None:
    """Find what answers rest on that is not the class, and prove it by taking it out and putting it in.

    **Examples**

    featuremaps survey data/train --model torchvision:resnet50 --layer last --out survey/

    featuremaps shortcuts survey/ --model torchvision:resnet50 -o out/ --report shortcuts.html
    """
    found = asked.found(**options)
    say(found)
    tell_written([*found.save(asked.out), *asked.reported(shortcuts=found)])


@app.command()
@for_model
@sharing(_searched, into="asked")
@generated(RepairOptions)
def repair(
    number: Annotated[int, typer.Option("--number", help="Which of the shortcuts that are found, from 1.")] = 1,
    *,
    asked: _Searched,
    options: OptionValues,
) -> None:
    """Take a shortcut out of a model by the way that helps the worst group most, or say why that cannot be.

    Writes the weights that differ (safetensors), the whole repaired model for torch.load, and what changed.

    **Examples**

    featuremaps repair survey/ --model torchvision:resnet50 -o out/
    """
    found = asked.found()
    say(found)
    if not found:
        tell_written(asked.reported(shortcuts=found))
        return
    if not 1 <= number <= len(found):
        raise FeatureMapsError(f"--number is which of the {len(found)} shortcuts found is repaired; got {number}.")
    made = asked.scope.repaired(found[number - 1], asked.survey, names=asked.names, **options)
    say(made)
    changed = asked.scope.before_after(made, asked.survey, shortcut=found[number - 1], names=asked.names)
    report = asked.reported(shortcuts=found, repair=made, before_after=changed)
    tell_written([*_written(asked, made, changed), *report])


def _written(asked: _Searched, made: Any, changed: Any) -> list[Path]:
    """What changed as a figure, and of a repaired model its weights that differ and the whole of it."""
    from safetensors.torch import save_file
    from torch import save

    out = asked.out
    written = [write_figure(out / "before-after.png", changed.figure())]
    if made.repaired:
        exported = made.scope.export(asked.survey.example(0))
        written += [out / "diff.safetensors", out / "model.pt"]
        save_file(dict(exported.diff), written[1])
        save(exported.model, written[2])
    return written
