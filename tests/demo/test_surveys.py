"""The demo's surveys: the drawn world, and sentences that follow from the numbers, whatever they are."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from featuremaps.demo.drawn import BALANCED, PHOTOGRAPHS, XRAYS, draw, drawing, file_of, recipes
from featuremaps.demo.survey_findings import own_sentence, survey_findings, survey_parts, verdict
from featuremaps.demo.surveys import WorldSurveys, survey_world
from featuremaps.report.data import FailedSection
from featuremaps.sources import load
from featuremaps.survey.measures.auc import Area
from featuremaps.survey.measures.proportions import Interval
from method_samples import unchecked


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> WorldSurveys:
    def here(worlds) -> None:
        with unchecked():  # the drawing is checked where it is tested
            draw(worlds, workers=1)

    scopes = {name: load(name) for name in ("demo", "demo-fixed")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("featuremaps.demo.surveys.draw", here)
        return survey_world(scopes, tmp_path_factory.mktemp("demo"), count=9)


def test_every_scene_is_drawn_once_and_is_its_own(tmp_path) -> None:
    own = recipes("photograph", BALANCED, 2)
    assert len({recipe.seed for recipe in own}) == 12
    draw({tmp_path: own[:3]})
    files = [file_of(tmp_path, recipe) for recipe in own[:3]]
    assert np.array_equal(np.asarray(Image.open(files[0])), np.asarray(own[0].drawn().picture))
    stamps = [path.stat().st_mtime_ns for path in files]
    draw({tmp_path: own[:3]})
    assert [path.stat().st_mtime_ns for path in files] == stamps


def test_scenes_are_drawn_by_others_meanwhile(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("featuremaps.demo.drawn.FEW", 1)
    own = recipes("xray", BALANCED, 1)[:2]
    with drawing({tmp_path: own}, workers=1) as finish:
        finish()
    for recipe in own:
        assert np.array_equal(np.asarray(Image.open(file_of(tmp_path, recipe))), np.asarray(recipe.drawn().picture))
    with pytest.raises(KeyboardInterrupt), drawing({tmp_path / "stopped": own}, workers=1):
        raise KeyboardInterrupt


def test_domains_show_the_same_arrangements_with_the_same_names(tmp_path) -> None:
    names = [
        [file_of(tmp_path, recipe).name for recipe in recipes(domain, BALANCED, 3)] for domain in ("photograph", "xray")
    ]
    assert names[0] == names[1]


def test_grounds_and_labels_are_balanced(world) -> None:
    labels = world.surveys["demo"][PHOTOGRAPHS].pictures.labels
    assert np.bincount(labels).tolist() == [18, 18, 18]
    assert [int(world.plain[labels == label].sum()) for label in range(3)] == [9, 9, 9]


def test_what_was_learned_with_the_shortcut_answers_to_the_ground(world) -> None:
    carried = world.carried
    group = carried.groups.index("scissors")
    values = carried.values[:, group]
    assert values[world.plain].min() > values[~world.plain].max()
    assert "answer to the background" in own_sentence(carried, "scissors", world.plain)


def test_the_sentence_follows_the_numbers_not_the_story(world) -> None:
    carried = world.carried
    group = carried.groups.index("scissors")
    shows = carried.labels == carried.classes.index("scissors")
    values = carried.values.copy()
    values[:, group] = shows
    area = Area(1.0, Interval(0.9, 1.0), 0.0)
    other = replace(carried, values=values, areas=tuple(area for _ in carried.areas))
    assert "they are its own" in own_sentence(other, "scissors", world.plain)


def area(low: float, high: float) -> Area:
    return Area((low + high) / 2, Interval(low, high), 0.01)


@pytest.mark.parametrize(
    ("own", "ground", "says"),
    [
        ((0.4, 0.6), (0.9, 1.0), "answer to the background, not the hammer"),
        ((0.6, 0.7), (0.9, 1.0), "the background more than the hammer"),
        ((0.8, 0.9), (0.4, 0.6), "they are its own"),
        ((0.8, 0.9), (0.6, 0.9), "they answer to both"),
        ((0.4, 0.6), (0.4, 0.6), "neither can be told from chance"),
    ],
)
def test_verdicts(own, ground, says) -> None:
    assert says in verdict(area(*own), area(*ground), "hammer")


def test_findings_and_sections(world) -> None:
    findings = survey_findings(world)
    assert len(findings) == 4
    assert "separates it better" in findings[3]
    standing = world.comparison.of("demo-fixed", "scissors")
    assert f"find {standing.source.confusion.recall.brief()} there" in findings[2]
    assert {name: list(worlds) for name, worlds in world.surveys.items()}["demo-fixed"] == [PHOTOGRAPHS, XRAYS]
    parts = survey_parts(world)
    assert [part.kind for part in parts[:2]] == ["sums", "standings"]
    assert not [part.title for part in parts if isinstance(part, FailedSection)]
    grounds = parts[0].to_json()
    (table,) = [rows for rows in grounds["datasets"].values() if "picture" in rows[0]]
    counts = Counter(row["class"] for row in table)
    assert list(counts)[:2] == ["hammer, plain", "hammer, clutter"]
    assert list(counts.values()) == [9] * 6
