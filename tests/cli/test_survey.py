"""The commands about surveys, run as a user runs them, on small real surveys."""

import json
import re
import shutil
import tarfile
from functools import partialmethod
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from region_samples import write_scenes

import featuremaps as fm
from featuremaps.demo.dataset import World
from featuremaps.survey.analysis.detector import Detector
from survey_commands import is_figure, rows_of, run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes as photographs and X-rays, one picture that cannot be read, and surveys of both by both demo models."""
    home = tmp_path_factory.mktemp("surveys")
    for domain in ("photograph", "xray"):
        for number, scene in enumerate(World(6, {"scissors": 0.5, "hammer": 0.5}, domain, seed=9_000_000)):
            folder = home / domain / scene.label
            folder.mkdir(parents=True, exist_ok=True)
            scene.picture.save(folder / f"{number}.png")
    (home / "photograph" / "scissors" / "broken.jpg").write_bytes(b"not a picture")
    for domain, model in (("photograph", "demo-fixed"), ("xray", "demo-fixed"), ("photograph", "demo")):
        given = ("survey", home / domain, "-m", model, "-l", "layer4", "--keep", "4", "--workers", "0")
        assert run(*given, "-o", home / f"{model}-{domain}") == 0
    return home


@pytest.fixture
def survey(home: Path) -> Path:
    return home / "demo-fixed-photograph"


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are files without a picture: other tests look at them."""
    monkeypatch.setattr(Figure, "savefig", lambda figure, file, **options: file.write(b"undrawn"))


def test_survey_tells_what_it_has_and_what_it_left_out(
    home: Path, survey: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("survey", home / "photograph", "-m", "demo-fixed", "-l", "layer4", "-l", "layer3", "-o", tmp_path / "s")
    assert run(*given, "--batch-size", "5", "--no-predictions") == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "demo-fixed, layer3 (64 channels), layer4 (96 channels): 12 pictures of 2 classes",
        "hammer 6, scissors 6",
        "Preprocessing: resize to 128 × 128: 128 x 128, mean (0.5, 0.5, 0.5), std (0.25, 0.25, 0.25)",
        f"Survey: {tmp_path / 's'}",
    ]
    assert printed.err.splitlines() == [
        "1 left out:",
        "  scissors/broken.jpg: the content is text, not a picture.",
    ]
    found = fm.open_survey(tmp_path / "s")
    assert found.predictions() is None
    np.testing.assert_allclose(found.vectors("layer4"), fm.open_survey(survey).vectors("layer4"), atol=1e-2)


@pytest.mark.filterwarnings("default")
def test_survey_again_changes_nothing_and_goes_on_where_shards_are_gone(
    home: Path, survey: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = tmp_path / "s"
    shutil.copytree(survey, again)
    (again / "vectors" / "layer4" / "mean" / "00000.parquet").unlink()
    assert run("specialists", again, "-o", tmp_path) == 1
    assert "1 of its" in capsys.readouterr().err
    given = ("survey", home / "photograph", "-m", "demo-fixed", "-l", "layer4", "--keep", "4", "-o", again)
    assert run(*given) == 0
    assert "1 files of the survey in" in capsys.readouterr().err  # a warning
    for _ in range(2):
        for path in survey.rglob("*.parquet"):
            assert (again / path.relative_to(survey)).read_bytes() == path.read_bytes(), path
        assert run(*given) == 0
    assert run(*given[:-4], "--keep", "3", "-o", again) == 1
    assert "keep 4" in capsys.readouterr().err
    assert run(*given[:-4], "--keep", "3", "--fresh", "-o", again) == 0
    assert fm.open_survey(again).manifest.keep == 3


def test_units_writes_a_page_for_every_unit_or_those_named(
    survey: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fm.Scope, "draw", partialmethod(fm.Scope.draw, steps=8, size=48))
    assert run("units", survey, "-n", "2", "-o", tmp_path / "all") == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "all" / "unit.html")]
    units = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "all" / "data").glob("*.js"))
    assert units.count('"statistics":') == 96
    assert '"map":"data:image' not in units

    given = ("units", survey, "layer4:14", "layer4:3", "-n", "2", "-m", "demo-fixed", "--draw", "-o", tmp_path / "two")
    assert run(*given) == 0
    units = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "two" / "data").glob("*.js"))
    assert set(re.findall(r'"channel":(\d+)', units)) == {"3", "14"}
    assert units.count('"map":"data:image') == 4
    assert len(list((tmp_path / "two" / "pictures").glob("drawn-*"))) == 2

    capsys.readouterr()
    assert run("units", survey, "--draw", "-o", tmp_path / "no") == 1
    assert "--draw takes a while for each unit: name them, and the model" in capsys.readouterr().err


@pytest.mark.usefixtures("undrawn")
def test_survey_of_a_table_with_names_for_its_columns(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = sorted((home / "xray").rglob("*.png"))
    lines = ["where;what", *(f"{path};{int(path.parent.name == 'scissors')}" for path in files)]
    (tmp_path / "list.csv").write_text("\n".join(lines))
    (tmp_path / "names.txt").write_text("a hammer\nscissors\n")
    given = ("survey", tmp_path / "list.csv", "-m", "demo", "-o", tmp_path / "s", "--labels", tmp_path / "names.txt")
    assert run(*given) == 1
    assert "say which one holds the pictures" in capsys.readouterr().err
    assert run(*given, "--image-column", "where", "--label-column", "what") == 0
    assert "a hammer 6, scissors 6" in capsys.readouterr().out
    out = tmp_path / "o"
    assert run("confusion", tmp_path / "s", "--name", "a hammer=hammer", "-o", out) == 0
    matrix = fm.open_survey(tmp_path / "s").confusion(names={"a hammer": "hammer"})
    assert f"Confusion of 2 classes, right: {matrix.accuracy}" in capsys.readouterr().out
    assert len(rows_of(out / "mistakes.csv")) == 12 - np.trace(matrix.counts)


def test_survey_of_a_detector_and_of_a_segmenter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], undrawn: None
) -> None:
    write_scenes(tmp_path / "photos", 8)
    given = ("survey", tmp_path / "photos", "--workers", "0", "-o")
    assert run(*given, tmp_path / "boxes", "-m", "region_samples:detector", "-l", "fine", "--threshold", "0.4") == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].endswith(", fine (4 channels): 8 boxes in 8 pictures of 2 classes of the model's")
    assert told[1] == "cat 4, dog 4, elsewhere 8"
    assert run("specialists", tmp_path / "boxes", "--separation", "-o", tmp_path / "out") == 0
    assert "  cat, 4 regions: 0 1.000" in capsys.readouterr().out
    named = ("top", tmp_path / "boxes", "fine:0", "-n", "2", "--label", "cat", "-m", "region_samples:detector")
    assert run(*named, "-o", tmp_path / "out") == 0
    assert "2 strongest of 4 boxes of cat" in capsys.readouterr().out
    assert run("confusion", tmp_path / "boxes", "-o", tmp_path / "out") == 1
    assert "is about whole pictures, and survey 'boxes' counts boxes" in " ".join(capsys.readouterr().err.split())
    assert run(*given, tmp_path / "regions", "-m", "region_samples:segmenter", "-l", "stem") == 0
    assert "regions in 8 pictures of 3 classes of the model's" in capsys.readouterr().out
    assert run(*given, tmp_path / "whole", "-m", "region_samples:segmenter", "-l", "stem", "--each", "picture") == 0
    assert "8 pictures, none with a label" in capsys.readouterr().out


@pytest.mark.usefixtures("undrawn")
def test_survey_of_several_labels_a_picture(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted((home / "xray").rglob("*.png"))
    lines = ["path,scissors,even", *(f"{p},{int(p.parent.name == 'scissors')},{n % 2}" for n, p in enumerate(files))]
    (tmp_path / "list.csv").write_text("\n".join(lines))
    given = ("survey", tmp_path / "list.csv", "-m", "demo", "--multi-label", "-o", tmp_path / "s", "--workers", "0")
    assert run(*given, "--label-column", "scissors,odd") == 1
    assert "has no column 'odd'" in capsys.readouterr().err
    assert run(*given, "--label-column", "scissors,even") == 0
    assert "12 pictures of 2 classes\nscissors 6, even 6" in capsys.readouterr().out
    assert run("specialists", tmp_path / "s", "--separation", "-o", tmp_path / "o") == 0
    assert run("confusion", tmp_path / "s", "-o", tmp_path / "o") == 1
    assert "may have several labels" in capsys.readouterr().err


def test_survey_of_tar_shards(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted((home / "xray").rglob("*.png"))
    for shard, own in enumerate((files[::2], files[1::2])):
        with tarfile.open(tmp_path / f"x-{shard}.tar", "w") as tar:
            for path in own:
                tar.add(path, f"{path.parent.name}-{path.name}")
    shards = [tmp_path / f"x-{shard}.tar" for shard in (0, 1)]
    assert run("survey", *shards, "-m", "demo", "-l", "layer4", "-o", tmp_path / "s") == 0
    assert "12 pictures, none with a label" in capsys.readouterr().out
    assert run("specialists", tmp_path / "s", "-o", tmp_path) == 1
    assert "none of the 12 pictures of survey 's' has a label" in capsys.readouterr().err
    assert run("top", tmp_path / "s", "layer4:1", "-n", "2", "-o", tmp_path / "o") == 1
    assert "has no file of its own" in capsys.readouterr().err
    pattern = tmp_path / "x-{0..1}.tar"
    assert run("top", tmp_path / "s", "layer4:1", "-n", "2", "--pictures", pattern, "-o", tmp_path / "o") == 0
    assert is_figure(tmp_path / "o" / "top__layer4-1__strongest.png")


def test_specialists(survey: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("specialists", survey, "--per-image", "10", "--per-class", "5", "--by", "max", "-o", tmp_path) == 0
    found = fm.open_survey(survey).specialists(per_image=10, per_class=5, by="max")
    printed = capsys.readouterr().out
    assert f"  scissors, 6 pictures: {found['scissors'].channels[0]} ({found['scissors'].counts[0]})" in printed
    assert not printed.startswith("<")
    table = rows_of(tmp_path / "specialists__layer4.csv")
    assert [int(row["channel"]) for row in table if row["class"] == "hammer" and row["kept"] == "True"] == list(
        found["hammer"].channels
    )
    assert is_figure(tmp_path / "specialists__layer4.png")
    assert run("specialists", survey, "--shared", "--per-class", "96", "-o", tmp_path / "shared") == 0
    table = rows_of(tmp_path / "shared" / "specialists__layer4.csv")
    assert all(row["kept"] == "True" for row in table)
    assert {row["shared_with"] for row in table} >= {"hammer", "scissors"}


def test_separation(survey: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("specialists", survey, "--separation", "--layer", "layer4", "-o", tmp_path) == 0
    best = fm.open_survey(survey).separation().best("scissors")[0]
    assert f"scissors, 6 pictures: {best.channel} {best.area:.3f}" in capsys.readouterr().out
    table = rows_of(tmp_path / "separation__layer4.csv")
    first = next(row for row in table if row["class"] == "scissors")
    assert (first["unit"], float(first["area"])) == (best.unit, best.area)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["separation__layer4.csv", "separation__layer4.png"]


def test_top_pictures(survey: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("top", survey, "layer4:3", "layer4:7", "-n", "2", "-o", tmp_path / "plain") == 0
    printed = capsys.readouterr().out
    assert "TopPictures of layer4:3: 2 strongest of 12 pictures" in printed
    assert "10 files in" in printed
    assert not list((tmp_path / "plain").glob("*.npy"))
    given = ("top", survey, "layer4:3", "-n", "3", "--which", "spread", "--label", "scissors", "-m", "demo-fixed")
    assert run(*given, "-o", tmp_path / "maps") == 0
    assert "3 spread from the strongest to the weakest, of 6 pictures of scissors" in capsys.readouterr().out
    values = [float(np.load(path).max()) for path in sorted((tmp_path / "maps").glob("*.npy"))]
    expected = np.sort(fm.open_survey(survey).vectors("layer4", "max", [3])[6:, 0])
    np.testing.assert_allclose(values, expected[[5, 3, 0]], rtol=1e-2, atol=1e-3)
    assert is_figure(tmp_path / "maps" / "top__layer4-3__spread__scissors.png")


def test_sums(survey: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ("sums", survey, "--channels", "scissors=3, 24", "--channels", "hamer=9", "-o", tmp_path)
    assert run(*given) == 0
    printed = capsys.readouterr()
    assert re.search(r"scissors, 2 channels: AUROC [\d.]+ .*threshold", printed.out)
    assert "'hamer' is no class of the survey, so its sums are not measured. Did you mean 'hammer'?" in printed.err
    table = rows_of(tmp_path / "sums__layer4.csv")
    found = fm.open_survey(survey)
    assert [row["picture"] for row in table] == list(found.pictures.names)
    assert [row["label"] for row in table] == ["hammer"] * 6 + ["scissors"] * 6
    np.testing.assert_allclose(
        [float(row["scissors"]) for row in table], found.vectors("layer4", "mean", [3, 24]).sum(1), rtol=1e-5
    )
    assert is_figure(tmp_path / "sums__layer4.png")
    page = (tmp_path / "sums__layer4.html").read_text(encoding="utf-8")
    assert page.count('<figure class="chart"') == 4
    assert is_figure(tmp_path / "distributions__layer4.png")


def test_detect(home: Path, survey: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = home / "demo-fixed-xray"
    given = ("detect", survey, "--label", "scissors", "--test", other, "--channels", "3,24", "-o", tmp_path)
    assert run(*given, "--threshold", "false-alarm=0.2", "--model", "demo-fixed") == 0
    found = fm.open_survey(survey).detector("scissors", [3, 24], threshold={"false_alarm": 0.2})
    printed = capsys.readouterr().out
    assert f"{found.test(fm.open_survey(survey))} (These pictures chose it.)\n" in printed
    assert f"{found.test(fm.open_survey(other))}\n" in printed
    assert "AgainstModel: scissors" in printed
    for name in (survey.name, other.name):
        assert is_figure(tmp_path / name / "detection.png")
        assert len(rows_of(tmp_path / name / "scores.csv")) == 12
    assert [row["answer"] for row in rows_of(tmp_path / "against_model.csv")] == ["detector", "model"] * 2
    loaded = Detector.load(tmp_path / "detector", fm.load("demo-fixed").model)
    assert loaded.channels.tolist() == [3, 24]
    assert float(loaded.threshold) == float(found.threshold)
    assert loaded(torch.zeros(2, 3, 128, 128)).shape == (2,)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("threshold", ["youden", "recall=0.9", "1.5"])
def test_detect_without_the_model(
    home: Path, tmp_path: Path, threshold: str, capsys: pytest.CaptureFixture[str]
) -> None:
    survey = home / "demo-photograph"
    given = ("detect", survey, "--label", "hammer", "--rule", "single", "--threshold", threshold, "--test", survey)
    assert run(*given, "--channels", "9", "--predicted", "scissors", "-o", tmp_path) == 0
    summary = json.loads((tmp_path / f"{survey.name}-2" / "detection.json").read_text())
    assert summary["positives"] == 6
    if threshold == "1.5":
        assert summary["thresholds"][0]["threshold"] == 1.5
    assert not (tmp_path / "detector").exists()
    assert "AgainstModel" in capsys.readouterr().out


def test_compare(home: Path, survey: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    biased = home / "demo-photograph"
    given = ("compare-models", f"biased={biased}", f"fixed={survey}", "--label", "scissors", "--match", "-o", tmp_path)
    assert run(*given, "-l", "biased=layer4") == 0
    printed = capsys.readouterr().out
    assert "ModelComparison of 2 models:" in printed
    assert re.search(r"  scissors, fixed: AUROC 1\.000.*, threshold", printed)
    assert re.search(r"ChannelMatches: biased layer4 and fixed layer4: \d+ mutual", printed)
    assert [row["model"] for row in rows_of(tmp_path / "models.csv")] == ["biased", "fixed"]
    assert is_figure(tmp_path / "models__scissors.png")
    assert is_figure(tmp_path / "matches__biased__fixed.png")
    target = ("--target", f"fixed={home / 'demo-fixed-xray'}")
    assert run("compare-models", f"fixed={survey}", *target, "-l", "layer4", "-o", tmp_path / "t") == 0
    assert "on demo-fixed-xray AUROC" in capsys.readouterr().out
    assert is_figure(tmp_path / "t" / "models__all.png")


def test_confusion_shows_mistakes_or_says_why_not(
    home: Path, survey: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("confusion", home / "demo-photograph", "-o", tmp_path / "o", "--most", "2") == 0
    wrong = fm.open_survey(home / "demo-photograph").mistakes()
    assert len(wrong) > 2
    printed = capsys.readouterr().out
    assert f"Mistakes: {len(wrong)} of 12 pictures, louder channels" in printed
    table = rows_of(tmp_path / "o" / "mistakes.csv")
    assert [row["picture"] for row in table] == [one.name for one in wrong]
    assert {row["louder"] for row in table} <= {"scissors", "hammer", ""}
    assert is_figure(tmp_path / "o" / "confusion.png")
    assert is_figure(tmp_path / "o" / "mistakes.png")


def test_pictures_that_moved(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(home / "photograph", tmp_path / "before")
    given = ("survey", tmp_path / "before", "-m", "demo", "-l", "layer4", "-o", tmp_path / "s", "--keep", "2")
    assert run(*given) == 0
    (tmp_path / "before").rename(tmp_path / "after")
    assert run("confusion", tmp_path / "s", "-o", tmp_path / "o") == 0
    assert "the mistakes cannot be shown" in capsys.readouterr().err
    assert not (tmp_path / "o" / "mistakes.png").exists()
    assert run("confusion", tmp_path / "s", "--pictures", tmp_path / "after", "-o", tmp_path / "o") == 0
    assert is_figure(tmp_path / "o" / "mistakes.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["survey", "{home}/nothing", "-m", "demo"], r"nothing does not exist\. Pass an image folder"),
        (["survey", "{home}/xray", "-m", "demo", "-l", "layer9"], "layer9"),
        (["survey", "{home}/xray", "-m", "demo", "--labels", "gone.txt"], r"--labels: there is no file 'gone\.txt'"),
        (
            ["survey", "{home}/xray", "-m", "demo", "--precision", "int8"],
            r"--precision 'int8' is not known; choose float32, bfloat16, float16\.",
        ),
        (["specialists", "{home}/xray"], "xray holds no survey"),
        (["specialists", "{survey}", "--layer", "layer44"], r"no layer 'layer44'\. Did you mean 'layer4'\?"),
        (["specialists", "{survey}", "--by", "median"], "--by 'median' is not known; choose mean, max"),
        (["specialists", "{survey}", "--per-class", "0"], "per_class is how many channels"),
        (["top", "{survey}", "layer4:96"], "layer4 has channels 0 to 95; 96 was asked for"),
        (["top", "{survey}", "layer4"], "'layer4' is a layer, and a unit is one channel of it: 'layer4:0'"),
        (["top", "{survey}", "layer4:1", "--which", "strong"], "Did you mean 'strongest'"),
        (["top", "{survey}", "layer4:1", "--label", "scisors"], "no class 'scisors'. Did you mean 'scissors'"),
        (["top", "{survey}", "layer4:1", "-m", "demo"], "made with another model than the one given.*demo-fixed"),
        (["top", "{survey}", "layer4:1", "-w", "w.pth"], "--weights are those of a model; name it too"),
        (["sums", "{survey}", "--channels", "cat"], "--channels 'cat' is not understood; write a class and its chan"),
        (["sums", "{survey}", "--channels", "cat=3,x"], "--channels '3,x' is not understood; write channel numbers"),
        (["sums", "{survey}", "--channels", "a=1", "--channels", "a=2"], "'a' is given twice, as '1' and '2'"),
        (["sums", "{survey}", "--channels", "scissors=96"], "layer4 has channels 0 to 95, there is no 96"),
        (["detect", "{survey}", "--label", "cat"], "has no class 'cat'.*Its classes are hammer, scissors"),
        (
            ["detect", "{survey}", "--label", "scissors", "--threshold", "best"],
            "'best' is not understood; write youden",
        ),
        (["detect", "{survey}", "--label", "scissors", "--threshold", "recal=1"], "'recal=1' is not understood"),
        (["detect", "{survey}", "--label", "scissors", "--channels", "3", "--threshold", "recall=2"], "recall"),
        (["detect", "{survey}", "--label", "scissors", "--rule", "singel"], "Did you mean 'single'"),
        (
            ["detect", "{survey}", "--label", "hammer", "--channels", "3", "--test", "{home}/demo-photograph"],
            "is of another model",
        ),
        (["compare-models", "{survey}"], "a survey '.*' is not understood; write a name and the survey's folder"),
        (["compare-models", "a={survey}", "--target", "b={survey}"], "--target: there is no model 'b' among a"),
        (["compare-models", "a={survey}", "-l", "layer4", "-l", "layer3"], "--layer 'layer4' is not understood"),
        (["confusion", "{survey}", "--name", "hammer"], "--name 'hammer' is not understood; write a label and"),
        (["confusion", "{survey}", "--name", "hammer=axe"], "the model has no output 'axe'"),
    ],
)
def test_errors_are_one_message(
    arguments: list[str], message: str, home: Path, survey: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [part.replace("{home}", str(home)).replace("{survey}", str(survey)) for part in arguments]
    assert run(*given, "-o", tmp_path / "o") == 1
    printed = capsys.readouterr().err
    assert printed.startswith("featuremaps: ")
    assert re.search(message, printed, re.DOTALL), printed


COMMANDS = ("survey", "specialists", "top", "sums", "detect", "compare-models", "confusion")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help") == 0
    assert f"featuremaps {command} " in capsys.readouterr().out
