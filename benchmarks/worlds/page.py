"""The page on what a search finds in worlds whose shortcuts are known."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.worlds.judged import Result, covered, further, right_finding
from benchmarks.worlds.repairs import closed, decodable
from benchmarks.worlds.words import EMPTY, FOLLOWS, HEAD, REPAIR

PAGE = Path("docs/shortcut-worlds.md")


def write_page(results: Mapping[str, Result]) -> None:
    """Writes `docs/shortcut-worlds.md`."""
    kinds = {kind: _of(results, kind) for kind in ("planted", "clean", "pair", "CIFAR-10")}
    text = [
        HEAD,
        "## In all",
        "",
        *_sums(kinds["planted"], kinds["clean"], kinds["pair"]),
        *_repaired(_of(results, "repair")),
    ]
    for kind, title in (
        ("planted", "One shortcut"),
        ("clean", "No shortcut"),
        ("pair", "Two shortcuts"),
        ("CIFAR-10", "Real pictures"),
    ):
        text += ["", f"## {title}", "", *_table(kinds[kind])]
    text += ["", "## Repair", "", REPAIR, *_repairs(_of(results, "repair"))]
    PAGE.write_text("\n".join([*text, "", FOLLOWS]), encoding="utf-8")


def _of(results: Mapping[str, Result], kind: str) -> dict[str, Result]:
    """The results of one kind, by the rest of their names."""
    return {name.removeprefix(f"{kind} "): result for name, result in results.items() if name.startswith(f"{kind} ")}


def _sums(planted: Mapping[str, Result], clean: Mapping[str, Result], pairs: Mapping[str, Result]) -> Iterator[str]:
    """What was demanded, and what was reached."""
    found = sum(right_finding(result) is not None for result in planted.values())
    alarms = sum(bool(result["findings"]) for result in clean.values())
    held = sum(covered(result) for result in (*planted.values(), *clean.values()))
    both = sum(all(right_finding(result, place) for place in range(2)) for result in pairs.values())
    yield "| | demanded | reached |\n|---|---|---|"
    yield f"| one shortcut, found with the right pictures | 11 of 12 | **{found} of {len(planted)}** |"
    yield f"| clean worlds with a false alarm | at most 1 of 12 | **{alarms} of {len(clean)}** |"
    yield f"| true effect covered | 20 of 24 | **{held} of {len(planted) + len(clean)}** |"
    yield f"| two shortcuts, both found | 3 of 4 | **{both} of {len(pairs)}** |"


def _repaired(repairs: Mapping[str, Result]) -> Iterator[str]:
    """Rows of what was demanded of repair, and what was reached by each way."""
    able = [result for result in repairs.values() if decodable(result)]
    rest = [result for result in repairs.values() if result["found"] and not decodable(result)]
    for how, words in WAYS.items():
        half = sum(_half(result, result["repairs"][how]["after"]) for result in able)
        sure = sum(_half(result, _counted(result, how)) for result in able)
        asked = f"repaired at least half-way {words}, where the class is told"
        doubted = f" (and {half - sure} that it doubts)" if half > sure else ""
        yield f"| {asked} | 8 of 10 | **{sure} of {len(able)}**{doubted} |"
    for kind, words in (("head", "a last layer"), ("tail", "training the later half of the layers")):
        half = sum(_half(result, result[kind]) for result in able)
        yield f"| the same by {words} on {TAUGHT} scenes without it | – | {half} of {len(able)} |"
    if rest:
        said = sum(not result["repairs"]["auto"]["repaired"] for result in rest)
        yield f"| said that it cannot be, where it is not told | all | **{said} of {len(rest)}** |"


def _half(result: Result, after: float) -> bool:
    return closed(result, after) >= 0.5


def _counted(result: Result, how: str) -> float:
    """How often a repair is right without the shortcut; the network as it is where it says that it cannot be.

    `repaired` is None where its own account was not asked for.
    """
    made = result["repairs"][how]
    return float(result["before"] if made["repaired"] is False else made["after"])


def _repairs(repairs: Mapping[str, Result]) -> Iterator[str]:
    """A row for the repair of each world."""
    yield (
        "| world | told without it | lacking | as it is | chosen | by | trained further | best last layer "
        "| best later half | twin | as drawn: as it is, chosen, trained further |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|"
    )
    for name, result in repairs.items():
        before, twin = (f"{result[key]:.2f}" for key in ("before", "twin"))
        best = [f"{result[kind]:.2f} ({closed(result, result[kind]):.0%})" for kind in ("head", "tail")]
        if not result["found"]:
            rest = (EMPTY, result["lacking"], before, "**not found**", EMPTY, EMPTY, *best, twin, EMPTY)
        else:
            _, area, low, high = result["told"]
            made = [_after(result, how) for how in WAYS]
            told = f"{area:.2f} ({low:.2f} to {high:.2f})"
            way = BY[result["repairs"]["auto"]["way"]]
            rest = (told, result["lacking"], before, made[0], way, made[1], *best, twin, _drawn(result))
        yield f"| {name} | {' | '.join(str(each) for each in rest)} |"


def _drawn(result: Result) -> str:
    """How often the network and the repaired ones are right in scenes as they are drawn, most with the shortcut."""
    if "drawn" not in result:
        return EMPTY
    return ", ".join(f"{each:.2f}" for each in (result["drawn"], *(result["repairs"][how]["drawn"] for how in WAYS)))


def _after(result: Result, how: str) -> str:
    """How often a repair is right, the share of the gap, and whether it is one by its own account."""
    made = result["repairs"][how]
    words = f"{made['after']:.2f} ({closed(result, made['after']):.0%})".replace("-", "−")
    return f"{words}, doubted" if made["repaired"] is False else words


TAUGHT = "1,800"
WAYS = {"auto": "by what is chosen", "fine_tune": "by training further"}
BY = {
    "balanced_head": "last layer, groups alike",
    "hard_head": "last layer, what is hard",
    "projection": "direction out",
    "channels": "channels out",
}


def _table(worlds: Mapping[str, Result]) -> Iterator[str]:
    """A row for each cue of each world."""
    yield "| world | accuracy | right pictures | true effect | effect found | covered | further |"
    yield "|---|---|---|---|---|---|---|"
    for name, result in worlds.items():
        for place in range(max(1, len(result["cues"]))):
            first = (name, f"{result['accuracy']:.2f}") if place == 0 else ("", "")
            last = _further(result) if place == 0 else ""
            yield f"| {' | '.join((*first, *_cells(result, place), last))} |"


def _cells(result: Result, place: int) -> Sequence[str]:
    """What was found of a cue, beside its truth."""
    if not result["cues"]:
        return EMPTY, EMPTY, EMPTY, _yes(covered(result))
    cue = result["cues"][place]
    true = f"{_signed(cue['own'])} / {_signed(cue['others'])}"
    if not cue["planted"]:
        would = "nothing" if result["power"] is None else f"{result['power']:.2f}"
        return EMPTY, true, EMPTY, f"{_yes(covered(result))}, {would} would have been found"
    finding = right_finding(result, place)
    if finding is None:
        return "**missed**", true, EMPTY, "no"
    value, low, high = finding[finding["effect"]]
    effect = f"{finding['effect']} {_signed(value)} ({_signed(low)} to {_signed(high)})"
    return (
        f"{finding['agreement'][place]:.0%}, φ {finding['phi'][place]:.2f}",
        true,
        effect,
        _yes(covered(result, place)),
    )


def _further(result: Result) -> str:
    """Proven findings of something else: their class, and how they go with the cue."""
    said = []
    for finding in further(result):
        with_cue = ", ".join(f"φ {_signed(phi)}" for phi in finding["phi"])
        said.append(f"{result['classes'][finding['label']]}" + (f" ({with_cue})" if with_cue else ""))
    return "; ".join(said) or EMPTY


def _yes(true: bool) -> str:
    return "yes" if true else "no"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
