"""The first screen of a survey's report: how often the model is right, which classes suffer, the strongest finding."""

from collections.abc import Sequence
from itertools import islice

from PIL.Image import Image

from featuremaps.plotting.panels import counted
from featuremaps.report.data import Section
from featuremaps.report.first_screen import Card, Change, FirstScreen, Panel
from featuremaps.report.mistakes import MistakesSection
from featuremaps.report.shortcuts import ShortcutsSection, repair_card, shortcut_card
from featuremaps.report.specialists import SpecialistsSection
from featuremaps.report.unit_pictures import UnitPicturesSection
from featuremaps.survey.analysis.confusion import OTHER, Confusion
from featuremaps.survey.analysis.mistakes import Mistake
from featuremaps.survey.measures.proportions import Rate

SUFFERING = 4
"""So many classes are named, those that fare worst."""


def survey_title(model: str, counted: str, sections: Sequence[Section]) -> str:
    """How often the model is right, and which class it is right for least often, where that is known.

    Else what it does over so many pictures, or boxes in them, which are `counted` in words.
    """
    mistakes = next((section for section in sections if isinstance(section, MistakesSection)), None)
    if mistakes is None:
        return f"What {model} does over {counted}"
    title = (
        f"{model} is right for {mistakes.confusion.accuracy.value:.0%} of {mistakes.confusion.accuracy.of:,} pictures"
    )
    ranked = _worst_first(mistakes.confusion)
    if len(ranked) > 1 and ranked[0][1].value < ranked[-1][1].value:
        title += f", least often for {ranked[0][0]} ({ranked[0][1].value:.0%})"
    return title


def _repair_title(section: ShortcutsSection) -> str:
    """What is asked: of the finding on the card before it, or of another, by its class."""
    assert section.repair is not None
    label = section.repair.label
    same = not section.found or label == section.found[0].label
    return "Can it be repaired?" if same else f"Can that to {label} be repaired?"


def survey_first_screen(lead: str, sections: Sequence[Section]) -> FirstScreen:
    """The two surest mistakes of different kinds, and a card for what each section says first."""
    panels: tuple[Panel, ...] = ()
    cards: list[Card] = []
    has_classes = any(isinstance(section, SpecialistsSection) for section in sections)
    for section in sections:
        if isinstance(section, ShortcutsSection):
            cards.append(shortcut_card(section))
            if section.repair is not None:
                cards.append(repair_card(section.repair, _repair_title(section), section.title))
        elif isinstance(section, MistakesSection):
            panels = _mistaken(section)
            cards.insert(0, _suffering_card(section))
        elif isinstance(section, SpecialistsSection) and any(of.channels for of in section.classes):
            cards.append(_channel_card(section))
        elif isinstance(section, UnitPicturesSection) and section.units and not has_classes:
            cards.append(_unit_card(section))
    return FirstScreen(lead, panels, tuple(cards))


def _mistaken(section: MistakesSection) -> tuple[Panel, ...]:
    """The surest mistake of each of two kinds."""
    kinds: dict[tuple[str, str], tuple[Mistake, Image]] = {}
    for mistake, image in section.shown:
        kinds.setdefault((mistake.truth, mistake.predicted), (mistake, image))
    return tuple(
        Panel(f"{wrong.truth} called {wrong.predicted}", wrong.name, image, wrong.predicted, wrong.probability, False)
        for wrong, image in islice(kinds.values(), 2)
    )


def _worst_first(confusion: Confusion) -> list[tuple[str, Rate]]:
    """Each class with how often its pictures are called right, the lowest first."""
    rates = [(name, confusion.recall(name)) for name in confusion.classes if name != OTHER]
    return sorted(((name, rate) for name, rate in rates if rate.of), key=lambda each: each[1].value)


def _suffering_card(section: MistakesSection) -> Card:
    ranked = _worst_first(section.confusion)[:SUFFERING]
    changes = [Change(f"{name}, {rate.of}", rate.value, None, *rate.interval()) for name, rate in ranked]
    worst = section.confusion.worst(1)
    sentence = (
        f"Most often {worst[0][0]} is called {worst[0][1]}: {worst[0][2]} times." if worst else "None: no mistakes."
    )
    link = counted(section.total, "mistake")
    return Card("Which classes suffer?", sentence, None, changes, section.title, link, None if worst else True)


def _channel_card(section: SpecialistsSection) -> Card:
    """A class's best channel and the picture in which that is strongest: the first that is beyond chance, if any is."""
    every = [(of, best) for of in section.classes for best in of.channels[:1]]
    of, best = next((pair for pair in every if pair[1].proven), every[0])
    sentence = f"{of.label}: {best.unit}, {best.words}."
    picture = best.pictures[0].picture if best.pictures else None
    return Card("Which channels does a class use?", sentence, picture, section=section.title, link="By class")


def _unit_card(section: UnitPicturesSection) -> Card:
    """The first unit shown, and the picture in which it is strongest."""
    unit = section.units[0]
    row = next(iter(unit.rows.values()), ())
    picture = row[0].picture if row else None
    return Card(f"What does {unit.unit} respond to?", unit.words, picture, section=section.title, link="Its pictures")
