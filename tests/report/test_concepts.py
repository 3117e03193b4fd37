"""A concept's page says what the concept says, with pictures of both sides and the classes that rest on it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from report_samples import sample_report

import featuremaps as fm
from featuremaps.concepts.concept import Concept
from featuremaps.concepts.sensitivity import ClassSensitivity, Sensitivity
from featuremaps.errors import OptionError
from featuremaps.report.concepts import ConceptSection, resting
from method_samples import unchecked
from shortcuts_samples import LABELS, Marked, MarkReader


@pytest.fixture(scope="module")
def asked() -> tuple[fm.Scope, Concept, Sensitivity]:
    """A mark, told in a network that answers by it, and what its classes make of it."""
    data = Marked(count=12, first=0.5, others=0.5)
    scope = fm.Scope(MarkReader().eval(), classes=LABELS, outputs="logits")
    sides = data.inputs[data.marked], data.inputs[~data.marked]
    concept = scope.concept(*sides, "relu2", name="mark", against="none")
    return scope, concept, scope.sensitivity(concept, data.inputs)


def test_both_sides_stand_in_order_with_every_way_and_class(asked: tuple[fm.Scope, Concept, Sensitivity]) -> None:
    _, concept, tested = asked
    content = ConceptSection(concept, tested).to_json()
    assert content["holds"]
    assert content["claim"].startswith("relu2 tells “mark” from “none” in 100%")
    assert [(row["title"], row["count"]) for row in content["rows"]] == [
        ("mark", int(concept.has.sum())),
        ("none", int((~concept.has).sum())),
    ]
    for row, side in zip(content["rows"], (concept.has, ~concept.has), strict=True):
        strengths = [each["strength"] for each in row["pictures"]]
        assert strengths == sorted(strengths, reverse=True)
        assert np.isclose(strengths[0], concept.strengths[side].max(), rtol=1e-3)
        assert len(strengths) == 6
    assert [way["used"] for way in content["ways"]] == [way == "pattern" for way in concept.held_out]
    assert {row["label"]: row["effect"] for row in content["classes"]} == pytest.approx(
        {row.label: row.effect for row in tested}, rel=1e-3
    )
    assert content["classes"][0]["label"] == "round"


def test_what_is_not_told_and_what_is_not_at_hand_is_said(
    asked: tuple[fm.Scope, Concept, Sensitivity], tmp_path: Path
) -> None:
    scope, concept, _ = asked
    inputs = torch.rand((24, 4, 16, 16), generator=torch.Generator().manual_seed(0))
    nothing = scope.concept(inputs[:12], inputs[12:], "relu2", name="nothing")
    content = ConceptSection(nothing).to_json()
    assert not content["holds"]
    assert "is not beyond chance" in content["claim"]
    assert content["classes"] is None
    concept.save(tmp_path)
    opened = ConceptSection(fm.open_concept(tmp_path)).to_json()
    assert [row["pictures"] for row in opened["rows"]] == [[], []]


def test_the_classes_that_rest_on_a_concept_are_told_in_few_words(
    asked: tuple[fm.Scope, Concept, Sensitivity],
) -> None:
    row = asked[2][0]

    def classes(effects: str) -> list[ClassSensitivity]:
        """A class for each sign, unsure where that is 0."""
        sizes = {"+": 1.0, "-": -1.0, "0": 0.5}
        of_sign = ((sizes[sign], 1.0 if sign == "0" else 0.001) for sign in effects)
        return [
            replace(row, label="abcdefgh"[number], effect=effect, p_value=p_value)
            for number, (effect, p_value) in enumerate(of_sign)
        ]

    assert resting(classes("+")) == ["The score of a rises with it."]
    assert resting(classes("+0")) == [
        "The score of a rises with it.", "Of 1 other class the score changes no more than by chance.",
    ]  # fmt: skip
    assert resting(classes("-+-00")) == [
        "The score of b rises with it.", "The scores of a and c fall with it.",
        "Of 2 other classes the score changes no more than by chance.",
    ]  # fmt: skip
    assert resting(classes("++++++++")) == ["The scores of a, b, c, d, e and 3 more rise with it."]
    assert resting(classes("000")) == ["Of 3 classes the score changes no more than by chance."]


def test_a_page_is_written_and_what_belongs_to_another_concept_is_refused(
    asked: tuple[fm.Scope, Concept, Sensitivity], tmp_path: Path
) -> None:
    scope, concept, tested = asked
    page = scope.report_concept(concept, tmp_path / "page.html", sensitivity=tested)
    text = page.read_text(encoding="utf-8")
    assert "makes of “mark”" in text
    assert "The score of round rises with it" in text
    with pytest.raises(OptionError, match="that of “mark”, not of “other”"):
        scope.report_concept(replace(concept, name="other"), tmp_path / "no.html", sensitivity=tested)
    with unchecked(), pytest.raises(OptionError, match="concept is what scope.concept"):
        scope.report_concept("mark", tmp_path / "no.html")  # type: ignore[arg-type]
    assert not (tmp_path / "no.html").exists()


@pytest.mark.browser
def test_it_is_shown_on_wide_and_narrow_pages(visit, asked: tuple[fm.Scope, Concept, Sensitivity]) -> None:
    _, concept, tested = asked
    page = visit(sample_report(sections=(ConceptSection(concept, tested),)), width=390).page
    assert page.locator(".shortcut-claim").inner_text().startswith("relu2 tells “mark”")
    assert page.locator(".example").count() == 12
    assert page.get_by_role("img", name="round: rises with it").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
