"""The figure of a trial from plain values: one explanation alone has no rank."""

from featuremaps.evidence.estimate import Estimate
from featuremaps.evidence.figure import FigureRow, MeasureColumn, trial_figure


def test_a_rank_is_shown_of_several_explanations_only() -> None:
    half = Estimate(0.5, 0.4, 0.6, 8)
    rows = [FigureRow(label, None, Estimate(1.0, 1.0, 1.0, 8), (half,)) for label in ("Grad-CAM", "LRP")]
    random = FigureRow("random", None, None, (half,))
    column = MeasureColumn("insertion", "higher", "mean probability")
    titles = [
        [axes.get_title(loc="left") for axes in trial_figure([*some, random], [column], ["words"]).axes]
        for some in (rows, rows[:1])
    ]
    assert titles == [["", "mean rank", "insertion"], ["", "insertion"]]
