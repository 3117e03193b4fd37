"""The figure of shortcuts: pictures first, each row one kind of them, and the numbers below."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill

from PIL import Image

from featuremaps.plotting.class_colours import RIGHT, WRONG, on_square, plain_figure, short
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.panels import Panel, panels_figure

WIDE = 6


@dataclass(frozen=True, eq=False)
class ExamplePicture:
    """A picture, what it is and what the model calls it."""

    image: Image.Image
    label: str
    called: str


@dataclass(frozen=True, eq=False)
class ShownShortcut:
    """A shortcut's pictures by what they show of it, `kinds` with their words, what it is, and the numbers."""

    kinds: Sequence[tuple[str, Sequence[ExamplePicture]]]
    claim: str
    numbers: str


def shortcut_figure(shown: ShownShortcut) -> Figure:
    """Rows of pictures, right answers and wrong ones told apart by the frame."""
    rows = []
    for words, pictures in shown.kinds:
        panels = [
            Panel(
                on_square(each.image),
                short(f"{each.label}, called {each.called}", 30),
                frame=RIGHT if each.label == each.called else WRONG,
            )
            for each in pictures[:WIDE]
        ]
        row = [*panels, *[Panel(None)] * (WIDE - len(panels))]
        if panels:
            rows.append([Panel(row[0].image, row[0].title, side=words, frame=row[0].frame), *row[1:]])
    return panels_figure(rows, None, title=fill(shown.claim, 130), caption=fill(shown.numbers, 150))


def empty_figure(sentence: str) -> Figure:
    """What there is to see where nothing was found: the sentence."""
    figure = plain_figure(9.0, 1.4)
    figure.text(0.02, 0.5, fill(sentence, 110), fontsize=9, va="center")
    return figure
