"""What a search for shortcuts says, in sentences that a person can judge."""

from collections.abc import Sequence

from featuremaps.shortcuts.power import Power
from featuremaps.shortcuts.shortcut import InOtherPictures, Shortcut

SEEN = (
    "as far as the first layers' channels tell pictures with it from those without, by how strong they are, how much "
    "they vary and where they respond (hardly by fine traces such as compression's, in part by what comes in degrees)"
)
"""What a search can see at all."""

LEVELS = ("high", "low")
TOLD_BY = {
    "spread": ("varies more within a picture", "varies less within a picture"),
    "across": ("responds further to the right", "responds further to the left"),
    "down": ("responds further down", "responds further up"),
}
"""What a channel does where an attribute is, and what it does where it is `low` there."""


def sentence(found: Shortcut) -> str:
    """What a shortcut is, what goes with it, and what proves it."""
    return f"{claim(found)} {evidence(found)}"


def evidence(found: Shortcut) -> str:
    """What goes with a shortcut, and what proves it."""
    return " ".join([*told_by(found), *answers(found), *proofs(found), *doubts(found)])


def brief(found: Shortcut) -> str:
    """What a class rests on, how far that moves it, and what speaks against it."""
    return " ".join([claim(found), *told_by(found), *answers(found)[:1], *doubts(found)])


def claim(found: Shortcut) -> str:
    """What a class rests on, in how many of its pictures and of the others."""
    what, label = found.attribute.concept, found.label
    rests = f"have {what}, which the answer" if what else "share something simple that the answer"
    return (
        f"{found.prevalence.value:.0%} of the pictures of {label} {rests} “{label}” rests on; "
        f"{found.elsewhere.value:.0%} of the others have it."
    )


def told_by(found: Shortcut) -> list[str]:
    """The channel that tells what nobody named."""
    if found.attribute.concept:
        return []
    name, _, kind = found.attribute.name.rpartition(", ")
    words = TOLD_BY.get(kind)
    if words is None:
        return [f"Channel {found.attribute.name} tells it best: it is {LEVELS[found.attribute.low]} there."]
    return [f"Channel {name} tells it best: it {words[found.attribute.low]} there."]


def answers(found: Shortcut) -> list[str]:
    """How much it does, and what the model calls pictures with it and without it, of the class and of others."""
    label, effect = found.label, found.effect
    whose = f"pictures of {label}" if effect is found.own else "pictures of other classes"
    low, high = (round(100 * end) for end in effect.interval)
    points = f"{100 * effect.value:.0f} points ({low} to {high})".replace("-", "−")
    parts = [f"In {whose} it raises the probability of {label} by {points}."]
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
    if found.raises:
        parts.append(f"It makes {' and '.join(found.raises[:3])} more probable too.")
    if found.lowers:
        parts.append(
            f"Without it {' and '.join(found.lowers[:3])} {'is' if len(found.lowers) == 1 else 'are'} more so."
        )
    return parts


def proofs(found: Shortcut) -> list[str]:
    """What happens where it is taken out and put in, as far as that is beyond random directions."""
    parts = []
    for proof, words in (
        (found.taken_out, f"Taken out of {found.layer}, the probability of {found.label} falls from"),
        (found.put_in, "Put into pictures of other classes that lack it, it rises from"),
    ):
        if proof is not None and proof.holds:
            beside = f"random directions of the same length move it by {proof.control:.0%} at most"
            parts.append(f"{words} {proof.before:.0%} to {proof.after:.0%} ({beside}).")
    return parts


def doubts(found: Shortcut) -> list[str]:
    """What speaks for it or against it beyond the proof: other pictures, what cannot be told apart, what is lacking."""
    label, parts = found.label, []
    if found.in_other_pictures is not None:
        parts.append(_in_others(label, found.in_other_pictures))
    if found.undecided:
        parts.append(
            "The model is as sure where this and the label disagree as where they agree: it has learned nothing else "
            f"of {label}, or this is what makes a thing {label}, or those pictures are labelled wrongly. Look at them."
        )
    if found.borne_out and not found.proven:
        parts.append(f"That {label} is more probable with it is within chance where all its pictures are compared.")
    if not found.borne_out:
        parts.append(f"No change of {found.layer} bore it out beyond random directions.")
    return parts


def _in_others(label: str, there: InOtherPictures) -> str:
    """What an attribute does in other pictures."""
    many = f"Of {there.having.of:,} other pictures {there.having.count:,} have it"
    if there.effect is None:
        return f"{many}: too few on one side to say what it does there."
    rates = f"{there.called_with.value:.0%} of these are called {label}, {there.called_without.value:.0%} of the rest"
    so = "it pushes there too" if there.confirms else "that it pushes there too is not shown"
    return f"{many}; {rates}, {there.effect.words()} in probability: {so}."


def nothing(
    classes: Sequence[str], pictures: Sequence[int], tried: int, power: Sequence[Power], unproven: int = 0
) -> str:
    """That no shortcut was found, or none is proven, and what would have been."""
    counts = f"{sum(pictures):,} pictures of {len(classes)} classes"
    if unproven:
        return (
            f"No shortcut is proven in {counts}. Of {tried} attributes looked at, {unproven} push a class, and no "
            "change of the layer bore that out."
        )
    return f"No shortcut found in {counts} ({tried} attributes looked at). {would_have(power)}"


def would_have(power: Sequence[Power]) -> str:
    """The smallest effects that would have been found, the worst class of each share, and the classes without any."""
    parts = []
    for share in dict.fromkeys(each.share for each in power):
        drops = {each.name: each.drop for each in power if each.share == share}
        known = [drop for drop in drops.values() if drop is not None]
        if known:
            without = [name for name, drop in drops.items() if drop is None]
            but = f" (none to {' and '.join(without)})" if without else ""
            moves = f"one that moves its probability by {max(known):.0%} or more{but}"
            parts.append(f"lacking in {share:.0%} of a class, {moves}")
    if not parts:
        return "None would have been found: there are too few pictures, or the model hardly tells these classes."
    return f"One would have been found in 8 of 10 times: {'; '.join(parts)}; {SEEN}."
