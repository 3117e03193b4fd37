"""What a search for shortcuts says on a first screen: its proof, and its repair by groups."""

from featuremaps.repair.repair import Repair
from featuremaps.report.first_screen import Card, Change
from featuremaps.report.shortcuts import ShortcutsSection
from featuremaps.shortcuts.shortcut import Intervention
from featuremaps.shortcuts.words import claim


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
    changes = [
        Change(f"{label} {'with it' if has else 'without it'}", best.groups[label, has].value, rate.value)
        for (label, has), rate in repair.before.items()
    ]
    return Card(title, sentence, None, changes, section, "Ways and layers", repair.repaired)
