"""Models compared on the same pictures: their own channels, their separation, their thresholds in another domain."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.resnet20 import resnet20
from PIL import Image
from tiny_surveys import made_up, survey_of_demo, survey_of_model

from featuremaps.errors import OptionError, SurveyError
from featuremaps.survey.analysis.fit_detector import detector
from featuremaps.survey.analysis.model_comparison import ModelComparison, compare_models
from featuremaps.survey.survey import Survey
from map_samples import PNG, texts
from method_samples import IMAGENET, cifar_model, unchecked

MODELS = ("demo", "demo-fixed")


def read(paths: list[Path]) -> torch.Tensor:
    mean, std = (torch.tensor(IMAGENET[key])[:, None, None] for key in ("mean", "std"))
    pictures = [torch.from_numpy(np.asarray(Image.open(path)).copy()).movedim(-1, 0) / 255 for path in paths]
    return (torch.stack(pictures) - mean) / std


@pytest.fixture(scope="module")
def compared() -> ModelComparison:
    pairs = {name: (survey_of_demo(name, "photograph"), survey_of_demo(name, "xray")) for name in MODELS}
    return compare_models(pairs, layer="layer4")


def test_the_fixed_model_separates_better_than_the_biased_one(compared: ModelComparison) -> None:
    for label in ("scissors", "hammer"):
        biased, fixed = compared.of("demo", label), compared.of("demo-fixed", label)
        assert fixed.source.area.interval.low > biased.source.area.value
        assert fixed.proven
        assert not biased.proven
        assert biased.target is not None
        assert fixed.target is not None
        assert fixed.target.area.value > biased.target.area.value


def test_a_standing_is_the_detector_of_that_model(compared: ModelComparison) -> None:
    standing = compared.of("demo-fixed", "hammer")
    alone = detector(survey_of_demo("demo-fixed", "photograph"), "hammer", layer="layer4")
    assert standing.detector.channels.tolist() == alone.channels.tolist()
    assert standing.source.threshold == float(alone.threshold)
    target = alone.test(survey_of_demo("demo-fixed", "xray"))
    assert standing.target is not None
    np.testing.assert_array_equal(standing.target.scores, target.scores)
    spread = standing.source.scores.std()
    assert standing.shift == pytest.approx((target.best.value - float(alone.threshold)) / spread, rel=1e-5)
    assert standing.shift > 0


def test_words_table_and_files(compared: ModelComparison, tmp_path: Path) -> None:
    assert "scissors, demo-fixed: AUROC 0.97" in repr(compared)
    assert "(not beyond chance)" in repr(compared)
    written = compared.save(tmp_path / "new")
    assert [path.name for path in written] == [
        "models.csv",
        "models__scissors.png",
        "models__hammer.png",
        "models__neither.png",
        "models__all.png",
        "charts.html",
    ]
    rows = list(csv.DictReader(written[0].read_text(encoding="utf-8").splitlines()))
    assert [(row["class"], row["model"]) for row in rows[:2]] == [("scissors", "demo"), ("scissors", "demo-fixed")]
    assert all(float(row["area_low"]) <= float(row["area"]) <= float(row["area_high"]) for row in rows)
    assert all(path.read_bytes().startswith(PNG) for path in written[1:-1])


def test_the_chart_of_one_class_has_a_row_per_model_and_a_column_per_domain(compared: ModelComparison) -> None:
    figure = compared.figure("hammer")
    said = texts(figure)
    assert len(figure.axes) == 4
    for name in MODELS:
        assert f"{name}-photograph" in said
        assert f"{name}-xray" in said
    assert "demo-fixed\n25 channels" in said
    assert "best here" in said
    left, right = figure.axes[2:]
    assert left.get_xlim() == right.get_xlim()
    only = compare_models({name: survey_of_demo(name, "photograph") for name in MODELS}, "hammer", "layer4")
    assert len(only.figure().axes) == 2
    assert only.of("demo").shift is None


def test_the_chart_of_all_classes(compared: ModelComparison) -> None:
    said = texts(compared.figure())
    for words in ("scissors", "hammer", "neither", "demo", "demo-fixed", "chance", "open: in the other domain"):
        assert words in said


def test_checkpoints_of_a_real_model_on_the_same_photographs(shared: Path) -> None:
    inputs, labels, names = [], [], []
    classes = ("airplane", "cat", "ship")
    for number, name in enumerate(classes):
        paths = sorted((shared / "images" / "cifar10" / name).glob("*.jpg"))[:30]
        inputs.append(read(paths))
        labels += [number] * len(paths)
        names += [f"{name}/{path.name}" for path in paths]
    batch = torch.cat(inputs)
    torch.manual_seed(0)
    untrained = resnet20()
    surveys = {
        "trained": survey_of_model(cifar_model(shared), batch, ["layer3"], labels, classes, names=names),
        "untrained": survey_of_model(untrained, batch, ["layer3"], labels, classes, names=names),
    }
    found = compare_models(surveys)
    for label in classes:
        assert found.of("trained", label).source.area.value > found.of("untrained", label).source.area.value
        assert found.of("trained", label).source.area.value > 0.9
    matches = found.match("trained", "untrained")
    assert len(matches.forward) == 64
    assert np.nanmedian(matches.forward_values) < 0.9
    assert np.nanmin(found.match("trained", "trained").forward_values) > 0.999


def test_channels_may_be_given() -> None:
    survey = survey_of_demo("demo-fixed", "photograph")
    found = compare_models({"m": survey}, "hammer", "layer4", channels={"m": {"hammer": (5, 2)}})
    assert found.of("m").detector.channels.tolist() == [5, 2]
    with pytest.raises(SurveyError, match="names none for the class 'scissors' of model 'm'"):
        compare_models({"m": survey}, "scissors", "layer4", channels={"m": {"hammer": (5, 2)}})


def test_a_class_may_be_given_by_its_number() -> None:
    found = compare_models({"m": survey_of_demo("demo-fixed", "photograph")}, 1, "layer4")
    assert found.labels == ("hammer",)
    assert found.of("m").label == "hammer"


def test_layers_may_differ() -> None:
    found = compare_models(
        {"early": survey_of_demo("demo-fixed", "photograph"), "late": survey_of_demo("demo-fixed", "photograph")},
        "hammer",
        {"early": "layer2", "late": "layer4"},
    )
    assert found.of("early").detector.layer == "layer2"
    assert found.match("early", "late").layers == ("layer2", "layer4")


def plain(names: str = "wxyz", labels: tuple[int, ...] = (0, 1, 0, 1), **options: object) -> Survey:
    return made_up(np.arange(len(names) * 2).reshape(-1, 2), list(labels), ("cat", "dog"), names=names, **options)


def test_what_cannot_be_compared_is_said(compared: ModelComparison) -> None:
    with pytest.raises(SurveyError, match="no survey was given"):
        compare_models({})
    with unchecked(), pytest.raises(OptionError, match="given by a name for each model: .* got a list"):
        compare_models([plain()])
    with pytest.raises(SurveyError, match="'a' and 'b' are surveys of different pictures: 3 in both"):
        compare_models({"a": plain(), "b": plain("wxyq")})
    with pytest.raises(SurveyError, match="'a' and 'b' are surveys of different pictures"):
        compare_models({"a": (plain(), plain("abcd")), "b": (plain(), plain("abce"))})
    with pytest.raises(SurveyError, match=r"some without \('b'\); give all or none"):
        compare_models({"a": (plain(), plain()), "b": plain()})
    with pytest.raises(SurveyError, match="no class that some pictures show and others do not"):
        compare_models({"a": plain(labels=(0, 0, 0, 0))})
    with pytest.raises(OptionError, match=r"model 'demo-fix' was not compared. Did you mean 'demo-fixed'"):
        compared.match("demo", "demo-fix")
    with pytest.raises(OptionError, match=r"class 'hamer' was not compared. Did you mean 'hammer'"):
        compared.figure("hamer")
    for wrong, what in (
        ([plain(), plain()], "got list of 2"),
        ((plain(), plain(), plain()), "got tuple of 3"),
        ("folder", r"got 'folder'\. Open it: open_survey\('folder'\)"),
    ):
        with unchecked(), pytest.raises(OptionError, match=rf"model 'a' is given by its survey, or by a pair.*{what}"):
            compare_models({"a": wrong})
    with pytest.raises(SurveyError, match="no class 'owl'"):
        compare_models({"a": plain()}, "owl")
