"""A survey keeps what the model does: every number against a loop over the pictures, whatever reads and batches them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from benchmarks.resnet20 import resnet20
from PIL import Image
from survey_samples import LAYERS, contents, maps_of, small_model, survey_of, write_pictures
from torch import nn
from torchvision.transforms import v2

from featuremaps.errors import FeatureMapsWarning, LayerNotFoundError, ModelError, OptionError, SurveyError
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.survey.survey import Survey, open_survey
from snapshots import snapshot


def test_every_number_is_the_models(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", {"a": 5, "b": 6})
    survey = survey_of(tmp_path / "pictures", tmp_path / "out")
    assert survey.classes == ("a", "b")
    assert survey.pictures.names == tuple(f"a/{i}.png" for i in range(5)) + tuple(f"b/{i}.png" for i in range(6))
    assert survey.pictures.labels.tolist() == [0] * 5 + [1] * 6
    every = [maps_of(Image.open(path)) for path in paths]
    for layer in LAYERS:
        maps = torch.stack([one[layer] for one in every])
        np.testing.assert_allclose(survey.vectors(layer), maps.mean((2, 3)).numpy(), rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(survey.vectors(layer, "max"), maps.amax((2, 3)).numpy(), rtol=1e-3, atol=1e-6)
        np.testing.assert_array_equal(survey.vectors(layer, "max", [3, 1]), survey.vectors(layer, "max")[:, [3, 1]])
        blocks = list(survey.blocks(layer))
        assert [rows for rows, _ in blocks] == [slice(0, 4), slice(4, 8), slice(8, 11)]
        np.testing.assert_array_equal(np.concatenate([block for _, block in blocks]), survey.vectors(layer))
        statistics = survey.statistics(layer)
        np.testing.assert_allclose(statistics["sparsity"], (maps == 0).float().mean((0, 2, 3)).numpy(), rtol=1e-6)
        np.testing.assert_allclose(statistics["active"], (maps.amax((2, 3)) > 0).float().mean(0).numpy(), rtol=1e-6)
        np.testing.assert_allclose(statistics["mean"], survey.vectors(layer).mean(0), rtol=1e-5)
        np.testing.assert_allclose(statistics["peak_max"], survey.vectors(layer, "max").max(0), rtol=1e-6)


@pytest.mark.parametrize("by", ["max", "mean"])
@pytest.mark.parametrize("end", ["strongest", "weakest"])
def test_the_top_pictures_and_where(tmp_path: Path, by: str, end: str) -> None:
    paths = write_pictures(tmp_path / "pictures", {"a": 5, "b": 6})
    survey = survey_of(tmp_path / "pictures", tmp_path / "out")
    for layer, channel in (("1", 2), ("3", 0), ("3", 4)):
        maps = [maps_of(Image.open(path))[layer][channel] for path in paths]
        values = [float(one.max() if by == "max" else one.mean()) for one in maps]
        order = sorted(range(len(paths)), key=lambda i: (values[i] if end == "weakest" else -values[i], i))[:5]
        found = survey.top(f"{layer}:{channel}", 5, by=by, end=end)
        assert [one.row for one in found] == order
        assert [one.value for one in found] == pytest.approx([values[i] for i in order], rel=1e-5)
        assert all(maps[one.row][one.y, one.x] == pytest.approx(float(maps[one.row].max())) for one in found)


def test_predictions_are_the_models(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", {"a": 5})
    survey = survey_of(tmp_path / "pictures", tmp_path / "out", classes=["x", "y", "z"])
    predictions = survey.predictions()
    assert survey.model_classes == ("x", "y", "z")
    shares = torch.stack([maps_of(Image.open(path))["6"].softmax(0) for path in paths])
    assert predictions.indices.tolist() == shares.argmax(1).tolist()
    np.testing.assert_allclose(predictions.probabilities, shares.amax(1).numpy(), rtol=1e-5)
    np.testing.assert_allclose(predictions.top_probabilities, shares.sort(1, descending=True)[0].numpy(), rtol=1e-5)
    shallow = survey_of(tmp_path / "pictures", tmp_path / "shallow", "0")
    assert shallow.predictions() is None  # they would cost the rest of the model
    assert survey_of(tmp_path / "pictures", tmp_path / "asked", "0", predictions=True).predictions() is not None


def test_workers_and_batches_change_nothing(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", {"a": 9, "b": 8})
    one = survey_of(tmp_path / "pictures", tmp_path / "one")
    survey_of(tmp_path / "pictures", tmp_path / "threads", workers=3)
    assert contents(tmp_path / "one") == contents(tmp_path / "threads")
    single = survey_of(tmp_path / "pictures", tmp_path / "single", batch_size=1, shard=17)
    np.testing.assert_allclose(single.vectors("3"), one.vectors("3"), rtol=1e-3, atol=1e-6)
    assert [found.row for found in single.top("3:2", 5)] == [found.row for found in one.top("3:2", 5)]


def test_a_random_transform_draws_the_same_for_a_picture_each_time(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", {"a": 6})
    transform = v2.Compose([v2.RandomCrop(12), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    model, before = small_model(), torch.get_rng_state()
    for name, shard in (("one", 6), ("other", 2)):
        survey_of(
            tmp_path / "pictures", tmp_path / name, LAYERS, model, preprocessing=Preprocessing(transform), shard=shard
        )
    first, second = (open_survey(tmp_path / name).vectors("3") for name in ("one", "other"))
    np.testing.assert_allclose(first, second, rtol=1e-3)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.filterwarnings("ignore:.*pictures were left out")
def test_pictures_of_any_size(tmp_path: Path) -> None:
    for i, size in enumerate([(16, 16), (24, 16), (16, 24), (4, 4), (16, 16)]):
        write_pictures(tmp_path / "pictures", {f"{i}": 3}, size)
    survey = survey_of(tmp_path / "pictures", tmp_path / "out", shard=15)
    assert [one.name for one in survey.pictures.bad] == ["3/0.png", "3/1.png", "3/2.png"]
    assert survey.pictures.bad[0].reason.startswith("the model does not run on an input of 3×4×4: ")
    for row, name in enumerate(survey.pictures.names):
        maps = maps_of(Image.open(tmp_path / "pictures" / name))["3"]
        np.testing.assert_allclose(survey.vectors("3")[row], maps.mean((1, 2)).numpy(), rtol=2e-3, atol=1e-6)


def test_bad_pictures_are_listed_and_not_counted(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", {"a": 6, "b": 3})
    survey_of(tmp_path / "pictures", tmp_path / "whole")
    paths[1].write_bytes(b"")
    paths[4].write_bytes(paths[4].read_bytes()[:60])
    with pytest.warns(FeatureMapsWarning, match=r"^2 of 9 pictures were left out, first 'a/1\.png': the file is empty"):
        survey = survey_of(tmp_path / "pictures", tmp_path / "out")
    assert [(one.number, one.name) for one in survey.pictures.bad] == [(1, "a/1.png"), (4, "a/4.png")]
    assert survey.pictures.bad[0].reason == "the file is empty (0 bytes)."
    assert survey.pictures.numbers.tolist() == [0, 2, 3, 5, 6, 7, 8]
    whole = open_survey(tmp_path / "whole").vectors("3")
    np.testing.assert_allclose(survey.vectors("3"), whole[survey.pictures.numbers], rtol=1e-3, atol=1e-6)
    assert {found.row for found in survey.top("3:0", 5)} <= set(range(7))


@pytest.mark.filterwarnings("ignore:.*pictures were left out")
def test_a_picture_that_gives_no_finite_values_is_bad(tmp_path: Path) -> None:
    inputs = torch.rand(5, 3, 16, 16)
    inputs[2] *= 1e38
    survey = survey_of(inputs, tmp_path / "out")
    assert [(one.number, one.reason) for one in survey.pictures.bad] == [
        (2, "layer '1' gives values for it that are not finite.")
    ]
    broken = small_model()
    with torch.no_grad():
        broken[2].bias[0] = torch.nan
    with pytest.raises(ModelError, match="own weights are not finite: 2.bias"):
        survey_of(inputs, tmp_path / "broken", model=broken)


def test_memory_that_runs_out_halves_the_batch(tmp_path: Path) -> None:
    class Narrow(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if len(x) > 2:
                raise torch.OutOfMemoryError("too many")
            return super().forward(x)

    inputs = torch.rand(7, 3, 16, 16)
    narrow = survey_of(inputs, tmp_path / "narrow", model=Narrow(*small_model().children()).eval(), batch_size=7)
    np.testing.assert_allclose(narrow.vectors("3"), survey_of(inputs, tmp_path / "out").vectors("3"), rtol=1e-3)


def test_channels_that_never_fire(tmp_path: Path) -> None:
    survey = survey_of(torch.rand(6, 3, 16, 16), tmp_path / "out")
    statistics = survey.statistics("3")
    assert statistics["active"][5] == statistics["peak_max"][5] == 1 - statistics["sparsity"][5] == 0
    assert [(one.row, one.value) for one in survey.top("3:5", 3)] == [(0, 0.0), (1, 0.0), (2, 0.0)]


def test_values_too_large_for_half_precision_are_kept_in_full(tmp_path: Path) -> None:
    survey = survey_of(torch.rand(6, 3, 16, 16) * 1e6, tmp_path / "out")
    assert survey.vectors("3", "max").max() > 65504
    assert np.isfinite(survey.vectors("3", "max")).all()


def kinds(survey: Survey, layer: str) -> list[str]:
    """The types of the channels' columns in the first shard."""
    schema = pq.read_schema(survey.path / "vectors" / layer / "mean" / "00000.parquet")
    return [str(schema.field(str(channel)).type) for channel in range(survey.layers[layer].channels)]


def test_what_half_precision_would_lose_is_kept_in_full(tmp_path: Path) -> None:
    """Small values, small differences on a large offset, and values that overflow; each for its channel alone."""
    scale, offset = torch.tensor([1.0, 1e-8, 0.2, 1e6, 0.0]), torch.tensor([0.0, 0.0, 1000.0, 0.0, 0.0])
    inputs = torch.rand(10, 5, 3, 3) * scale[:, None, None] + offset[:, None, None]
    survey = survey_of(inputs, tmp_path / "out", "0", nn.Sequential(nn.Identity(), nn.Flatten()).eval(), shard=6)
    assert kinds(survey, "0") == ["halffloat", "float", "float", "float", "halffloat"]
    for pool, expected in (("mean", inputs.mean((2, 3))), ("max", inputs.amax((2, 3)))):
        found = survey.vectors("0", pool)
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-3)
        np.testing.assert_allclose(found[:, 1:4], expected[:, 1:4].numpy(), rtol=1e-6)
        np.testing.assert_array_equal(survey.vectors("0", pool, [4, 2, 0]), found[:, [4, 2, 0]])
        np.testing.assert_array_equal(np.concatenate([block for _, block in survey.blocks("0", pool)]), found)
    np.testing.assert_allclose(survey.statistics("0")["std"], inputs.mean((2, 3)).double().std(0, correction=0), 1e-2)


def test_a_real_model_is_kept_in_half_precision(tmp_path: Path, shared: Path) -> None:
    paths = sorted((shared / "images" / "cifar10").glob("*/*.jpg"))[::50]
    weights, layers = shared / "models/resnet20_cifar10.safetensors", ["conv1", "layer2", "layer3"]
    survey = survey_of(paths, tmp_path / "out", layers, resnet20(weights), shard=64)
    for layer in layers:
        assert kinds(survey, layer).count("float") <= 1


def test_bfloat16_comes_close(tmp_path: Path, shared: Path) -> None:
    model = resnet20(shared / "models/resnet20_cifar10.safetensors")
    pictures = sorted((shared / "images/cifar10").rglob("*.jpg"))[::20]
    full, half = (
        survey_of(pictures, tmp_path / name, "layer3", model, precision=name, shard=64)
        for name in ("float32", "bfloat16")
    )
    assert half.vectors("layer3").dtype == np.float32
    together = np.corrcoef(full.vectors("layer3").ravel(), half.vectors("layer3").ravel())[0, 1]
    assert 0.999 < together < 1


def test_real_model_and_pictures(tmp_path: Path, shared: Path) -> None:
    model = resnet20(shared / "models/resnet20_cifar10.safetensors")
    transform = v2.Compose(
        [
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    survey = survey_of(
        shared / "images/cifar10",
        tmp_path / "out",
        "last",
        model,
        preprocessing=Preprocessing(transform),
        shard=256,
        batch_size=32,
        workers=1,
    )
    assert list(survey.layers) == ["layer3"]
    layer = survey.layers["layer3"]
    assert (layer.channels, layer.size, layer.input_size, layer.folder) == (64, (8, 8), (32, 32), "layer3")
    assert (survey.predictions().indices == survey.pictures.labels).mean() == pytest.approx(0.804, abs=0.002)


def test_the_model_is_left_as_it_was(tmp_path: Path) -> None:
    model = small_model().train()
    inputs = torch.rand(5, 3, 16, 16)
    before = snapshot(model, inputs)
    survey_of(inputs, tmp_path / "out", model=model)
    assert snapshot(model, inputs).differences(before) == []


def test_no_labels_and_one_class(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", {"only": 5})
    none = survey_of(paths, tmp_path / "none")
    assert none.classes is None
    assert none.pictures.labels.tolist() == [-1] * 5
    assert survey_of(tmp_path / "pictures", tmp_path / "one").classes == ("only",)
    numbers = survey_of([(path, 2) for path in paths], tmp_path / "numbers")
    assert numbers.classes == ("0", "1", "2")


def test_errors(tmp_path: Path) -> None:
    inputs = torch.rand(5, 3, 16, 16)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SurveyError, match="there is no picture in this folder or below it \\(0 other files\\)"):
        survey_of(tmp_path / "empty", tmp_path / "out")
    (tmp_path / "bad.png").write_bytes(b"no")
    with pytest.raises(SurveyError, match="None of 1 pictures could be read:\n.*bad.png: the content is text"):
        survey_of([tmp_path / "bad.png"], tmp_path / "out")
    with pytest.raises(LayerNotFoundError, match="layer '9' is not in Sequential"):
        survey_of(inputs, tmp_path / "out", "9")
    for unit in ("3:4", "last:0", ["1", "*:2"]):
        with pytest.raises(LayerNotFoundError, match="is one channel, and a survey is of whole layers: name '"):
            survey_of(inputs, tmp_path / "out", unit)
    for names in (["x", "y"], ["x", "y", "z", "w"]):
        given = rf"{len(names)} class names were given, and Sequential has 3 outputs\. Name every output, in order"
        with pytest.raises(OptionError, match=given):
            survey_of(inputs, tmp_path / "out", classes=names)
    with pytest.raises(OptionError, match="batch_size is a number of pictures, 1 or more; got 0"):
        survey_of(inputs, tmp_path / "out", batch_size=0)
    with pytest.raises(OptionError, match="workers is how many read pictures at once, 0 or more; got -1"):
        survey_of(inputs, tmp_path / "out", workers=-1)
    with pytest.raises(
        OptionError,
        match=r"needs a classifier, and Sequential gives scores of each place\. Leave it out\. What each class covers",
    ):
        survey_of(inputs, tmp_path / "out", "0", small_model()[:3], predictions=True)
    assert not (tmp_path / "out").exists()
    assert survey_of(inputs, tmp_path / "out", predictions=False, classes=["x"]).model_classes == ("x",)


def test_a_survey_is_opened_and_asked_without_pandas(tmp_path: Path) -> None:
    """Which nothing here needs, and which takes longer to import than a survey to open."""
    write_pictures(tmp_path / "pictures", {"a": 3, "b": 2})
    survey_of(tmp_path / "pictures", tmp_path / "out")
    program = """
import sys
from featuremaps.survey.survey import Survey, open_survey
found = open_survey(sys.argv[1])
found.top("3:1", 2), found.vectors("3"), found.specialists("3", per_image=2, per_class=2)
print("pandas" in sys.modules, found.pictures.labels.tolist())
"""
    given = [sys.executable, "-c", program, str(tmp_path / "out")]
    done = subprocess.run(given, capture_output=True, text=True, check=True)
    assert done.stdout == "False [0, 0, 0, 1, 1]\n"


def test_the_model_is_compared_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the survey is made or gone on with; what opens it afterwards reads neither weights nor transform again."""
    compared: list[object] = []
    monkeypatch.setattr("featuremaps.survey.survey.check_made_with", lambda *given: compared.append(given))
    write_pictures(tmp_path / "pictures", {"a": 3})
    for _ in range(2):
        assert survey_of(tmp_path / "pictures", tmp_path / "out").studied is not None
    assert compared == []
