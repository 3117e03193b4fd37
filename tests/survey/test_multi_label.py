"""Pictures of several labels: in any form, counted class by class, and every question beside plain loops."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import FeatureMapsError, ImageError, OptionError, SurveyError
from featuremaps.pictures.label_sets import label_set
from featuremaps.survey.survey import Survey
from survey.tiny_surveys import fresh_folders

CLASSES = ("edema", "effusion", "nodule")
COUNT = 40


class Chest(nn.Module):
    """Two channels for each finding, which light up in a third of the picture of its own; a logit for each."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(nn.Conv2d(3, 6, 1), nn.ReLU())
        self.head = nn.Linear(6, 3)
        with torch.no_grad():
            self.features[0].weight[:] = torch.eye(3).repeat_interleave(2, 0)[:, :, None, None]
            self.features[0].bias[:] = torch.tensor([0.0, -0.2] * 3)
            self.head.weight[:] = 8 * torch.eye(3).repeat_interleave(2, 1)
            self.head.bias.fill_(-6.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3)))


@cache
def chest() -> tuple[Tensor, Tensor]:
    """Pictures and what is in each, (picture, class); a third has nothing, the last picture all."""
    random = torch.Generator().manual_seed(3)
    there = (torch.rand(COUNT, 3, generator=random) < torch.tensor([0.6, 0.4, 0.3])).float()
    there[::3], there[-1] = 0, 1
    strength = there * 0.6 + 0.5 * torch.rand(COUNT, 3, generator=random)
    return strength[:, :, None, None] * torch.rand(COUNT, 3, 6, 6, generator=random), there


@cache
def scope() -> fm.Scope:
    return fm.Scope(Chest().eval(), classes=CLASSES, outputs="multi_label")


def surveyed(dataset: Any, **given: Any) -> Survey:
    options = {"labels": CLASSES, "multi_label": True, "workers": 0} | given
    return scope().survey(dataset, "features", next(fresh_folders()) / "chest", **options)


@cache
def survey() -> Survey:
    pictures, there = chest()
    return surveyed([(picture, own) for picture, own in zip(pictures, there, strict=True)])


def names_of(own: Tensor) -> list[str]:
    return [name for name, one in zip(CLASSES, own.tolist(), strict=True) if one]


FORMS: dict[str, Any] = {
    "tensor": lambda own: own,
    "bool": lambda own: own.bool(),
    "array": lambda own: own.numpy().astype(np.int64),
    "floats": lambda own: own.tolist(),
    "numbers": lambda own: own.nonzero()[:, 0].tolist(),
    "names": names_of,
    "set": lambda own: set(names_of(own)),
    "dict": lambda own: {"labels": own},
}


@pytest.mark.parametrize("form", FORMS)
def test_labels_in_any_form(form: str) -> None:
    pictures, there = chest()
    made = surveyed([(picture, FORMS[form](own)) for picture, own in zip(pictures, there, strict=True)])
    assert made.pictures.sets is not None
    assert np.array_equal(made.pictures.sets.members, there.numpy() == 1)
    assert made.pictures.sets.known.all()
    assert made.classes == CLASSES
    assert (made.pictures.labels == -1).all()


def table(folder: Path) -> list[str]:
    _, there = chest()
    for number in range(6):
        Image.new("RGB", (6, 6), (40 * number, 10, 10)).save(folder / f"{number}.png")
    return [f"{number}.png" for number in range(6)] and ["|".join(names_of(own)) for own in there[1:7]]


def test_a_table_has_a_column_for_each_class_or_all_names_in_one(tmp_path: Path) -> None:
    words, (_, there) = table(tmp_path), chest()
    rows = [
        f"{n}.png,{text or 'no finding'},{','.join(map(str, own.int().tolist()))}"
        for n, (text, own) in enumerate(zip(words, there[1:7], strict=True))
    ]
    (tmp_path / "list.csv").write_text("\n".join(["path,found," + ",".join(CLASSES), *rows]) + "\n")
    columns = surveyed(tmp_path / "list.csv", label=CLASSES, labels=None)
    assert np.array_equal(columns.pictures.sets.members, there[1:7].numpy() == 1)
    assert columns.classes == CLASSES
    cells = surveyed(tmp_path / "list.csv", label="found", labels=None)
    assert cells.classes == (*CLASSES[:2], "no finding", "nodule")
    kept = [cells.classes.index(name) for name in CLASSES]
    assert np.array_equal(cells.pictures.sets.members[:, kept], there[1:7].numpy() == 1)
    pairs = surveyed([(tmp_path / f"{n}.png", names_of(own)) for n, own in enumerate(there[1:7])], labels=None)
    assert np.array_equal(pairs.pictures.sets.members, there[1:7].numpy() == 1)


def test_tables_hold_each_label_and_the_sums_of_each_class() -> None:
    _, there = chest()
    made = survey()
    rows = pq.read_table(made.path / "pictures.parquet").to_pylist()
    assert [row["labels"] for row in rows] == [own.nonzero()[:, 0].tolist() for own in there]
    assert [row["label_name"] for row in rows] == ["|".join(names_of(own)) for own in there]
    assert all(row["label"] is None for row in rows)
    means, peaks = made.vectors("features"), made.vectors("features", "max")
    for row in pq.read_table(made.path / "classes.parquet").to_pylist():
        own = there[:, row["label"]].numpy() == 1
        assert row["count"] == own.sum()
        assert row["sum"] == pytest.approx(means[own, row["channel"]].sum(dtype=float), rel=1e-6)
        assert row["max"] == pytest.approx(peaks[own, row["channel"]].max())


def test_separation_is_of_each_class_from_all_other_pictures() -> None:
    _, there = chest()
    found, values = survey().separation(), survey().vectors("features")
    for number, name in enumerate(CLASSES):
        own, others = values[there[:, number] == 1], values[there[:, number] == 0]
        assert found.pictures[number] == len(own)
        wins = (own[:, None] > others[None]) + 0.5 * (own[:, None] == others[None])
        np.testing.assert_allclose(found.areas[number], wins.mean((0, 1)), atol=1e-9)
        assert {best.channel for best in found.best(name, 2)} == {2 * number, 2 * number + 1}
        alone = survey().about(name).separation()
        np.testing.assert_allclose(alone.areas[1], found.areas[number], atol=1e-12)
        np.testing.assert_allclose(alone.p_values[1], found.p_values[number], atol=1e-12)


def test_specialists_count_a_picture_for_each_of_its_classes() -> None:
    _, there = chest()
    found, values = survey().specialists(per_image=2, per_class=3, unique=False), survey().vectors("features")
    tally = np.zeros((3, 6), int)
    for picture, own in zip(values, there.numpy(), strict=True):
        for channel in np.argsort(-picture, kind="stable")[:2]:
            tally[own == 1, channel] += picture[channel] != 0
    assert np.array_equal(found.tally, tally)
    assert [listed.pictures for listed in found] == there.sum(0).int().tolist()


def test_a_detector_is_judged_on_one_class_beside_the_models_own_probability() -> None:
    pictures, there = chest()
    detector = survey().detector("effusion")
    test = detector.test(survey())
    positives = there[:, 1].numpy() == 1
    assert np.array_equal(test.positives, positives)
    rivalry = detector.against_model(survey())["chest"]
    with torch.no_grad():
        called = (scope().model(pictures)[:, 1].sigmoid() >= 0.5).numpy()
    assert 0 < called.sum() < COUNT
    assert rivalry.model.recall.value == pytest.approx((called & positives).sum() / positives.sum())
    assert rivalry.model.false_alarm_rate.value == pytest.approx((called & ~positives).sum() / (~positives).sum())
    top = survey().top_pictures("features:2", 3, label="effusion")
    assert all("effusion" in picture.label.split(", ") for picture in top)


def test_about_one_class_pictures_have_one_label(tmp_path: Path) -> None:
    about = survey().about("nodule")
    assert about.classes == ("not nodule", "nodule")
    assert about.pictures.labels.tolist() == chest()[1][:, 2].int().tolist()
    assert about.sums().areas[1].value > 0.9
    assert survey().about(2).about("edema").classes == ("not edema", "edema")
    page = scope().report_survey(about, tmp_path / "report.html")
    assert "not nodule" in page.read_text(encoding="utf-8")


def test_what_has_one_answer_says_how_to_ask() -> None:
    for ask in (survey().sums, lambda: scope().report_survey(survey(), next(fresh_folders()) / "r.html")):
        with pytest.raises(SurveyError, match=r"may have several labels.*survey\.about\('edema'\)"):
            ask()
    for ask in (survey().confusion, survey().about(0).confusion, lambda: scope().find_shortcuts(survey().about(0))):
        with pytest.raises(SurveyError, match="no one answer of the model"):
            ask()
    pictures, there = chest()
    single = surveyed([(picture, int(own[0])) for picture, own in zip(pictures, there, strict=True)], multi_label=False)
    with pytest.raises(SurveyError, match="have one label each already"):
        single.about("edema")
    with pytest.raises(SurveyError, match="has no class 'oedema'"):
        survey().about("oedema")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (torch.tensor([1, 0, -1]), r"'nodule' is -1, and 1 says .* leave the picture's label out \(None\)"),
        ([1.0, float("nan"), 0.0], "'effusion' is nan"),
        (torch.tensor([1, 0]), r"shape \(2,\), and there are 3 classes"),
        (torch.zeros(3, 3), r"shape \(3, 3\), and there are 3 classes"),
        (["edema", 2.5], "2.5"),
        (object(), "a label is a whole number"),
        (["edema", None], "among its labels is None"),
        ([None, 1], "among its labels is None"),
        (["edema", ""], "among its labels is ''"),
        (["edema", float("nan")], "among its labels is nan"),
    ],
)
def test_what_is_no_set_of_labels_says_why(given: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        label_set(given, CLASSES)


def test_two_numbers_for_two_classes_may_mean_either() -> None:
    with pytest.raises(ImageError, match=r"\[0, 1\] may be the numbers of classes, or a 1 or 0 for each of the 2"):
        label_set([0, 1], ("cat", "dog"))
    assert label_set([1, 1], ("cat", "dog")) == (0, 1)
    assert label_set([0, 0], ("cat", "dog")) == ()
    assert label_set([], ("cat", "dog")) == ()
    assert label_set(None, CLASSES) is label_set("", CLASSES) is None
    assert label_set("edema; nodule", CLASSES) == ("edema", "nodule")
    assert label_set("a, b", ("a, b", "c")) == ("a, b",)


def test_pictures_without_labels_count_for_no_class() -> None:
    pictures, there = chest()
    some = [
        (picture, None if number < 10 else own)
        for number, (picture, own) in enumerate(zip(pictures, there, strict=True))
    ]
    made = surveyed(some)
    assert (~made.pictures.sets.known).sum() == 10
    assert made.separation().pictures.tolist() == there[10:].sum(0).int().tolist()
    assert np.array_equal(made.detector("edema").test(made).positives, there[10:, 0].numpy() == 1)


def test_settings_that_do_not_fit(tmp_path: Path) -> None:
    pictures, there = chest()
    pairs = list(zip(pictures, there, strict=True))
    with pytest.raises(SurveyError, match=r"the classes are named in order: labels=\[…\]"):
        surveyed(pairs, labels=None)
    Image.new("RGB", (6, 6)).save(tmp_path / "a.png")
    with pytest.raises(OptionError, match="says one label of each picture"):
        surveyed(tmp_path)
    softmax = fm.Scope(Chest().eval(), outputs="logits")
    with pytest.raises(OptionError, match=r"outputs='logits' that the model chooses one"):
        softmax.survey(pairs, "features", tmp_path / "s", labels=CLASSES, multi_label=True, workers=0)
    with pytest.raises(FeatureMapsError, match=r"multi_label=True \(--multi-label\)"):
        surveyed(pairs, multi_label=False)


def test_goes_on_and_opens_again(tmp_path: Path) -> None:
    pictures, there = chest()
    pairs = [(picture, own) for picture, own in zip(pictures, there, strict=True)]
    again = fm.open_survey(survey().path, dataset=pairs)
    assert torch.equal(again.example(3).tensor, pictures[3])
    with pytest.raises(SurveyError, match="settings"):
        scope().survey(
            [(picture, int(own[0])) for picture, own in pairs], "features", survey().path, labels=CLASSES, workers=0
        )


@pytest.mark.parametrize("form", [torch.tensor, np.array, list])
def test_one_class_has_a_one_or_a_zero_too(form: Any) -> None:
    """Where its name is known; else an array of one number is the number of a class, as everywhere."""
    assert label_set(form([0.0]), ("edema",)) == ()
    assert label_set(form([1.0]), ("edema",)) == (0,)
    assert form is list or label_set(form([0.0])) == (0,)


def test_columns_are_found_by_their_names(tmp_path: Path) -> None:
    table(tmp_path)
    _, there = chest()
    rows = [f"{n}.png,{','.join(map(str, own.int().tolist()))}" for n, own in enumerate(there[1:7])]
    file = tmp_path / "list.csv"
    file.write_text("\n".join(["path," + ",".join(CLASSES), *rows]) + "\n")
    turned = surveyed(file, label=CLASSES, labels=CLASSES[::-1])
    assert turned.classes == CLASSES[::-1]
    assert np.array_equal(turned.pictures.sets.members, there[1:7].flip(1).numpy() == 1)
    one = surveyed(file, label=["effusion"], labels=None)
    assert np.array_equal(one.pictures.sets.members, there[1:7, 1:2].numpy() == 1)
    with pytest.raises(OptionError, match=r"'effusion' has nothing but 0 and 1.* give label=\['effusion'\]"):
        surveyed(file, label="effusion", labels=None)
    file.write_text("\n".join(["path,edema,nodule,edema", *rows]) + "\n")
    with pytest.raises(SurveyError, match="two columns are called 'edema'"):
        surveyed(file, label=["edema", "nodule"], labels=None)


def test_labels_that_were_changed_are_another_survey(tmp_path: Path) -> None:
    """In whatever form: a survey that is there is not handed out with the labels that it had."""
    pictures, _ = chest()
    forms: list[Any] = [
        lambda names: [(pictures[0], names), (pictures[1], [])],
        lambda names: [(pictures[0], set(names)), (pictures[1], [])],
        lambda names: [{"image": pictures[0], "label": names}, {"image": pictures[1], "label": []}],
    ]
    for number, form in enumerate(forms):
        for names in (["edema"], ["edema"], ["nodule"]):
            arguments = {"labels": CLASSES, "multi_label": True, "workers": 0}
            out = tmp_path / str(number)
            if names == ["edema"]:
                scope().survey(form(names), "features", out, **arguments)
                continue
            with pytest.raises(SurveyError, match="their labels"):
                scope().survey(form(names), "features", out, **arguments)


def test_a_threshold_of_boxes_is_for_boxes() -> None:
    pictures, there = chest()
    with pytest.raises(OptionError, match=r"threshold=0\.7 is the score .* counts pictures"):
        surveyed([(picture, own) for picture, own in zip(pictures, there, strict=True)], threshold=0.7)
