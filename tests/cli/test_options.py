"""The command line's options that are fields of options classes: each is there, and says what the field says."""

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from featuremaps.cli.app import loaded
from featuremaps.cli.options import OptionValues, generated
from featuremaps.draw.dream import DreamOptions
from featuremaps.draw.invert import InvertOptions
from featuremaps.draw.options import DrawOptions
from featuremaps.draw.style import Weights
from featuremaps.draw.stylize import StylizeOptions
from featuremaps.explain.options import ExplainOptions
from featuremaps.options import Help, check, options_of
from featuremaps.survey.engine.options import SurveyOptions

COMMANDS = [
    ("explain", ExplainOptions),
    ("report", ExplainOptions),
    ("draw", DrawOptions),
    ("invert", InvertOptions),
    ("stylize", StylizeOptions),
    ("stylize", Weights),
    ("dream", DreamOptions),
    ("survey", SurveyOptions),
]
RUNNER = CliRunner()


@pytest.mark.parametrize(("command", "kind"), COMMANDS)
def test_every_field_with_help_is_an_option(command: str, kind: type) -> None:
    options = {parameter.name: parameter for parameter in loaded(command).params}
    assert options_of(kind)
    for field in options_of(kind):
        parameter: Any = options[field.name]
        assert parameter.opts == [field.help.flag or "--" + field.name.replace("_", "-")]
        assert parameter.help == field.help.text
        assert parameter.multiple == field.several
        usual = False if field.help.on is not None else None if field.several else field.default
        assert parameter.default == usual


@dataclass(frozen=True, kw_only=True)
class Usual:
    many: Annotated[int, Help("How many there are.", least=1)] = 3

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True)
class Changed(Usual):
    many: Annotated[int, Help("How many there are.", least=1)] = 5


@pytest.mark.parametrize(("kind", "default"), [(Usual, 3), (Changed, 5)])
def test_a_default_of_the_class_is_that_of_the_command(kind: type, default: int) -> None:
    little = typer.Typer()

    @little.command()
    @generated(kind)
    def tell(*, options: OptionValues) -> None:
        typer.echo(f"got {options}")

    assert RUNNER.invoke(little, []).output == f"got {{'many': {default}}}\n"
    assert f"default: {default}" in RUNNER.invoke(little, ["--help"]).output
    refused = RUNNER.invoke(little, ["--many", "0"])
    assert str(refused.exception) == "--many is 1 or more; got 0."
