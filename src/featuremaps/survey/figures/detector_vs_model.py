"""A chart of a detector beside the model's own prediction: recall, false alarms and balanced accuracy per domain."""

from collections.abc import Mapping

from featuremaps.plotting.class_colours import INK, class_look, plain_figure, short
from featuremaps.plotting.figure_types import Axes, Figure
from featuremaps.survey.figures.detector_plots import FAINT, plain
from featuremaps.survey.measures.proportions import Counts

APART = 0.16


def against_figure(label: str, answers: Mapping[str, tuple[Counts, Counts]]) -> Figure:
    """A row for each domain, a panel for each share; the detector's answers above the model's, with intervals."""
    figure = plain_figure(9.5, 1.5 + 0.62 * len(answers))
    panels = figure.subplots(1, 3, sharey=True)
    titles = (f"{short(label)} found (recall)", f"others called {short(label, 16)} (false alarms)", "balanced accuracy")
    for column, (axes, title) in enumerate(zip(panels, titles, strict=True)):
        for row, (detector, model) in enumerate(answers.values()):
            _pair(axes, row, column, detector, model)
        _look(axes, title)
    panels[0].set_yticks(range(len(answers)), [short(domain) for domain in answers])
    panels[0].set_ylim(len(answers) - 0.5, -0.5)
    for axes in panels:
        axes.tick_params(axis="y", labelsize=9, colors=INK, length=0)
    handles = panels[0].get_legend_handles_labels()
    figure.legend(
        handles[0][:2], ["detector", "model's own prediction"], loc="outside lower center", ncols=2, fontsize=8,
        frameon=False,
    )  # fmt: skip
    figure.suptitle(f"{short(label, 60)}: the detector beside the model's own prediction", fontsize=11, color=INK)
    return figure


def _pair(axes: Axes, row: int, column: int, detector: Counts, model: Counts) -> None:
    for number, counts in enumerate((detector, model)):
        y, (colour, _), mark = row + APART * (2 * number - 1), class_look(number), "os"[number]
        rate = (counts.recall, counts.false_alarm_rate, None)[column]
        if rate is not None:
            axes.plot(rate.interval(), (y, y), color=colour, linewidth=1.6)
        value = counts.balanced_accuracy if rate is None else rate.value
        axes.plot(value, y, mark, color=colour, markersize=6.5, label=str(number))
        ahead = value < 0.85 if rate is None else rate.interval().high < 0.85
        reach = value if rate is None else rate.interval()[1 if ahead else 0]
        shift, side = (0.035, "left") if ahead else (-0.035, "right")
        axes.text(reach + shift, y, f"{value:.0%}", fontsize=8, color=colour, va="center", ha=side)


def _look(axes: Axes, title: str) -> None:
    from matplotlib.ticker import PercentFormatter

    plain(axes, title)
    axes.set_xlim(-0.02, 1.02)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.grid(axis="x", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
