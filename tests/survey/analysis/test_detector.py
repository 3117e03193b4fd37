"""A detector scores as plain arithmetic on the layer says, stops there, leaves the model alone, and comes back from disk."""

import json
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_surveys import drawn, of_model, survey_of_demo
from torch import nn

import featuremaps as fm
from featuremaps import demo
from featuremaps.errors import LayerNotFoundError, LayoutError, ModelError, OptionError, SurveyError
from featuremaps.survey.analysis.detector import Detector, Origin
from featuremaps.survey.analysis.fit_detector import detector
from featuremaps.survey.storage.fingerprint import model_digest
from map_samples import Twice, tiny_vit
from method_samples import Little, cifar_model, noise, photographs, squeezenet, unchecked
from snapshots import snapshot


def counted(model: nn.Module) -> tuple[list[str], list[object]]:
    """The names of the modules without parts that run from now on, and the handles that count them."""
    ran: list[str] = []
    leaves = [(name, module) for name, module in model.named_modules() if not list(module.children())]
    return ran, [module.register_forward_hook(lambda *_, name=name: ran.append(name)) for name, module in leaves]


def pooled(model: nn.Module, layer: str, inputs: torch.Tensor, how: str) -> torch.Tensor:
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(lambda m, a, output: kept.append(output.clone()))
    with torch.no_grad():
        model(inputs)
    handle.remove()
    return kept[0].mean((2, 3)) if how == "mean" else kept[0].amax((2, 3))


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_the_scores_of_squeezenet_are_sums_of_its_channels(shared: Path, pooling: str) -> None:
    model, inputs = squeezenet(shared), photographs(shared, (0, 280, 430))
    channels = [5, 200, 17]
    found = Detector(model, "features.7", channels, pooling=pooling, threshold=0.5)
    expected = pooled(model, "features.7", inputs, pooling)[:, channels].sum(1)
    torch.testing.assert_close(found(inputs), expected)
    assert found(inputs).dtype == torch.float32
    assert torch.equal(found.detect(inputs), expected >= 0.5)
    one = Detector(model, "features.7", [17], rule="single", pooling=pooling)
    torch.testing.assert_close(one(inputs), pooled(model, "features.7", inputs, pooling)[:, 17])


def test_logistic_weights_bias_and_calibration() -> None:
    model, inputs = Little(), noise(4)
    vectors = pooled(model, "features", inputs, "mean")
    found = Detector(
        model, "features", [1, 6], rule="logistic", weights=[2.0, -0.5], bias=0.25, calibration=(3.0, -1.0)
    )
    expected = 2.0 * vectors[:, 1] - 0.5 * vectors[:, 6] + 0.25
    torch.testing.assert_close(found(inputs), expected)
    torch.testing.assert_close(found.probability(inputs), torch.sigmoid(3.0 * expected - 1.0))


def test_it_stops_at_its_layer_and_so_costs_less(shared: Path) -> None:
    model, inputs = cifar_model(shared), noise(4, (32, 32))
    found = Detector(model, "layer1", [0, 3])
    ran, handles = counted(model)
    found(inputs)  # the model is looked at whole once
    ran.clear()
    model(inputs)
    whole = len(ran)
    ran.clear()
    found(inputs)
    for handle in handles:
        handle.remove()
    assert "layer1.2.conv2" in ran
    assert not [name for name in ran if name.startswith(("layer2", "layer3", "linear"))]
    assert len(ran) < whole / 2


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_alone(training: bool) -> None:
    model = demo.network("demo").train(training)
    inputs = noise(2, (128, 128))
    found = Detector(model, "layer3", [1, 2])
    calm = Detector(demo.network("demo"), "layer3", [1, 2])
    before = snapshot(model, inputs)
    scores = found(inputs)
    assert snapshot(model, inputs).differences(before) == []
    assert torch.equal(scores, calm(inputs))  # batch norm in evaluation mode, whatever the model was in
    assert not scores.requires_grad
    with pytest.raises(Exception, match="expected input"):
        found(torch.zeros(1, 5, 128, 128))
    assert snapshot(model, inputs).differences(before) == []


def test_one_by_one_as_in_a_batch_and_in_every_layout() -> None:
    model, inputs = Twice().eval(), noise(3)
    expected = pooled(model, "first", inputs, "max")[:, [0, 4]].sum(1)
    for layer in ("first", "last", "tokens"):
        found = Detector(model, layer, [0, 4], pooling="max")
        torch.testing.assert_close(found(inputs), expected)
        torch.testing.assert_close(torch.cat([found(one[None]) for one in inputs]), expected)
    assert Detector(tiny_vit(), "encoder.layers.encoder_layer_1", [3])(noise(2, (32, 32))).shape == (2,)


class Slow(nn.Module):
    """Waits between its layers, so that two passes at once are certain to meet."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        time.sleep(0.005)
        maps = self.first(inputs)
        time.sleep(0.005)
        return self.last(maps)


def test_threads_may_call_it_at_once() -> None:
    model, inputs = Slow().eval(), noise(12)
    first, last = Detector(model, "first", [1]), pickle.loads(pickle.dumps(Detector(model, "last", [2])))
    last.model = model
    expected = [(first(one[None]), last(one[None])) for one in inputs]
    with ThreadPoolExecutor(6) as threads:
        found = [[threads.submit(one, x[None]) for one in (first, last)] for x in inputs]
        for own, scores in zip(found, expected, strict=True):
            assert torch.equal(own[0].result(), scores[0])
            assert torch.equal(own[1].result(), scores[1])
    assert not [module for module in model.modules() if module._forward_hooks]


def test_no_pictures_have_no_scores() -> None:
    found = Detector(Little(), "features", [1, 6], calibration=(1.0, 0.0))
    for scores in (found(noise(0)), found.detect(noise(0)), found.probability(noise(0))):
        assert scores.shape == (0,)
    assert found(noise(0)).dtype == torch.float32
    assert fm.Detector is Detector


def test_the_picture_that_gives_no_finite_values_is_named() -> None:
    inputs = noise(8)
    inputs[2] = torch.nan
    found = Detector(Little(), "features", [1])
    with pytest.raises(ModelError, match=r"not finite for picture 2 of the batch \(counted from 0\)"):
        found(inputs)
    inputs[1:] = torch.nan
    with pytest.raises(ModelError, match=r"not finite for pictures 1, 2, 3, 4, 5, … of the batch"):
        found(inputs)


def test_a_score_on_the_threshold_is_positive() -> None:
    found = Detector(None, "conv", [0, 1], threshold=0.75)
    scores = found.scores(torch.tensor([[0.5, 0.25], [0.5, 0.24]]))
    assert found.decided(scores).tolist() == [True, False]


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    source, inputs = survey_of_demo("demo-fixed", "photograph"), drawn("photograph")[0][:8]
    model = demo.network("demo-fixed")
    for rule in ("sum", "single", "logistic"):
        made = detector(of_model(source, model), "scissors", rule=rule, layer="layer4")
        folder = made.save(tmp_path / rule)
        assert sorted(path.name for path in folder.iterdir()) == ["detector.json", "detector.safetensors"]
        assert sum(path.stat().st_size for path in folder.iterdir()) < 5000
        back = Detector.load(folder, demo.network("demo-fixed"))
        assert torch.equal(back(inputs), made(inputs))
        assert torch.equal(back.probability(inputs), made.probability(inputs))
        assert torch.equal(back.detect(inputs), made.detect(inputs))
        assert back.origin == made.origin
        assert repr(back) == repr(made)
    words = json.loads((tmp_path / "sum" / "detector.json").read_text(encoding="utf-8"))
    assert words["origin"]["label"] == "scissors"
    assert words["origin"]["data"] == "demo-fixed-photograph"
    assert words["origin"]["chosen"] == "largest recall − false-alarm rate (Youden)"
    assert words["origin"]["weights"] == model_digest(model)
    assert words["layer"] == "layer4"


def test_another_model_is_refused(tmp_path: Path) -> None:
    model = demo.network("demo-fixed")
    source = of_model(survey_of_demo("demo-fixed", "photograph"), model)
    folder = detector(source, "hammer", layer="layer4").save(tmp_path)
    with pytest.raises(SurveyError, match=r"made for SmallResNet with 256,163 parameters \(weights .*another model"):
        Detector.load(folder, demo.network("demo"))
    trained = demo.network("demo-fixed")
    with torch.no_grad():
        trained.conv1.weight[0, 0, 0, 0] += 1e-6
    with pytest.raises(SurveyError, match="trained on, converted to another precision, or is another checkpoint"):
        Detector.load(folder, trained)
    alone = Detector.load(folder)
    with pytest.raises(ModelError, match=r"detector\.on\(model\)"):
        alone(noise(1, (128, 128)))
    assert alone.on(model)(noise(1, (128, 128))).shape == (1,)
    assert alone.model is None
    with pytest.raises(LayerNotFoundError, match="layer4"):
        alone.on(Little())


def test_files_that_are_missing_damaged_or_newer(tmp_path: Path) -> None:
    with pytest.raises(SurveyError, match=r"holds no detector: detector.json cannot be read"):
        Detector.load(tmp_path)
    folder = Detector(None, "conv", [1], origin=Origin("cat")).save(tmp_path)
    words = json.loads((folder / "detector.json").read_text())
    for text, message in (
        ("{", "is damaged"),
        ("[]", "names no schema"),
        (json.dumps(words | {"schema": 99}), "schema 99.*Update featuremaps"),
        (json.dumps(words | {"rule": "product"}), "rule='product' is not known"),
        (json.dumps(words | {"origin": {"colour": "red"}}), "does not describe a detector"),
    ):
        (folder / "detector.json").write_text(text)
        with unchecked(), pytest.raises(SurveyError, match=message):
            Detector.load(folder)
    (folder / "detector.json").write_text(json.dumps(words))
    (folder / "detector.safetensors").write_bytes(b"nothing")
    with pytest.raises(SurveyError, match="holds no whole detector"):
        Detector.load(folder)


def test_it_is_an_ordinary_module() -> None:
    model, inputs = demo.network("demo"), noise(2, (128, 128))
    found = Detector(model, "layer2", [3, 5], threshold=0.4, calibration=(1.0, 0.0))
    again = pickle.loads(pickle.dumps(found))
    assert torch.equal(again(inputs), found(inputs))
    assert {"channels", "weights", "threshold", "model.conv1.weight"} <= set(found.state_dict())
    other = Detector(demo.network("demo"), "layer2", [1, 5])
    other.load_state_dict(found.state_dict())
    assert torch.equal(other(inputs), found(inputs))
    double = pickle.loads(pickle.dumps(found)).to(torch.float64)
    assert double(inputs).dtype == torch.float32
    torch.testing.assert_close(double(inputs), found(inputs), rtol=1e-4, atol=1e-5)


def test_it_can_be_exported_for_any_batch_size() -> None:
    model = demo.network("demo")
    found = Detector(model, "layer2", [3, 5])
    before = snapshot(model, noise())
    batch = {0: torch.export.Dim("batch")}
    with unchecked():  # sizes are symbols while a graph is taken
        exported = torch.export.export(found, (noise(4, (128, 128)),), dynamic_shapes=(batch,), strict=False)
    inputs = noise(3, (128, 128), seed=1)
    torch.testing.assert_close(exported.module()(inputs), found(inputs))
    assert snapshot(model, noise()).differences(before) == []


def test_what_cannot_be_is_said() -> None:
    model = Little()
    cases = {
        "no channel of 'features' was given": {"channels": []},
        "channel 3 of 'features' is given more than once": {"channels": [3, 1, 3]},
        "channel -1 of 'features': channels are counted from 0": {"channels": [2, -1]},
        "rule='single' is about one channel, and 2 were given": {"channels": [1, 2], "rule": "single"},
        "has a weight for each channel": {"channels": [1], "rule": "logistic"},
        "1 weights were given for 2 channels": {"channels": [1, 2], "rule": "logistic", "weights": [1.0]},
    }
    for message, given in cases.items():
        with pytest.raises(SurveyError, match=message):
            Detector(model, "features", **given)
    for channels in (5, "3", [1.5], None, [None]):
        with unchecked(), pytest.raises(OptionError, match=r"channels=.*: give the numbers of channels of 'features'"):
            Detector(model, "features", channels)
    with unchecked():
        assert Detector(model, "features", np.array([3, 4])).channels.tolist() == [3, 4]
    with pytest.raises(SurveyError, match=r"has 8 channels, 0 to 7, and channel 8 was asked for"):
        Detector(model, "features", [8])(noise())
    with pytest.raises(LayerNotFoundError, match="features"):
        Detector(model, "feature", [1])
    with pytest.raises(LayoutError, match="no positions"):
        Detector(model, "head", [1])(noise())
    with pytest.raises(SurveyError, match="gives no probabilities"):
        Detector(model, "features", [1]).probability(noise())
    with torch.no_grad():
        model.features.conv1.weight[0, 0, 0, 0] = torch.nan
    with pytest.raises(ModelError, match="not finite"):
        Detector(model, "features", [1])(noise())


def test_new_pictures_score_as_the_survey_said() -> None:
    source, inputs = survey_of_demo("demo-fixed", "photograph"), drawn("photograph")[0]
    found = detector(of_model(source, demo.network("demo-fixed")), "scissors", layer="layer4")
    scores = found(inputs).numpy()
    tested = found.test(source)
    np.testing.assert_allclose(scores, tested.scores, rtol=2e-3, atol=2e-3)  # the survey keeps float16
    assert (found.detect(inputs).numpy() == (tested.scores >= tested.threshold)).all()
