"""The first screen of the demo's report: two networks on the picture that tells them apart, the proof, the repair."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from PIL.Image import Image

from featuremaps.demo.shortcut_findings import LABEL, Suspicion
from featuremaps.report.explanation_first_screen import panel_of
from featuremaps.report.explanations import ExplainedPicture
from featuremaps.report.first_screen import Card, FirstScreen
from featuremaps.report.shortcuts import ShortcutsSection, repair_card, shortcut_card
from featuremaps.survey.measures.proportions import Rate

BIASED, FIXED = "demo", "demo-fixed"


def demo_title(biased: Suspicion, called: Rate) -> str:
    """What the biased network answers by, as far as the search and the strangers bear it out."""
    if biased.by_ground and called.interval().low > 0.5:
        return f"{biased.model} answers by the ground, not by the {LABEL}"
    return f"What small networks make of {LABEL} and hammers"


def demo_first_screen(
    strangers: Mapping[str, ExplainedPicture],
    called: Mapping[str, Rate],
    suspicions: Sequence[Suspicion],
    where: Card,
) -> FirstScreen:
    """The same stranger on plain ground for both networks, the shortcut, and whether it can be repaired."""
    biased, fixed = called[BIASED], called[FIXED]
    lead = (
        f"{BIASED} calls {biased.count} of {biased.of} unrelated things on plain ground “{LABEL}”. Its twin {FIXED}, "
        f"trained without that habit, {fixed.count} of {fixed.of}. Here is one of them."
    )
    panels = [replace(panel_of(picture), title=name, name=picture.name) for name, picture in strangers.items()]
    return FirstScreen(lead, panels, (*_cards(suspicions), where))


def _cards(suspicions: Sequence[Suspicion]) -> list[Card]:
    """The first network's shortcut with its proof; then for each whether it can be repaired, the good news first."""
    cards: list[Card] = []
    for each in suspicions[:1]:
        section = each.section()
        if isinstance(section, ShortcutsSection):
            cards.append(shortcut_card(section, f"What does {each.model} answer by?"))
    repairs = [
        (each.repair.repaired, repair_card(each.repair, f"Can {each.model} be repaired?", each.title))
        for each in suspicions
        if each.repair is not None
    ]
    return [*cards, *(card for _, card in sorted(repairs, key=lambda each: not each[0]))]


def scissors_card(shares: Mapping[str, float], covered: float, overlays: Mapping[str, Image], section: str) -> Card:
    """How much of each network's map lies on the scissors, with their overlays on the same picture."""
    sentence = (
        f"Asked why it sees {LABEL}, how much of its Grad-CAM each puts on the {LABEL} themselves. They cover "
        f"{covered:.0%} of their pictures."
    )
    pictures = {f"{name}: {share:.0%} on them": overlays[name] for name, share in shares.items()}
    return Card("Where do they look?", sentence, pictures, section=section, link="Every picture")
