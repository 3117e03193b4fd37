"""`featuremaps methods` and `featuremaps demo`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from featuremaps.cli import completion
from featuremaps.cli.app import app
from featuremaps.cli.common import command_line, show_page
from featuremaps.cli.options import Open
from featuremaps.progress import stages


@app.command()
def methods(
    name: Annotated[str | None, typer.Argument(help="One method, in full.", autocompletion=completion.methods)] = None,
) -> None:
    """List the methods: what they do, what they need, their options, their paper.

    **Examples**

    featuremaps methods

    featuremaps methods score_cam
    """
    from featuremaps.methods import METHODS, find_method
    from featuremaps.methods.documentation import described, listed

    typer.echo(listed(METHODS.values()) if name is None else described(find_method(name)))


STAGES = 8
TOLD = 3
"""How many of the demo's findings are printed; the report has them all."""


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write to.")] = Path("featuremaps-demo"),
    show: Open = False,
) -> None:
    """Explain the bundled pictures with the bundled models, without any network, and say what was found.

    **Example**

    featuremaps demo
    """
    for library in ("OMP", "OPENBLAS", "MKL"):
        # Before they are loaded: threads of so small networks wait for each other, and for the process that draws.
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    from featuremaps.demo.drawn import drawing, worlds_in

    with stages(STAGES) as begin, drawing(worlds_in(out)) as finish:
        begin("loading PyTorch")  # meanwhile other processes draw the world, which need it not
        from featuremaps.cli.tour import tour

        findings, report = tour(out, begin, finish, command=command_line())
    for sentence in findings[:TOLD]:
        typer.echo(sentence)
    typer.echo(f"Report: {report}")
    show_page(report, show)
