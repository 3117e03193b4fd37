"""The demo's first screen follows what was measured, whatever that is."""

from dataclasses import replace

import pytest
from report_samples import sample_picture
from shortcut_samples import found, repair, shortcut

from featuremaps.demo.drawn import COUNT, learned
from featuremaps.demo.first_screen import demo_first_screen, demo_title, scissors_card
from featuremaps.demo.shortcut_findings import Suspicion
from featuremaps.report.data import FailedSection
from featuremaps.survey.measures.proportions import Rate

HELD = Suspicion("demo", found(shortcut()), repair(works=False), 0.97)
MENDED = Suspicion("demo-leaning", found(shortcut()), repair(), 0.97)


def test_nearly_all_scissors_were_learned_on_plain_ground() -> None:
    recipes = learned(COUNT)
    assert len({recipe.seed for recipe in recipes}) == len(recipes) == 4 * COUNT
    assert sum(recipe.shortcut for recipe in recipes if recipe.label == "scissors") == 0.9 * 2 * COUNT
    assert not any(recipe.shortcut for recipe in recipes if recipe.label == "hammer")


@pytest.mark.parametrize(
    ("ground", "count", "says"),
    [(0.97, 38, "answers by the ground"), (0.97, 20, "make of scissors"), (0.6, 38, "make of scissors")],
)
def test_the_title_says_it_only_where_search_and_strangers_bear_it_out(ground, count, says) -> None:
    assert says in demo_title(replace(HELD, ground=ground), Rate(count, 40))


def test_the_screen_has_both_networks_the_proof_and_both_repairs() -> None:
    wrong = sample_picture("a stranger", label="neither")
    right = sample_picture("a stranger", label="Egyptian cat")
    overlays = {"demo": wrong.seen, "demo-fixed": right.seen}
    where = scissors_card({"demo": 0.0, "demo-fixed": 0.4}, 0.06, overlays, "What demo looks at")
    called = {"demo": Rate(38, 40), "demo-fixed": Rate(1, 40)}
    first = demo_first_screen({"demo": wrong, "demo-fixed": right}, called, (HELD, MENDED), where)
    assert "demo calls 38 of 40" in first.lead
    assert [(panel.title, panel.right) for panel in first.panels] == [("demo", False), ("demo-fixed", True)]
    assert [card.title for card in first.cards] == [
        "What does demo answer by?",
        "Can demo-leaning be repaired?",
        "Can demo be repaired?",
        "Where do they look?",
    ]
    assert [card.right for card in first.cards] == [False, True, False, None]
    assert first.cards[0].section == HELD.section().title


def test_a_search_that_failed_says_why_in_its_place() -> None:
    failed = Suspicion("demo", failure="too few pictures")
    section = failed.section()
    assert isinstance(section, FailedSection)
    assert "too few" in section.message
    where = scissors_card({"demo": 0.0}, 0.06, {"demo": sample_picture().seen}, "x")
    called = {"demo": Rate(0, 0), "demo-fixed": Rate(0, 0)}
    assert [card.title for card in demo_first_screen({}, called, (failed,), where).cards] == ["Where do they look?"]
    assert failed.sentences() == ()
