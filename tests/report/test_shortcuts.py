"""The section on shortcuts: what it says is what was found."""

from dataclasses import replace

import pytest
from report_samples import sample_report
from shortcut_samples import found, repair, shortcut

import featuremaps as fm
from featuremaps.report.shortcuts import ShortcutsSection, repair_card, shortcuts_sections
from featuremaps.shortcuts.power import Power
from featuremaps.shortcuts.words import would_have
from method_samples import unchecked


def test_each_finding_has_its_pictures_with_what_they_are_called_and_its_proof() -> None:
    content = ShortcutsSection(found(shortcut())).to_json()
    (one,) = content["found"]
    assert one["claim"].startswith("80% of the pictures of cat share something simple")
    assert [row["title"] for row in one["rows"]] == ["cat with it", "cat without it", "Others with it"]
    assert [[(each["label"], each["called"]) for each in row["pictures"]] for row in one["rows"]] == [
        [("cat", "cat")] * 3,
        [("cat", "dog")] * 2,
        [("dog", "cat")] * 2,
    ]
    assert [row["called"]["value"] for row in one["rows"]] == [1, 0, 1]
    out, put = one["proof"]
    assert (out["before"], out["after"], out["low"], out["high"]) == pytest.approx((0.95, 0.05, 0.02, 0.08))
    assert put["control"] == 0.04
    assert content["power"] is None


def test_nothing_found_says_what_would_have_been() -> None:
    content = ShortcutsSection(found()).to_json()
    assert content["found"] == []
    assert content["power"]["shares"] == [{"share": 0.05, "drop": None}, {"share": 0.25, "drop": 0.8}]
    assert "8 of 10 times" in content["power"]["words"]
    assert ShortcutsSection(found()).summary == "No shortcut found in 20 pictures."
    assert ShortcutsSection(found(unproven=(shortcut(holds=False),))).summary.startswith("No shortcut is proven")


def test_a_class_without_power_is_named_and_hides_no_other() -> None:
    """Where one class is hardly told, what would have been found of the others is said all the same."""
    power = (Power("cat", 0.25, 0.3), Power("dog", 0.25, None), Power("cat", 0.02, None), Power("dog", 0.02, None))
    words = would_have(power)
    assert "lacking in 25% of a class, one that moves its probability by 30% or more (none to dog)" in words
    assert "2%" not in words
    assert "how much they vary and where they respond" in words
    assert would_have(power[1:]).startswith("None would have been found")


def test_findings_after_the_third_are_printed_in_short() -> None:
    lines = repr(found(*[shortcut()] * 4, unproven=(shortcut(holds=False),))).splitlines()
    assert ["Taken out of layer4" in line for line in lines[1:6]] == [True, True, True, False, False]
    assert all("80% of the pictures of cat" in line for line in lines[1:6])
    assert "No change of layer4 bore it out" in lines[5]


def test_what_speaks_against_a_finding_is_not_folded() -> None:
    (one,) = ShortcutsSection(found(replace(shortcut(), undecided=True))).to_json()["found"]
    assert "or those pictures are labelled wrongly" in one["doubts"][0]
    assert not ShortcutsSection(found(shortcut())).to_json()["found"][0]["doubts"]


def test_a_repair_shows_groups_ways_and_layers() -> None:
    content = ShortcutsSection(found(shortcut()), repair()).to_json()["repair"]
    assert content["repaired"]
    assert [group["name"] for group in content["groups"] if group["worst"]] == ["cat without it"]
    assert [(way["title"], way["worst"]["value"]) for way in content["ways"]] == [
        ("as it is", 0),
        ("the last layer trained anew", 0.9),
    ]
    assert content["told"] == "layer4"


def test_a_worst_group_left_below_a_guess_is_no_repair() -> None:
    assert not repair(works=False).repaired
    assert "no more often than by guessing (50%)" in repair(works=False).sentence
    assert not ShortcutsSection(found(shortcut()), repair(works=False)).to_json()["repair"]["repaired"]


def test_what_training_further_is_likely_to_do_is_said_with_how_it_is_called() -> None:
    """layer4 tells cats with .90: there is something to train on, whether or not the last layer gains by it."""
    called = "scope.repaired(…, how='fine_tune'), on the command line --how fine_tune."
    better, none = repair(), repair(works=False)
    assert (better.repaired, none.repaired) == (True, False)
    assert "likely to bring more" in better.advice
    assert better.advice.endswith(called)
    assert "likely to repair it" in none.advice
    assert none.sentence.endswith(none.advice)
    assert ShortcutsSection(found(shortcut()), none).to_json()["repair"]["advice"] == none.advice
    assert repair_card(none, "Can it?", "section").sentence.endswith("Training all layers is likely to repair it.")
    hidden = tuple(replace(each, area=replace(each.area, value=0.79)) for each in better.decodable)
    assert "needs other pictures, not an edit" in replace(better, decodable=hidden).advice
    assert "Too few pictures of cat lack the shortcut" in replace(better, decodable=()).advice
    trained = replace(better, tried=(replace(better.tried[0], way="fine_tune"),))
    assert trained.advice == ""
    assert trained.sentence == trained.outcome


def test_a_picture_that_cannot_be_opened_fails_its_finding_alone() -> None:
    def broken(row: int) -> object:
        raise OSError("gone")

    section = ShortcutsSection(found(shortcut(), open=broken), repair())
    content = sample_report(sections=(section,)).to_json()["sections"][0]
    assert content["found"][0]["failure"] == "OSError: gone"
    assert content["found"][0]["label"] == "cat"
    assert content["repair"]["repaired"]


def test_what_is_not_a_search_is_refused() -> None:
    with (
        unchecked(),
        pytest.raises(fm.FeatureMapsError, match=r"shortcuts is what scope\.find_shortcuts\(survey\) gave; got 'x'"),
    ):
        shortcuts_sections("x", None, None)  # type: ignore[arg-type]
    with pytest.raises(fm.FeatureMapsError, match="give shortcuts=… too"):
        shortcuts_sections(None, repair(), None)
    assert shortcuts_sections(None, None, None) == ()
