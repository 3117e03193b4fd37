"""One colour means one thing: what is right, with a class or doubted has no class's colour, in figures and in reports."""

from pathlib import Path

import featuremaps
from featuremaps.plotting.class_colours import DOUBT, PALETTE, RIGHT, WITH, WITHOUT, WRONG

ROOT = Path(featuremaps.__file__).parent
MEANINGS = (RIGHT, WRONG, WITH, WITHOUT, DOUBT)


def test_no_two_meanings_share_a_colour() -> None:
    colours = [colour.lower() for colour in (*PALETTE, *MEANINGS)]
    assert len(set(colours)) == len(colours)


def test_reports_have_the_colours_of_the_figures() -> None:
    page = (ROOT / "report/viewer/base.css").read_text()
    charts = (ROOT / "survey/charts/charts.css").read_text()
    assert f"--right-ink: light-dark({RIGHT}," in page
    assert f"--wrong-ink: light-dark({WRONG}," in page
    assert f"--with: light-dark({WITH}," in charts
    assert f"--without: light-dark({WITHOUT}," in charts


def test_colours_that_mean_something_are_written_in_one_place() -> None:
    elsewhere = [
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if path.name != "class_colours.py" and any(f'"{colour}"' in path.read_text() for colour in MEANINGS)
    ]
    assert not elsewhere
