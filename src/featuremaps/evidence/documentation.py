"""The measures as text: a table of all, by what they speak of."""

import inspect
from collections.abc import Iterable

from featuremaps.evidence.registry import Measure

FAMILIES = {
    "faithfulness": "Faithfulness: does the model use what the map shows?",
    "robustness": "Robustness: does the map stay when nothing of meaning changes?",
    "localisation": "Localisation: does the map lie where the object is?",
    "sanity": "Sanity: does the map depend on the model at all?",
    "complexity": "Complexity: how much does the map show?",
}


def listed(measures: Iterable[Measure]) -> str:
    """A line for each measure: its name, whether higher or lower is better, and what it is."""
    measures = list(measures)
    width = max(len(each.name) for each in measures)
    lines = []
    for family, title in FAMILIES.items():
        lines += ["", title]
        lines += [
            f"  {each.name:<{width}}  {_arrow(each)} {each.summary}" for each in measures if each.family == family
        ]
    return "\n".join(lines[1:])


def markdown(measures: Iterable[Measure]) -> str:
    """The documentation's table of measures, `docs/measures.md`."""
    measures = list(measures)
    lines = ["# Measures", "", "Written by `python -m featuremaps.evidence.documentation > docs/measures.md`."]
    for family, title in FAMILIES.items():
        lines += ["", f"## {title}", "", "| measure | what it says | better | unit | paper |", "|---|---|---|---|---|"]
        for each in (each for each in measures if each.family == family):
            lines.append(f"| `{each.name}` | {_told(each)} | {each.better} | {each.unit} | {each.paper} |")
    return "\n".join(lines)


def _told(measure: Measure) -> str:
    """The docstring in one line."""
    return " ".join((inspect.getdoc(measure.formula) or "").split()).replace("|", "\\|")


def _arrow(measure: Measure) -> str:
    return "↑" if measure.better == "higher" else "↓"


if __name__ == "__main__":
    from featuremaps.evidence.registry import MEASURES

    print(markdown(MEASURES.values()))  # noqa: T201
