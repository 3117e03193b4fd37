"""The first screen as data: cards lead to the sections that they name; and what each kind of report says first."""

from dataclasses import replace

import numpy as np
from report_samples import MAP, drawn, sample_picture, sample_report
from shortcut_samples import found, repair, shortcut

from featuremaps.report.data import FailedSection
from featuremaps.report.explanation_first_screen import explanation_first_screen, explanation_title
from featuremaps.report.explanations import Explanations
from featuremaps.report.first_screen import Card, Change, FirstScreen, Panel
from featuremaps.report.html import render
from featuremaps.report.mistakes import MistakesSection
from featuremaps.report.shortcuts import ShortcutsSection
from featuremaps.report.specialists import ChannelOfClass, ClassChannels, SpecialistsSection
from featuremaps.report.survey_first_screen import survey_first_screen, survey_title
from featuremaps.survey.analysis.confusion import Confusion
from featuremaps.survey.analysis.mistakes import Mistake

PANEL = Panel("demo", "a spoon", drawn(), "scissors", 0.99, False, MAP, "grad_cam", "layer4", "scissors")


def test_cards_lead_to_sections_also_where_these_failed() -> None:
    cards = (
        Card("Where?", "There.", {"here": drawn(), "there": drawn()}, section=Explanations.title, link="2 pictures"),
        Card("How?", "So.", changes=(Change("all", 0.9, 0.2),), section="Gone"),
        Card("What?", "Nothing.", section="Elsewhere"),
    )
    sections = (FailedSection("Gone", "why"), Explanations(()))
    content = sample_report(sections=sections, first=FirstScreen("Because.", (PANEL,), cards)).to_json()["first"]
    assert [card["place"] for card in content["cards"]] == [2, 1, None]
    assert content["cards"][1]["changes"] == [{"name": "all", "value": 0.9, "before": 0.2, "low": None, "high": None}]
    assert content["panels"][0]["map"]["height"] == 2
    assert content["panels"][0]["right"] is False
    assert [[each["caption"] for each in card["pictures"]] for card in content["cards"]] == [["here", "there"], [], []]


def test_four_cards_are_enough() -> None:
    cards = tuple(Card(str(number), "") for number in range(6))
    assert len(sample_report(first=FirstScreen(cards=cards)).to_json()["first"]["cards"]) == 4


def test_without_scripts_the_lead_can_be_read() -> None:
    text = render(sample_report(first=FirstScreen("It answers by the ground.")))
    assert "It answers by the ground." in text[text.index("<noscript>") : text.index("</noscript>")]


def test_pictures_are_told_by_the_surest_mistake_and_the_surest_right_answer() -> None:
    wrong = sample_picture("wrong.png")
    right = sample_picture("right.png", label="Egyptian cat")
    unsure = sample_picture("unsure.png", top=(replace(wrong.top[0], probability=0.6), wrong.top[1]))
    assert explanation_title("net", [wrong, right, unsure]) == "net is right for 1 of 3 pictures"
    first = explanation_first_screen([unsure, right, wrong], "Lead.", [ShortcutsSection(found(shortcut()), repair())])
    assert [(panel.title, panel.right) for panel in first.panels] == [("wrong.png", False), ("right.png", True)]
    assert (first.panels[0].method, first.panels[0].layer) == ("grad_cam", "layer4")
    assert first.cards[0].sentence.startswith("Least sure of unsure.png")
    assert [change.before for change in first.cards[-1].changes] == [0.95, 0.1]


def test_one_picture_and_pictures_without_answers_have_a_first_screen_too() -> None:
    one = sample_picture()
    assert explanation_title("net", [one]) == "net calls cat.png “Egyptian cat” (75%)"
    assert len(explanation_first_screen([one], "", []).panels) == 1
    bare = sample_picture(top=(), label=None, maps=())
    assert explanation_title("net", [bare, bare]) == "What net sees in 2 pictures"
    panel = explanation_first_screen([bare], "", []).panels[0]
    assert (panel.answer, panel.right, panel.map) == ("", None, None)
    assert explanation_first_screen([], "", []).panels == ()


def test_a_survey_begins_with_how_often_the_model_is_right_and_who_suffers() -> None:
    confusion = Confusion(np.array([[9, 1], [6, 4]]), ("cat", "dog"))
    shown = [(Mistake(row, f"{row}.png", "dog", "cat", 0.9), drawn()) for row in range(2)]
    sections = (ShortcutsSection(found(shortcut()), repair(works=False)), MistakesSection(confusion, shown, 7))
    assert (
        survey_title("net", "20 pictures", sections) == "net is right for 65% of 20 pictures, least often for dog (40%)"
    )
    first = survey_first_screen("Lead.", sections)
    assert [panel.title for panel in first.panels] == ["dog called cat"]
    assert first.cards[0].title == "Which classes suffer?"
    assert [change.value for change in first.cards[0].changes] == [0.4, 0.9]
    assert first.cards[2].right is False
    assert first.cards[2].title == "Can it be repaired?"
    of_another = ShortcutsSection(found(shortcut("dog"), shortcut()), repair())
    assert survey_first_screen("Lead.", [of_another]).cards[1].title == "Can that to cat be repaired?"
    assert survey_title("net", "1,200 pictures", ()) == "What net does over 1,200 pictures"


def test_the_class_that_is_named_first_is_one_whose_channel_is_beyond_chance() -> None:
    chance = ClassChannels("hammer", "", (ChannelOfClass("layer4:76", "AUC 0.56", (), proven=False),))
    proven = ClassChannels("scissors", "", (ChannelOfClass("layer4:3", "AUC 0.97", ()),))
    section = SpecialistsSection((ClassChannels("nothing", "", ()), chance, proven))
    assert section.summary == "scissors: layer4:3 first; AUC 0.97."
    assert survey_first_screen("Lead.", [section]).cards[0].sentence == "scissors: layer4:3, AUC 0.97."
    assert SpecialistsSection((chance,)).summary.startswith("hammer: layer4:76")
    assert SpecialistsSection((ClassChannels("nothing", "", ()),)).summary == ""
    assert survey_first_screen("Lead.", [SpecialistsSection((ClassChannels("nothing", "", ()),))]).cards == ()
