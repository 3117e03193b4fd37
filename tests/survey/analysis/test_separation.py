"""Separation beside one channel at a time, and Holm's correction beside its definition."""

from pathlib import Path

import numpy as np
import pytest
from tiny_surveys import cats_and_ships, made_up

from featuremaps.errors import OptionError, SurveyError
from featuremaps.survey.analysis import separation as module
from featuremaps.survey.analysis.separation import holm, separation
from featuremaps.survey.measures.auc import auc
from map_samples import texts


def survey(seed: int = 0, count: int = 60, channels: int = 9):
    """Three classes, some pictures without a label; channel c is stronger for class c mod 3, more so for higher c."""
    random = np.random.default_rng(seed)
    labels = random.integers(-1, 3, count)
    own = labels[:, None] == np.arange(channels) % 3
    values = random.normal(0, 1, (count, channels)) + own * np.arange(channels) / 2
    return made_up(values.round(1), labels, ["a", "b", "c"])


def test_every_channel_and_class_beside_one_at_a_time() -> None:
    made = survey()
    found = separation(made)
    labelled = made.pictures.labels >= 0
    values, labels = made.vectors("conv")[labelled], made.pictures.labels[labelled]
    alone = [[auc(values[:, channel], labels == row) for channel in range(9)] for row in range(3)]
    np.testing.assert_allclose(found.areas, [[one.value for one in row] for row in alone])
    np.testing.assert_allclose(found.low, [[one.interval.low for one in row] for row in alone])
    np.testing.assert_allclose(found.high, [[one.interval.high for one in row] for row in alone])
    np.testing.assert_allclose(found.p_values, holm(np.array([[one.p_value for one in row] for row in alone])))
    assert found.pictures.tolist() == [int((labels == row).sum()) for row in range(3)]


def test_the_best_are_those_with_the_largest_area() -> None:
    found = separation(survey())
    best = found.best("b", 3)
    assert [one.channel for one in best][:2] == [7, 4]
    assert [one.area for one in best] == sorted(found.areas[1], reverse=True)[:3]
    assert best[0].unit == "conv:7"
    assert best == found.best(1, 3)
    assert found.channels(2)["b"] == (7, 4)
    assert all(one.p_value > 1e-9 for one in best if one.channel not in found.channels(3, 1e-9)["b"])


def test_holm_beside_its_definition() -> None:
    """The corrected value of test j is the largest, over tests i with p_i <= p_j, of (how many have p >= p_i) · p_i."""
    random = np.random.default_rng(0)
    p_values = random.random((3, 8)) ** 4
    for row, corrected in zip(p_values, holm(p_values), strict=True):
        for p, found in zip(row, corrected, strict=True):
            assert found == pytest.approx(min(1.0, max((row >= q).sum() * q for q in row if q <= p)))


def test_noise_is_not_found_to_separate() -> None:
    """Of 25 surveys of noise with 30 channels, Holm names a channel in about one of twenty; without it nearly always."""
    random = np.random.default_rng(1)
    found = [separation(made_up(random.normal(0, 1, (50, 30)), np.arange(50) % 2, "ab")) for _ in range(25)]
    named = sum(bool((one.p_values[0] <= 0.05).any()) for one in found)
    assert named <= 4


def test_columns_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    made = survey(channels=9)
    whole = separation(made)
    monkeypatch.setattr(module, "COLUMNS", 4)
    monkeypatch.setattr(module.torch, "get_num_threads", lambda: 3)
    parts = separation(made)
    assert parts.areas.tolist() == whole.areas.tolist()
    assert parts.p_values.tolist() == whole.p_values.tolist()


def test_silent_channels_are_at_chance() -> None:
    values = np.stack([np.zeros(20), np.arange(20)], 1)
    found = separation(made_up(values, np.arange(20) // 10, "ab"))
    assert found.areas.tolist() == [[0.5, 0.0], [0.5, 1.0]]
    assert found.p_values[:, 0].tolist() == [1.0, 1.0]
    assert found.channels() == {"a": (), "b": (1,)}


def test_a_class_without_pictures() -> None:
    found = separation(made_up(np.arange(6.0)[:, None], [0, 0, 0, 2, 2, 2], "abc"))
    assert "b: no pictures" in repr(found)
    assert "c, 3 pictures: 0 1.000 (" in repr(found)
    assert found.channels(significance=1.0) == {"a": (), "b": (), "c": (0,)}
    assert "b" not in [text.get_text() for axes in found.figure().axes for text in [axes.title]]
    with pytest.raises(SurveyError, match="class 'b' has no pictures, so no channel can be said to separate it"):
        found.best("b")
    with pytest.raises(OptionError, match=r"n is how many of a class's best channels are given, 1 or more; got 0"):
        found.best("a", 0)
    with pytest.raises(SurveyError, match="the survey has no class 3; its 3 classes count from 0 to 2"):
        found.best(3)


def test_one_class_only_and_no_labels() -> None:
    with pytest.raises(SurveyError, match="only 'b' has pictures, so there is nothing to separate it from"):
        separation(made_up(np.ones((3, 2)), [1, 1, -1], "ab"))
    with pytest.raises(SurveyError, match="has a label, and this question is about classes"):
        separation(made_up(np.ones((3, 2)), [-1, -1, -1], "ab"))


def test_the_table_and_the_figure() -> None:
    pytest.importorskip("pyarrow")
    found = separation(survey())
    rows = found.table(2).to_pylist()
    assert len(rows) == 6
    assert rows[2] == {
        **{"class": "b", "unit": "conv:7", "channel": 7, "area": found.areas[1, 7], "low": found.low[1, 7]},
        **{"high": found.high[1, 7], "p_value": found.p_values[1, 7]},
    }
    written = texts(found.figure(n=2))
    assert "conv: the channels that separate each class best" in written
    assert "Holm over 9 channels" in written
    assert found._repr_png_().startswith(b"\x89PNG")


def test_a_real_model(shared: Path) -> None:
    """SqueezeNet over CIFAR-10's ships and cats: some channel tells them apart, and holds on other pictures."""
    made = cats_and_ships(shared)
    values, chosen = made.vectors("features.9"), np.arange(80) % 2 == 0
    found = separation(made_up(values[chosen], made.pictures.labels[chosen], ["cat", "ship"]))
    for name in ("cat", "ship"):
        best = found.best(name)[0]
        elsewhere = auc(values[~chosen, best.channel], made.pictures.labels[~chosen] == ["cat", "ship"].index(name))
        assert best.area > 0.9
        assert elsewhere.value > 0.75
