"""What counts as found, as a false alarm and as covered, by the result of a search."""

from collections.abc import Mapping, Sequence
from typing import Any

AGREEMENT, PHI = 0.9, 0.7
"""A finding has the right pictures where its own agree with the cue's so far."""

Result = Mapping[str, Any]


def right_finding(result: Result, place: int = 0) -> Result | None:
    """The first proven finding for the cue's class whose pictures are those with the cue."""
    label = result["cues"][place]["label"]
    for finding in result["findings"]:
        if agrees(finding, label, place):
            return dict(finding)
    return None


def agrees(finding: Result, label: int, place: int = 0) -> bool:
    """Whether a finding is for this class, and its pictures are those with the cue."""
    return bool(finding["label"] == label and finding["agreement"][place] >= AGREEMENT and finding["phi"][place] >= PHI)


def further(result: Result) -> Sequence[Result]:
    """Proven findings that are none of the right ones."""
    right = [right_finding(result, place) for place in range(len(result["cues"]))]
    return [finding for finding in result["findings"] if finding not in right]


def covered(result: Result, place: int = 0) -> bool:
    """Whether the interval of the finding's effect holds the true one.

    Where nothing was found in a clean world: whether the true effect of its cue, if it has one, is below what would
    have been found.
    """
    cue = result["cues"][place] if result["cues"] else None
    if cue is None or not cue["planted"]:
        within = cue is None or result["power"] is None or largest(cue) < result["power"]
        return not result["findings"] and within
    finding = right_finding(result, place)
    return finding is not None and inside(finding, cue, finding["effect"])


def inside(finding: Result, cue: Result, kind: str) -> bool:
    """Whether the interval of the effect in the class's `own` pictures, or in the `others`, holds the true one."""
    return finding[kind] is not None and bool(finding[kind][1] <= cue[kind] <= finding[kind][2])


def largest(cue: Result) -> float:
    """The larger of a cue's two true effects."""
    return max(abs(cue["own"]), abs(cue["others"]))
