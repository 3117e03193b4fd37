"""Sums of a class's channels beside plain loops, the thresholds on them, and what the figures show."""

from pathlib import Path

import numpy as np
import pytest
from survey_report_samples import colour_scope, colour_survey
from tiny_surveys import cats_and_ships, made_up

from featuremaps.errors import OptionError, SurveyError
from featuremaps.plotting.class_colours import class_look
from featuremaps.survey.analysis import channel_sums as module
from featuremaps.survey.analysis.channel_sums import sums
from featuremaps.survey.analysis.separation import separation
from featuremaps.survey.measures.auc import auc
from featuremaps.survey.measures.roc import choose_threshold
from featuremaps.survey.survey import Survey
from map_samples import texts

GROUPS = {"cat": (0, 3), "dog": (1, 2, 3), "both": (0, 1)}


def survey(count: int = 30, seed: int = 0) -> Survey:
    random = np.random.default_rng(seed)
    labels = random.integers(-1, 2, count)
    values = random.random((count, 5)) + (labels[:, None] == np.array([0, 1, 1, 0, -2]))
    return made_up(values, labels, ["cat", "dog"])


def test_beside_a_loop() -> None:
    made = survey()
    found = sums(made, GROUPS)
    vectors = made.vectors("conv")
    for row in range(30):
        for group, channels in enumerate(GROUPS.values()):
            assert found.values[row, group] == pytest.approx(sum(float(vectors[row, c]) for c in channels), rel=1e-6)
    assert found.groups == ("cat", "dog", "both")
    assert found.channels == ((0, 3), (1, 2, 3), (0, 1))


def test_thresholds_and_areas_are_those_of_the_class_called_so() -> None:
    made = survey()
    found = sums(made, GROUPS)
    labelled = made.pictures.labels >= 0
    positives = made.pictures.labels[labelled] == 1
    assert found.thresholds[1] == choose_threshold(found.values[labelled, 1], positives)
    assert found.areas[1] == auc(found.values[labelled, 1], positives)
    assert (found.areas[2], found.thresholds[2]) == (None, None)
    assert "both, 2 channels: not measured" in repr(found)
    assert [found.own(group) for group in range(3)] == [0, 1, None]


def test_the_largest_activation_may_be_summed_instead() -> None:
    made = survey()
    mean = made.vectors("conv")
    both = made_up(mean, made.pictures.labels, made.classes, largest=2 * mean)
    np.testing.assert_allclose(sums(both, GROUPS, by="max").values, 2 * sums(both, GROUPS).values, rtol=1e-6)


def test_columns_are_read_in_parts_and_only_those_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made = survey()
    asked: list[int] = []
    plain = Survey.vectors

    def vectors(self, layer, pool="mean", channels=None):
        asked.extend(channels)
        return plain(self, layer, pool, channels)

    whole = sums(made, GROUPS)
    monkeypatch.setattr(Survey, "vectors", vectors)
    monkeypatch.setattr(module, "COLUMNS", 1)
    np.testing.assert_allclose(sums(made, GROUPS).values, whole.values, rtol=1e-6)
    assert asked == [0, 1, 2, 3]


def test_standardised_groups_compare() -> None:
    found = sums(survey(), {**GROUPS, "cat": (), "dog": (1, 2)})
    standard = found.standardised()
    assert standard[:, 0].tolist() == [0.0] * 30
    assert standard[:, 1:].mean(0) == pytest.approx([0.0, 0.0], abs=1e-12)
    assert standard[:, 1:].std(0) == pytest.approx([1.0, 1.0])


def test_some_groups_only() -> None:
    found = sums(survey(), GROUPS)
    two = found[["both", "cat"]]
    assert two.groups == ("both", "cat")
    assert two.values.tolist() == found.values[:, [2, 0]].tolist()
    assert two.thresholds == (None, found.thresholds[0])
    assert len(found["dog"]) == 1
    with pytest.raises(KeyError, match=r"no channels of 'dgo' were summed\. Did you mean 'dog'"):
        found["dgo"]


def test_without_labels_nothing_is_measured_but_all_is_drawn() -> None:
    found = sums(made_up(np.ones((4, 3)), [-1] * 4), {"first": [0]})
    assert found.thresholds == (None,)
    assert found.values.tolist() == [[1.0]] * 4
    assert "no label" in texts(found.distributions())
    assert found._repr_png_().startswith(b"\x89PNG")


def test_the_figure_has_the_pictures_grouped_by_class_and_the_threshold() -> None:
    made = survey()
    found = sums(made, GROUPS)
    axes = found.figure().axes[1]
    drawn = {line.get_color(): line.get_xydata() for line in axes.lines if len(line.get_xydata()) > 2}
    labels, start = made.pictures.labels, 0
    for label in (0, 1):
        own = labels == label
        expected = np.stack([np.arange(start, start + own.sum()), found.values[own, 1]], 1)
        np.testing.assert_allclose(drawn[class_look(label)[0]], expected, rtol=1e-6)
        start += own.sum()
    (level,) = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "--"]
    assert level == pytest.approx(found.thresholds[1].value)  # type: ignore[union-attr]


def test_figures_of_many_classes_and_of_groups_without_channels() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(20), 4)
    made = made_up(random.random((80, 20)), labels, [f"class {number}" for number in range(20)])
    found = sums(made, {name: [] if number == 1 else [number] for number, name in enumerate(made.classes or ())})
    for figure in (found.figure(most=3), found.distributions(most=3)):
        written = texts(figure)
        assert "(first 3 of 20 groups)" in written
        assert "class 19" in written
        assert "no channels of its own" in written
    assert len({class_look(number) for number in range(20)}) == 20
    assert all(class_look(number)[0] != class_look(number + 1)[0] for number in range(40))


def test_what_cannot_be_summed() -> None:
    with pytest.raises(OptionError, match=r"conv has channels 0 to 4, there is no 5 \(given for 'cat'\)"):
        sums(survey(), {"cat": [0, 5]})
    with pytest.raises(SurveyError, match="no channels to sum: give a name and its channels"):
        sums(survey(), {})


def test_a_real_model(shared: Path) -> None:
    """Channels chosen on half of the pictures: their sum tells ships from cats on the other half."""
    made = cats_and_ships(shared)
    values, labels, half = made.vectors("features.9"), made.pictures.labels, np.arange(80) % 2 == 0
    chosen = separation(made_up(values[half], labels[half], ["cat", "ship"])).channels(10)
    found = sums(made_up(values[~half], labels[~half], ["cat", "ship"]), chosen)
    for area in found.areas:
        assert area is not None
        assert area.value > 0.85


def test_without_channels_those_that_separate_a_class_are_summed(tmp_path) -> None:
    survey = colour_survey(tmp_path)
    separated = survey.separation().channels()
    assert survey.sums().channels == tuple(separated.values())
    assert all(separated.values())
    listed = survey.specialists(per_image=1, per_class=1)
    assert survey.sums(listed).channels == tuple(listed.channels.values())


def test_a_class_that_no_channel_separates_is_summed_by_its_best_channel_alone(tmp_path) -> None:
    names = [str(path) for path in colour_survey(tmp_path).pictures.paths]
    pairs = [(name, index % 2) for index, name in enumerate(names[:8])]
    survey = colour_scope().survey(pairs, "1", tmp_path / "few", labels=["a", "b"], workers=0)
    assert not any(survey.separation().channels().values())
    best = [survey.separation().best(label, 1)[0].channel for label in ("a", "b")]
    assert [list(channels) for channels in survey.sums().channels] == [[channel] for channel in best]


def test_of_one_class_its_specialists_are_summed(tmp_path) -> None:
    names = [str(path) for path in colour_survey(tmp_path).pictures.paths]
    survey = colour_scope().survey([(name, 0) for name in names[:5]], "1", tmp_path / "one", labels=["a"], workers=0)
    assert survey.sums().channels == tuple(survey.specialists().channels.values())
