"""What a search for shortcuts says, in sentences that a person can judge."""

from collections.abc import Sequence

from featuremaps.shortcuts.power import Power
from featuremaps.shortcuts.shortcut import Shortcut


def sentence(found: Shortcut) -> str:
    """What a shortcut is, what goes with it, and what proves it."""
    label = found.label
    share, others = f"{found.prevalence.value:.0%}", f"{found.elsewhere.value:.0%}"
    if found.attribute.concept:
        what = f"have {found.attribute.concept}, which the answer {label!r} rests on; {others} of the others have it."
    else:
        what = (
            f"share something simple that the answer {label!r} rests on; {others} of the others have it (channel "
            f"{found.attribute.name} tells it best)."
        )
    parts = [f"{share} of the pictures of {label} {what}"]
    if found.right_with.of and found.right_without.of:
        parts.append(
            f"With it {found.right_with.value:.0%} of {label} are called {label}, without it "
            f"{found.right_without.value:.0%}."
        )
    if found.called_with.of and found.called_without.of:
        parts.append(
            f"Of other classes' pictures {found.called_with.value:.0%} with it are called {label}, "
            f"{found.called_without.value:.0%} without."
        )
    for proof, words in (
        (found.taken_out, f"Taken out of {found.layer}, the probability of {label} falls from"),
        (found.put_in, "Put into pictures of other classes that lack it, it rises from"),
    ):
        if proof is not None and proof.holds:
            beside = f"random directions of the same length move it by {proof.control:.0%} at most"
            parts.append(f"{words} {proof.before:.0%} to {proof.after:.0%} ({beside}).")
    if not found.proven:
        parts.append(f"No change of {found.layer} bore it out beyond random directions.")
    return " ".join(parts)


def nothing(classes: Sequence[str], pictures: Sequence[int], tried: int, power: Sequence[Power]) -> str:
    """That no shortcut was found, and what would have been."""
    counts = f"{sum(pictures):,} pictures of {len(classes)} classes"
    return f"No shortcut found in {counts} ({tried} attributes looked at). {would_have(power)}"


def would_have(power: Sequence[Power]) -> str:
    """The smallest effects that would have been found, the worst class of each share."""
    parts = []
    for share in dict.fromkeys(each.share for each in power):
        drops = [each.drop for each in power if each.share == share]
        known = [drop for drop in drops if drop is not None]
        if len(known) == len(drops):
            parts.append(
                f"lacking in {share:.0%} of a class, one that moves its probability by {max(known):.0%} or more"
            )
    if not parts:
        return "There are too few pictures to have found any."
    return f"One would have been found in 8 of 10 times: {'; '.join(parts)}; as far as the first layers tell it apart."
