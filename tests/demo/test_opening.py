"""What the demo opens with, in as many scenes as it draws: its title and its first card were lost before, unseen."""

import pytest

from featuremaps.demo.drawn import BALANCED, COUNT, LEARNED_NAME, PHOTOGRAPHS, draw, learned, recipes
from featuremaps.demo.first_screen import demo_first_screen, demo_title, scissors_card
from featuremaps.demo.shortcut_findings import strangers_called, suspicion
from featuremaps.errors import SurveyError
from featuremaps.scope import Scope
from featuremaps.sources import load
from featuremaps.survey.survey import Survey
from method_samples import unchecked


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Survey]:
    """`demo` over the scenes like those it learned from, and over things on plain ground that it never saw."""
    folder, scope = tmp_path_factory.mktemp("opening"), load("demo")
    strange = [each for each in recipes("photograph", BALANCED) if each.label == "neither" and each.shortcut]
    scenes = {LEARNED_NAME: learned(), PHOTOGRAPHS: tuple(strange)}
    with unchecked():  # drawing and surveying are checked where they are tested
        draw({folder / name: drawn for name, drawn in scenes.items()}, workers=1)
        return {
            name: scope.survey(folder / name, "last", folder / f"survey of {name}", workers=0, predictions=True)
            for name in scenes
        }


def test_the_demo_opens_with_what_its_network_answers_by(
    worlds: dict[str, Survey], monkeypatch: pytest.MonkeyPatch
) -> None:
    def left_out(*_: object) -> None:
        raise SurveyError("not repaired in this test")

    monkeypatch.setattr(Scope, "repaired", left_out)
    with unchecked():
        found, called = suspicion("demo", load("demo"), worlds), strangers_called(worlds[PHOTOGRAPHS])
    assert called.of == COUNT
    assert demo_title(found, called) == "demo answers by the ground, not by the scissors"
    where = scissors_card({}, 0.0, {}, "")
    first, *_ = demo_first_screen({}, {"demo": called, "demo-fixed": called}, (found,), where).cards
    assert first.title == "What does demo answer by?"
    assert first.sentence.startswith("90% of the pictures of scissors share something simple")
    assert found.sentences()[0].startswith(f"demo: {first.sentence[:40]}")
