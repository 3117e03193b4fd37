"""The section on shortcuts: each with its pictures and its proof; or that there is none, and what would be found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from featuremaps.errors import OptionError
from featuremaps.repair.before_after import BeforeAfter
from featuremaps.repair.repair import Repair
from featuremaps.report.data import section
from featuremaps.report.encode import Json, alone, plain, plain_fields
from featuremaps.report.first_screen import Card, Change
from featuremaps.report.repair import changed_json, rate_json, repair_json
from featuremaps.report.survey_pictures import small_picture
from featuremaps.shortcuts.shortcut import Intervention, Shortcut
from featuremaps.shortcuts.shortcuts import Shortcuts, row_of
from featuremaps.shortcuts.words import answers, claim, doubts, proofs, sentence, would_have

WIDE = 6
"""So many pictures of each kind are shown."""


@section
@dataclass(frozen=True, eq=False)
class ShortcutsSection:
    """What a search found, and, where they are given, the repair of a finding and what it changed over all pictures."""

    kind: ClassVar[str] = "shortcuts"
    question: ClassVar[str] = "Can I trust it"

    found: Shortcuts
    repair: Repair | None = None
    before_after: BeforeAfter | None = None
    title: str = "What the answers rest on that is not the class"

    @property
    def count(self) -> int:
        """How many shortcuts are proven."""
        return len(self.found)

    @property
    def summary(self) -> str:
        """The first finding, or that there is none."""
        if self.found:
            return claim(self.found[0])
        return f"{_none(self.found)} in {sum(self.found.pictures):,} pictures."

    def to_json(self) -> Json:
        """Every finding with pictures and proof; without one, what would have been found; and the repair."""
        found = self.found
        return {
            "pictures": sum(found.pictures),
            "classes": list(found.classes),
            "tried": found.tried,
            "layer": found.layer,
            "found": [alone(each, self._finding) for each in found],
            "unproven": [sentence(each) for each in found.unproven],
            "power": None if found else _power(found),
            "notes": [*found.notes, *(() if self.before_after is None else self.before_after.notes)],
            "repair": None if self.repair is None else repair_json(self.repair),
            "changed": None if self.before_after is None else changed_json(self.before_after),
        }

    def _finding(self, found: Shortcut) -> Json:
        rows = (
            (f"{found.label} with it", found.examples.strongest, found.right_with),
            (f"{found.label} without it", found.examples.missing, found.right_without),
            ("Others with it", found.examples.counter, found.called_with),
        )
        return {
            "label": found.label,
            "claim": claim(found),
            "answers": answers(found),
            "proofs": proofs(found),
            "doubts": doubts(found),
            "rows": [
                {"title": title, "pictures": self._pictures(found, places), "called": rate_json(called)}
                for title, places, called in rows
            ],
            "proof": [
                _proof(f"Taken out of pictures of {found.label}", found.taken_out),
                _proof("Put into pictures of others", found.put_in),
            ],
            "numbers": plain(row_of(found)),
        }

    def _pictures(self, found: Shortcut, rows: Sequence[int]) -> list[Json]:
        label = self.found.label_of
        return [
            {"picture": small_picture(self.found.open(row)), "label": label(row), "called": found.called[row]}
            for row in rows[:WIDE]
        ]


def shortcuts_sections(
    found: Shortcuts | None, repair: Repair | None, before_after: BeforeAfter | None
) -> tuple[ShortcutsSection, ...]:
    """The section, or none where no search was made. Raises `OptionError` for anything else, or a repair of nothing."""
    for name, value, kind in (
        ("shortcuts", found, Shortcuts),
        ("repair", repair, Repair),
        ("before_after", before_after, BeforeAfter),
    ):
        if not isinstance(value, kind | None):
            how = {"shortcuts": "find_shortcuts(survey)", "repair": "repaired(found[0], survey)"}
            raise OptionError(f"{name} is what scope.{how.get(name, 'before_after(…)')} gave; got {value!r}.")
    if found is None:
        if repair is not None or before_after is not None:
            raise OptionError("a repair is shown below the shortcut it takes out: give shortcuts=… too.")
        return ()
    return (ShortcutsSection(found, repair, before_after),)


def _proof(title: str, proof: Intervention | None) -> Json:
    """The probability before and after with the interval of the change, and how far random directions reach."""
    if proof is None:
        return {"title": title, "why": "There are too few pictures to try it."}
    return plain_fields(
        {
            "title": title,
            "before": proof.before,
            "after": proof.after,
            **proof.interval._asdict(),
            "control": proof.control,
            "pictures": proof.pictures,
            "holds": proof.holds,
        }
    )


def _none(found: Shortcuts) -> str:
    """That nothing was found, or that nothing of it is proven."""
    return "No shortcut is proven" if found.unproven else "No shortcut found"


def _power(found: Shortcuts) -> Json:
    """What would have been found: for each share the smallest drop that no class would have hidden."""
    shares = []
    for share in dict.fromkeys(each.share for each in found.power):
        drops = [each.drop for each in found.power if each.share == share]
        known = [drop for drop in drops if drop is not None]
        shares.append({"share": share, "drop": max(known) if known and len(known) == len(drops) else None})
    return {"title": _none(found), "words": would_have(found.power), "shares": shares}


def shortcut_card(section: ShortcutsSection, title: str = "What do the answers rest on?") -> Card:
    """The first finding with its proof, or that there is none."""
    if not section.found:
        return Card(title, section.summary, section=section.title, link="What would have been found", right=True)
    found = section.found[0]
    proofs = [("taken out", found.taken_out), ("put into others", found.put_in)]
    changes = [_change(f"{found.label}, {name}", proof) for name, proof in proofs if proof is not None and proof.holds]
    return Card(title, claim(found), changes=changes, section=section.title, link="Pictures and proof", right=False)


def _change(name: str, proof: Intervention) -> Change:
    return Change(name, proof.after, proof.before, *proof.interval)


def repair_card(repair: Repair, title: str, section: str) -> Card:
    """How often each group is called right before and after the best try, and whether that is a repair."""
    best, worst = repair.tried[0], repair.worst_before
    way, _, _ = best.title.partition(" (")  # who it comes from stands in the section
    sentence = (
        f"Yes, by {way}: the worst group from {worst.value:.0%} to {best.worst.value:.0%}."
        if repair.repaired
        else f"No: the best try, {way}, leaves the worst group at {best.worst.value:.0%}."
    )
    if repair.more_is_likely:
        sentence += f" Training all layers is likely to {'bring more' if repair.repaired else 'repair it'}."
    changes = [
        Change(f"{label} {'with it' if has else 'without it'}", best.groups[label, has].value, rate.value)
        for (label, has), rate in repair.before.items()
    ]
    return Card(title, sentence, None, changes, section, "Ways and layers", repair.repaired)
