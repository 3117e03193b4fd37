"""Confusion and mistakes: names matched, counts beside the labels, and whose channels were louder."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_surveys import made_up, survey_of_scope

import featuremaps as fm
from featuremaps import demo
from featuremaps.errors import OptionError, SurveyError
from featuremaps.survey.analysis.channel_sums import sums
from featuremaps.survey.analysis.confusion import confusion
from featuremaps.survey.analysis.mistakes import mistakes
from featuremaps.survey.measures.proportions import Rate
from featuremaps.survey.survey import Survey
from map_samples import texts

OUTPUTS = ("Dog", "tabby_cat", "cow")


def survey(predicted: list[int] | None, labels: list[int], classes=("tabby cat", "dog", "horse"), **more) -> Survey:
    """Channel c is loud in a picture of class c, save in the second picture, where the others are."""
    values = np.eye(3)[np.maximum(labels, 0)] + 0.1
    values[1] = values[1].max() - values[1]
    sure = np.linspace(0.5, 0.9, len(labels)).astype(np.float32)
    images = [Image.new("RGB", (20 + row, 10), "red") for row in range(len(labels))]
    told = {"model_classes": OUTPUTS, "predicted": predicted, "probabilities": sure, "images": images} | more
    return made_up(values, labels, classes, **told)


def test_names_are_matched_and_everything_else_is_another() -> None:
    found = confusion(survey([1, 0, 0, 2, 1, 1], [0, 0, 1, 1, 2, -1]))
    assert found.classes == ("tabby cat", "dog", "(another)")
    assert found.counts.tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert found.accuracy == Rate(2, 4)
    assert found.recall("dog") == Rate(1, 2)
    assert found.precision("dog") == Rate(1, 2)
    assert found.worst() == (("tabby cat", "dog", 1), ("dog", "(another)", 1))
    assert found.notes == ("left out, since the model has no output called so: horse",)
    assert "note: left out" in repr(found)


def test_names_may_be_given() -> None:
    found = confusion(survey([1, 2], [0, 2]), names={"horse": "cow"})
    assert found.classes == ("tabby cat", "dog", "horse")
    assert found.counts.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1]]


NUMBERS = ("0", "1", "2")


@pytest.mark.parametrize("outputs", [OUTPUTS, None, ("2", "1", "0")])
def test_labels_that_are_numbers_are_those_of_the_outputs(outputs: tuple[str, ...] | None) -> None:
    found = confusion(survey([1, 0, 0, 2], [1, 0, 2, 2], NUMBERS, model_classes=outputs))
    called = outputs == ("2", "1", "0")  # then they are names
    assert found.counts.tolist() == ([[0, 0, 1], [0, 1, 0], [1, 0, 1]] if called else [[1, 0, 0], [0, 1, 0], [1, 0, 1]])
    assert any("taken for those of the model's outputs" in note for note in found.notes) == (not called)


def test_numbers_that_count_from_1_are_told() -> None:
    with pytest.raises(
        SurveyError, match=r"numbers up to 3, and the model has 3 outputs, 0 to 2\. Where they count fr"
    ):
        confusion(survey([0, 0], [1, 2], (*NUMBERS, "3")))


def test_names_in_another_order_are_noticed() -> None:
    truth = [0, 1, 2] * 10
    said = {"turned": [1, 2, 0] * 10, "right": truth, "chance": [0, 0, 0, 1, 1, 1, 2, 2, 2] * 3 + truth[:3]}
    notes = {name: " ".join(confusion(survey(given, truth, OUTPUTS)).notes) for name, given in said.items()}
    assert (
        "with the names in another order 100% would be right and not 0% (Dog for what is called tabby_cat,"
        in notes["turned"]
    )
    assert notes["right"] == notes["chance"] == ""
    assert confusion(survey([1, 2, 0], [0, 1, 2], OUTPUTS)).notes == ()  # too few pictures


def test_the_figure_of_many_classes_shows_those_most_confused() -> None:
    names = tuple(f"class {number}" for number in range(30))
    said = [*range(30), 7, 7]
    made = made_up(np.ones((32, 3)), [*range(30), 4, 5], names, model_classes=names, predicted=said)
    written = texts(confusion(made).figure(most=3))
    assert "the 3 of 30 classes most confused" in written
    for name in ("class 4", "class 5", "class 7"):
        assert name in written
    assert "class 8" not in written


def test_what_cannot_be_matched() -> None:
    with pytest.raises(SurveyError, match="the survey kept no predictions of the model"):
        confusion(survey(None, [0, 1]))
    with pytest.raises(SurveyError, match="outputs have no names, so they cannot be matched"):
        confusion(survey([0, 0], [0, 1], model_classes=None))
    with pytest.raises(SurveyError, match=r"none of the labels \(n01, n02\) is the name of .* names=\{'n01': 'Dog'\}"):
        confusion(survey([0, 0], [0, 1], classes=("n01", "n02")))
    with pytest.raises(
        SurveyError, match=r"the model has no output 'cat' \(given for 'dog'\)\. Did you mean 'tabby_cat'"
    ):
        confusion(survey([0, 0], [0, 1]), names={"dog": "cat"})
    with pytest.raises(SurveyError, match="the survey has no class 'mule'"):
        confusion(survey([0, 0], [0, 1]), names={"mule": "cow"})


def test_mistakes_are_the_wrong_ones_most_certain_first() -> None:
    found = mistakes(survey([1, 0, 0, 2], [0, 0, 1, 1]))
    assert [(one.row, one.truth, one.predicted) for one in found] == [(3, "dog", "cow"), (1, "tabby cat", "dog")]
    assert [one.probability for one in found] == pytest.approx([0.9, 0.5 + 0.4 / 3])
    assert found.of == 4
    assert found[0].louder is None
    assert [one.row for one in found.between(truth="tabby cat")] == [1]
    assert [one.row for one in found.between(predicted="cow")] == [3]
    assert repr(found).startswith("<Mistakes: 2 of 4 pictures\n  3.png: dog called cow (90%)")


def test_whose_channels_were_louder_beside_the_definition() -> None:
    """Row 1 is a cat whose dog channel is loud; row 4 a dog called a cat although its own channel is loud."""
    made = survey([1, 0, 0, 0, 1], [0, 0, 1, 1, 1])
    summed = sums(made, {"tabby cat": [0], "dog": [1], "horse": [2]})
    found = {one.row: one for one in mistakes(made, summed)}
    values = summed.values
    for row, (truth, said) in {1: (0, 1), 4: (1, 0)}.items():
        scale = [(values[row, g] - values[:, g].mean()) / values[:, g].std() for g in range(3)]
        assert found[row].loudness[summed.groups[truth]] == pytest.approx(scale[truth], rel=1e-5)
        assert found[row].loudness[summed.groups[said]] == pytest.approx(scale[said], rel=1e-5)
        assert found[row].loudest == summed.groups[int(np.argmax(scale))]
    assert found[1].louder == "dog"
    assert found[4].louder == "dog"
    every = mistakes(made, summed)
    assert every.louder() == {"true class": 1, "predicted class": 1, "not known": 0}
    assert "louder channels: true class 1, predicted class 1" in repr(every)
    assert "louder: dog, +" in texts(every.figure())


def test_pictures_are_shown_and_saved(tmp_path: Path) -> None:
    found = mistakes(survey([0, 0, 1], [0, 0, 1]))
    assert "3 of 3 pictures called wrongly, first 2 shown" in texts(found.figure(most=2))
    assert [path.name for path in found.save(tmp_path, most=1)] == ["001__dog__called tabby cat__2.png"]
    with Image.open(tmp_path / "001__dog__called tabby cat__2.png") as image:
        assert image.size == (22, 10)
    assert found[:1]._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(OptionError, match="most is how many mistakes are shown, 1 or more; got 0"):
        found.figure(most=0)
    with pytest.raises(SurveyError, match="there are no mistakes to show among 2 pictures"):
        mistakes(survey([1, 0], [0, 1])).figure()


def test_sums_of_another_survey() -> None:
    made = survey([1, 0, 0], [0, 0, 1])
    other = sums(survey([1, 0], [0, 0]), {"dog": [1]})
    with pytest.raises(SurveyError, match="the sums are of 2 pictures and the survey has 3"):
        mistakes(made, other)


def test_the_bundled_model_takes_plain_ground_for_scissors() -> None:
    scope, pictures = fm.load("demo"), demo.images()
    classes = ("scissors", "hammer", "neither")
    labels = [classes.index(str(one.label)) for one in pictures]
    made = survey_of_scope(scope, pictures, [scope.layers().last], labels, classes=classes)
    found = mistakes(made)
    assert "hammer on plain ground" in {one.name for one in found.between("hammer", "scissors")}
    assert found.notes == ("left out, since the model has no output called so: neither",)
