"""Specialists, beside the published worked example and beside the procedure written as loops."""

from pathlib import Path

import numpy as np
import pytest
from survey_report_samples import colour_survey
from tiny_surveys import cats_and_ships, made_up

from featuremaps.errors import LayerNotFoundError, OptionError, SurveyError
from featuremaps.survey.analysis.specialists import specialists, strongest
from featuremaps.survey.survey import Survey
from method_samples import unchecked


def with_tops(*tops: list[int], channels: int = 12) -> np.ndarray:
    """A row for each picture in which these channels are the strongest, the others weak but not silent."""
    values = np.full((len(tops), channels), 0.1, np.float32)
    for row, top in enumerate(tops):
        values[row, top] = 1.0
    return values


def by_loops(survey: Survey, per_image: int, per_class: int, unique: bool, by: str) -> list[list[int]]:
    """The procedure in the article's words, with the ties as documented."""
    vectors, labels = survey.vectors("conv", by), survey.pictures.labels
    lists = []
    for label in range(len(survey.classes or ())):
        counts: dict[int, int] = {}
        rows = [row for row in range(len(labels)) if labels[row] == label]
        for row in rows:
            order = sorted(range(vectors.shape[1]), key=lambda c: (-vectors[row][c], c))
            for channel in order[:per_image]:
                if vectors[row][channel] != 0:
                    counts[channel] = counts.get(channel, 0) + 1
        means = {c: sum(float(vectors[row][c]) for row in rows) for c in counts}
        lists.append(sorted(counts, key=lambda c: (-counts[c], -means[c], c))[:per_class])
    if not unique:
        return lists
    return [[c for c in own if sum(c in other for other in lists) == 1] for own in lists]


def test_the_worked_example_of_the_article() -> None:
    survey = made_up(with_tops([1, 2, 4], [1, 3, 4], [1, 5, 6]), [0, 0, 0], ["cat"])
    assert specialists(survey, per_image=3, per_class=2)["cat"].channels == (1, 4)
    assert specialists(survey, per_image=3, per_class=2)["cat"].counts == (3, 2)


def test_shared_channels_are_removed_and_said() -> None:
    survey = made_up(with_tops([1, 10], [1, 4]), [0, 1], ["cat", "dog"])
    found = specialists(survey, per_image=2, per_class=2)
    assert found.channels == {"cat": (10,), "dog": (4,)}
    assert found["cat"].shared == {1: ("dog",)}
    assert found[1].shared == {1: ("cat",)}
    both = specialists(survey, per_image=2, per_class=2, unique=False)
    assert both.channels == {"cat": (1, 10), "dog": (1, 4)}
    assert both["cat"].shared == {1: ("dog",)}
    rows = pytest.importorskip("pyarrow") and found.table().to_pylist()
    assert [(row["class"], row["channel"], row["kept"], row["shared_with"]) for row in rows] == [
        *(("cat", 10, True, []), ("cat", 1, False, ["dog"])),
        *(("dog", 4, True, []), ("dog", 1, False, ["cat"])),
    ]
    assert rows[0]["unit"] == "conv:10"


@pytest.mark.parametrize("by", ["mean", "max"])
@pytest.mark.parametrize("unique", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_beside_the_procedure_as_loops(seed: int, unique: bool, by: str) -> None:
    """Few different values, so that ties and silent channels are everywhere."""
    random = np.random.default_rng(seed)
    values = [np.maximum(random.integers(-3, 4, (40, 15)), 0).astype(np.float32) for _ in range(2)]
    labels = random.integers(-1, 3, 40)
    survey = made_up(values[0], labels, ["a", "b", "c"], largest=values[1], shard_size=7)
    found = specialists(survey, per_image=4, per_class=5, unique=unique, by=by)  # type: ignore[arg-type]
    assert [list(one.channels) for one in found] == by_loops(survey, 4, 5, unique, by)
    for one in found:
        rows = survey.pictures.labels == found.classes.index(one)
        expected = survey.vectors("conv", by)[rows][:, list(one.channels)].mean(0)
        assert one.means == pytest.approx(expected.tolist())


def test_blocks_and_unlabelled_pictures_change_nothing() -> None:
    random = np.random.default_rng(0)
    values, labels = random.random((30, 9)), random.integers(0, 2, 30)
    whole = specialists(made_up(values, labels, "ab", shard_size=30), per_image=2)
    parts = specialists(made_up(values, labels, "ab", shard_size=1), per_image=2)
    more = made_up(np.concatenate([values, 9 * values]), [*labels, *[-1] * 30], "ab")
    assert whole.channels == parts.channels == specialists(more, per_image=2).channels


def test_ties_within_a_picture_go_to_the_lower_number_and_silence_never_counts() -> None:
    values = np.array([[5, 3, 3, 3], [0, 0, 2, 0], [-1, -2, -3, -4]], np.float32)
    assert strongest(values, 2).tolist() == [
        [True, True, False, False],
        [False, False, True, False],
        [True, True, False, False],
    ]


def test_more_per_image_than_channels() -> None:
    survey = made_up([[3, 1, 0], [1, 3, 0.5]], [0, 0], ["cat"])
    found = specialists(survey, per_image=99)
    assert found["cat"].channels == (0, 1, 2)
    assert found["cat"].counts == (2, 2, 1)
    assert "per_image=99 takes all 3 channels of a picture that are not silent" in repr(found)


def test_classes_without_pictures_one_class_and_silence() -> None:
    survey = made_up(with_tops([1], [2]), [0, 0], ["cat", "dog"])
    found = specialists(survey, per_image=1)
    assert found["dog"].channels == ()
    assert found["dog"].pictures == 0
    assert "note: no pictures, so no channels: dog" in repr(found)
    assert "note: only one class has pictures, so nothing can be shared" in repr(found)
    silent = specialists(made_up(np.zeros((4, 3)), [0, 0, 1, 1], "ab"))
    assert silent.channels == {"a": (), "b": ()}
    assert "no channel fires in any labelled picture" in silent.notes
    assert silent._repr_png_().startswith(b"\x89PNG")


def test_classes_without_names_are_numbers() -> None:
    assert specialists(made_up(with_tops([1], [2]), [0, 1]), per_image=1).channels == {"0": (1,), "1": (2,)}


def test_what_cannot_be_asked() -> None:
    survey = made_up(with_tops([1], [2]), [0, 1], ["cat", "dog"])
    with pytest.raises(SurveyError, match="none of the 2 pictures of survey 'made' has a label"):
        specialists(made_up(with_tops([1], [2]), [-1, -1]))
    with pytest.raises(
        LayerNotFoundError, match=r"survey 'made' has no layer 'cnv'\. Did you mean 'conv'\? It has conv\."
    ):
        specialists(survey, "cnv")
    with pytest.raises(OptionError, match="per_image is how many channels are kept, 1 or more; got 0"):
        specialists(survey, per_image=0)
    with unchecked(), pytest.raises(OptionError, match="by='man' is not known; choose 'mean' or 'max'. Did you mean"):
        specialists(survey, by="man")  # type: ignore[arg-type]
    with pytest.raises(SurveyError, match=r"the survey has no class 'cow'\. Its classes are cat, dog\."):
        specialists(survey)["cow"]
    with pytest.raises(SurveyError, match="not numbers"):
        specialists(made_up([[np.nan, 1.0]], [0]))


def test_a_real_model(shared: Path) -> None:
    """SqueezeNet over CIFAR-10's ships and cats: each has channels of its own, and they fire more for it."""
    survey = cats_and_ships(shared)
    found = specialists(survey, per_image=20, per_class=20)
    vectors = survey.vectors("features.9")
    for number, one in enumerate(found):
        assert 2 <= len(one.channels) < 20
        own, rest = (
            vectors[rows][:, list(one.channels)].mean() for rows in (slice(40), slice(40, 80))[:: 1 - 2 * number]
        )
        assert own > rest
    assert found._repr_png_().startswith(b"\x89PNG")


def test_lists_that_leave_no_class_its_own_channels_are_noted(tmp_path) -> None:
    survey = colour_survey(tmp_path)
    assert any(
        "2 of 2 classes share every channel they list: 25 of 4 channels" in note for note in survey.specialists().notes
    )
    assert not any("share every channel" in note for note in survey.specialists(per_image=1, per_class=1).notes)
    assert not any("share every channel" in note for note in survey.specialists(unique=False).notes)
