"""A trial in words: its table as text, and what follows from it, for somebody who has read no paper."""

from collections.abc import Sequence
from math import isfinite

from featuremaps.evidence.estimate import short
from featuremaps.evidence.explainer import Key
from featuremaps.evidence.references import CHANCE, REFERENCE
from featuremaps.evidence.registry import MEASURES
from featuremaps.evidence.standings import FEWEST, Standings
from featuremaps.plotting.method_names import method_name
from featuremaps.plotting.panels import counted

INPUT = "input"
FLOORS = {CHANCE: "a random map", "centre": "a spot in the middle", "edges": "the picture's own edges"}
"""The references that an explanation of the model must beat, in words."""
BEST = {
    "faithfulness": "shows best what this model uses",
    "localisation": "lies best where the object is",
    "robustness": "stays most alike where nothing of meaning changes",
    "sanity": "depends most on the model",
    "complexity": "names the fewest places, which says nothing of the model",
}
"""What it means to be first by measures of one family."""
LITTLE = 0.3
"""Below this τ two measures hardly agree on an order."""


def label(row: Key) -> str:
    """A row as it is called: a method and its layer, or a reference."""
    name = row[0] if row[1] == REFERENCE else method_name(row[0])
    return name if row[1] in (INPUT, REFERENCE) else f"{name} of {row[1]}"


def conclusion(standings: Standings) -> list[str]:
    """What follows, a sentence each: what to believe, what is as good, what to leave alone, how far measures agree."""
    if not any(map(standings.measured, standings.explanations)):
        return ["No explanation could be measured.", *_unsaid(standings)]
    lines = [*_winner(standings), *_doubts(standings), *_unsaid(standings)]
    agreements = [
        standings.agreement(first, second).mean
        for place, first in enumerate(standings.counted)
        for second in standings.counted[place + 1 :]
    ]
    least = min(filter(isfinite, agreements), default=1.0)
    if least < LITTLE:
        lines.append(
            f"The measures disagree on the order (the least Kendall τ is {short(least)}): read them one by one."
        )
    lines += [f"All maps carry a warning: {doubt}" for doubt in standings.doubts]
    if standings.left_out:
        lines.append(
            f"{counted(standings.left_out, 'picture')} not tried: the budget was spent, or the trial was stopped."
        )
    if standings.budget is not None and standings.passes > standings.budget:
        lines.append(
            f"The pictures that run first took {standings.passes} passes, more than the budget of {standings.budget}: "
            "with a smaller batch_size fewer run together."
        )
    return lines


def _winner(standings: Standings) -> list[str]:
    """What comes first, what that means, and what is as good.

    A map that fails a sanity check, or that no measure tells from chance, is not called the best.
    """
    pictures, best = counted(len(standings.pictures), "picture"), standings.best
    if standings.failed(best):
        return [f"On {pictures} every explanation fails a sanity check: believe none of them before you know why."]
    if len([row for row in standings.explanations if standings.measured(row)]) == 1:
        what = "was tried" if len(standings.explanations) == 1 else "could be measured"
        return [f"On {pictures} only {label(best)} {what}: here it is held against what knows nothing of a model."]
    if len(standings.pictures) < FEWEST:
        few = "One picture says" if len(standings.pictures) < 2 else f"{len(standings.pictures)} pictures say"
        return [f"{few} little: {label(best)} comes first, and chance may have put it there."]
    if not standings.better_than(best, CHANCE):
        others = [row for row in standings.eligible if standings.better_than(row, CHANCE)]
        lines = [f"On {pictures}, {label(best)} comes first, but may be no better than a map drawn at random."]
        said = f"Better than a random map: {listed(others)}." if others else ""
        return [*lines, said or "Nor does any other explanation do better: believe none of them, or try more pictures."]
    if len(standings.eligible) == 1 and any(map(standings.failed, standings.explanations)):
        return [f"On {pictures} only {label(best)} passes the sanity checks: no other may be believed."]
    if len(standings.as_good) == len(standings.eligible) - 1 > 0:
        return [f"On {pictures} {label(best)} comes first, but any other explanation may be as good."]
    rank = standings.rank(best)
    lines = [
        f"On {pictures}, {label(best)} {_praise(standings)}: its mean rank is {rank.mean:.1f} of "
        f"{len(standings.explanations)} (95% interval {rank.low:.1f} to {rank.high:.1f})."
    ]
    if standings.as_good:
        lines.append(f"As good as it, as far as these pictures tell: {listed(standings.as_good)}.")
    return lines


def _praise(standings: Standings) -> str:
    """What it means to be first by the measures that count, by what they speak of."""
    families = {MEASURES[name].family for name in standings.counted}
    return BEST[families.pop()] if len(families) == 1 else f"does best by {', '.join(standings.counted)}"


def _doubts(standings: Standings) -> list[str]:
    """The explanations that fail a sanity check, or do not beat a reference by any measure that counts."""
    lines = []
    for name in standings.measures:
        failing = [row for row in standings.explanations if name in standings.failed(row)]
        if failing:
            last = " What fails stands last, whatever its rank." if len(failing) < len(standings.explanations) else ""
            lines.append(
                f"Sanity check failed by {listed(failing)} ({name.replace('_', ' ')}): {MEASURES[name].failure}.{last}"
            )
    for reference, words in FLOORS.items() if len(standings.pictures) >= FEWEST else ():
        level = [row for row in standings.explanations if not standings.better_than(row, reference)]
        if level:
            lines.append(f"No better than {words}, as far as these pictures tell: {listed(level)}.")
    return lines


def _unsaid(standings: Standings) -> list[str]:
    """Which measures have no number, of which explanations, and why."""
    lines = []
    for name in standings.measures:
        silent: dict[str, list[Key]] = {}
        for row in standings.explanations:
            estimate = standings.estimate(row, name)
            if not estimate.of:
                silent.setdefault(estimate.why, []).append(row)
        for why, rows in silent.items():
            every = len(rows) == len(standings.explanations)
            lines.append(f"{name} says nothing {'here' if every else f'of {listed(rows)}'}: {why.rstrip('.')}.")
    return lines


def listed(rows: Sequence[Key]) -> str:
    """Rows in a sentence, a method once, with all its layers: "LRP, Grad-CAM of layer3 and layer4"."""
    layers: dict[str, list[str]] = {}
    for row in rows:
        layers.setdefault(row[0], []).append(row[1])
    return ", ".join(" and ".join([label((method, found[0])), *found[1:]]) for method, found in layers.items())


def table(standings: Standings) -> str:
    """Every row by every measure, best first, references below: mean and 95% interval."""
    head = ["", "rank", *(f"{name} {'↑' if MEASURES[name].better == 'higher' else '↓'}" for name in standings.measures)]
    lines = [head]
    for row in (*standings.order, *standings.references):
        ranked = row in standings.explanations and standings.measured(row)
        rank = f"{standings.rank(row).mean:.1f}{' ✗' if standings.failed(row) else ''}" if ranked else "–"
        lines.append([label(row), rank, *(_cell(standings, row, name) for name in standings.measures)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cell(standings: Standings, row: Key, measure: str) -> str:
    estimate = standings.estimate(row, measure)
    if not estimate.of:
        return "–" if row in standings.references else "undefined"
    passed = MEASURES[measure].passed(estimate.mean)
    return str(estimate) + ("" if passed is None else " passed" if passed else " failed")
