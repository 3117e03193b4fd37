"""Figures of surveys with names of classes as people have them: long, or with breaks of lines. Nothing runs over."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from featuremaps.survey.figures.channel_sums import ClassPictures, distributions_figure, index_figure
from featuremaps.survey.figures.detector_evaluation import detection_figure
from featuremaps.survey.figures.detector_vs_model import against_figure
from featuremaps.survey.figures.model_comparison import ModelRow, sums_figure
from featuremaps.survey.measures.proportions import Counts
from featuremaps.survey.measures.scored_pictures import ScoredPictures, SummedGroup
from map_samples import texts

LONG = "a very long name of a class that nobody can read because it goes on\nand on, with a second line and a third"
POSITIVES = np.arange(40) % 2 == 0
SCORES = (np.random.default_rng(0).normal(size=40) + POSITIVES).astype(np.float32)


def scored() -> ScoredPictures:
    names = tuple(f"{place}.png" for place in range(40))
    return ScoredPictures(LONG, "a survey whose folder has a long name, too", names, POSITIVES, SCORES, 0.5)


def group(label: int) -> SummedGroup:
    return SummedGroup(LONG, (0, 3), SCORES, label, scored().area, scored().best)


CLASSES = [ClassPictures(label, LONG, np.arange(label, 40, 4)) for label in range(4)]
FIGURES: dict[str, Callable[[], Figure]] = {
    "detection": lambda: detection_figure(scored(), f"{LONG} by sum of r:7"),
    "against": lambda: against_figure(LONG, {"sv": (Counts(9, 2, 1, 8), Counts(8, 1, 2, 9))}),
    "models": lambda: sums_figure(LONG, [ModelRow(LONG, 3, [scored(), scored()])]),
    "sums": lambda: index_figure([group(i) for i in range(4)], CLASSES, layer="r", by="mean", most=4),
    "distributions": lambda: distributions_figure([group(i) for i in range(4)], CLASSES, layer="r", by="mean", most=4),
}


@pytest.mark.parametrize("name", FIGURES)
def test_no_text_runs_over_another_or_out_of_the_figure(name: str) -> None:
    figure = FIGURES[name]()
    figure.canvas.draw()
    written = [text for text in figure.findobj(Text) if text.get_visible() and any(map(str.isalpha, text.get_text()))]
    boxes = {text: text.get_window_extent() for text in written}
    whole = figure.bbox.padded(1)
    for text, box in boxes.items():
        assert whole.x0 <= box.x0 <= box.x1 <= whole.x1, text
        assert whole.y0 <= box.y0 <= box.y1 <= whole.y1, text
    titles = [text for axes in figure.findobj(type(figure.axes[0])) for text in (axes._left_title, axes.title)]
    said = [boxes[text].padded(-1) for text in titles if text in boxes]
    assert said
    for first, second in combinations(said, 2):
        assert not first.overlaps(second)


def test_a_short_name_is_written_in_full_and_on_one_line() -> None:
    short = replace(group(0), name="scissors")
    figure = index_figure([short], CLASSES, layer="r", by="mean", most=1)
    assert "scissors: 2 channels, AUROC" in texts(figure)
