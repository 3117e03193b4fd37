"""Keras models, run by `test_optional` in a process of their own: what they give is what Keras gives."""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from keras import layers as L
from PIL import Image

import featuremaps as fm
from featuremaps.errors import FeatureMapsWarning, ModelError, SourceError
from featuremaps.session import in_turn

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras saving a model
ROOT = Path(__file__).resolve().parents[2]
PIXELS = np.random.default_rng(0).integers(0, 255, (24, 24, 3), dtype=np.uint8)
PICTURE = Image.fromarray(PIXELS)


@pytest.fixture(autouse=True)
def seeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keras.utils.set_random_seed(0)
    monkeypatch.chdir(tmp_path)


class Block(L.Layer):
    """A layer with others, one as an attribute and two in a list."""

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self.one = L.Conv2D(4, 3, padding="same", name="begins")
        self.more = [L.ReLU(name="bends"), L.Conv2D(4, 3, name="ends")]

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        inputs = self.one(inputs)
        for layer in self.more:
            inputs = layer(inputs)
        return inputs


def headed(inputs: object, maps: object) -> keras.Model:
    return keras.Model(inputs, L.Dense(3, name="scores")(L.GlobalAveragePooling2D()(maps)))


def nested() -> keras.Model:
    base = keras.Sequential(
        [keras.Input((24, 24, 3)), L.Conv2D(6, 3, activation="relu", name="low"), L.Conv2D(4, 3, name="high")],
        name="base",
    )
    inputs = keras.Input((24, 24, 3))
    return headed(inputs, Block(name="block")(base(inputs)))


def of(*layers: object, shape: tuple[int | None, ...] = (24, 24, 3)) -> keras.Model:
    return keras.Sequential([keras.Input(shape), *layers])


def scores(*before: object, shape: tuple[int | None, ...] = (24, 24, 3)) -> keras.Model:
    return of(*before, L.Conv2D(4, 3, activation="relu"), L.GlobalAveragePooling2D(), L.Dense(3), shape=shape)


def normalised(brightest: int) -> L.Layer:
    layer = L.Normalization()
    layer.adapt(np.random.default_rng(1).random((4, 8, 8, 3)) * brightest)
    return layer


def in_graph(preprocess_input: object) -> keras.Model:
    inputs = keras.Input((24, 24, 3))
    return keras.Model(inputs, scores()(preprocess_input(inputs)))


def test_layers_inside_others_have_addresses_and_give_what_keras_gives() -> None:
    model = nested()
    names = list(model.state_dict())
    scope, base = fm.Scope(model), model.get_layer("base")
    given = torch.from_numpy(PIXELS / 255).float()[None]
    kept = base.get_layer("low")(given)
    torch.testing.assert_close(scope.maps(PICTURE, "layers.base.low").tensor, kept.detach().movedim(-1, 1))
    maps = scope.maps(PICTURE, model.get_layer("block").more[1])
    assert maps.layer == "layers.block.ends"
    torch.testing.assert_close(maps.tensor, model.get_layer("block")(base(given)).detach().movedim(-1, 1))
    kernel = model.get_layer("scores").kernel.value.detach()
    heat = scope.explain(PICTURE, "cam", target=2)
    torch.testing.assert_close(
        heat.tensor, torch.einsum("bchw,c->bhw", maps.tensor, kernel[:, 2]), rtol=1e-3, atol=1e-5
    )
    rows = {info.name: info for info in scope.layers()}
    assert rows["layers.base.low"].formula == "(24 − 3 + 2·0)/1 + 1 = 22"
    assert rows["layers.block.bends"].formula is None
    assert rows["layers.block"].formula is None
    assert list(model.state_dict()) == names


@pytest.mark.parametrize(
    ("layer", "settings"),
    [
        (lambda: L.Conv2D(6, (3, 2), groups=2, dilation_rate=2, use_bias=False, activation="relu"), {"groups": 2}),
        (lambda: L.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False), {"groups": 4}),
        (lambda: L.SeparableConv2D(5, 3, depth_multiplier=2, use_bias=False), {"groups": 1}),
    ],
)
def test_filters_are_those_of_an_ordinary_convolution(layer: object, settings: dict[str, int]) -> None:
    made = layer()
    filters = fm.Scope(of(made, shape=(9, 9, 4))).filters(made)
    assert filters.groups == settings["groups"]
    inputs = torch.rand(1, 4, 9, 9)
    plain = F.conv2d(inputs, filters.tensor, groups=filters.groups, dilation=filters.dilation)
    expected = made(inputs.movedim(1, -1)).detach().movedim(-1, 1)
    torch.testing.assert_close(plain.relu() if filters.dilation == (2, 2) else plain, expected)


def test_filters_of_a_transposed_convolution() -> None:
    layer = L.Conv2DTranspose(5, 3, use_bias=False)
    filters = fm.Scope(of(layer, shape=(9, 9, 4))).filters(layer)
    inputs = torch.rand(1, 4, 9, 9)
    expected = layer(inputs.movedim(1, -1)).detach().movedim(-1, 1)
    torch.testing.assert_close(F.conv_transpose2d(inputs, filters.tensor.transpose(0, 1)), expected)


@pytest.mark.parametrize(
    ("model", "brightest"),
    [
        (lambda: scores(L.Rescaling(1 / 255)), 255),
        (lambda: scores(L.RandomFlip(), L.Rescaling(1 / 127.5, offset=-1), L.ZeroPadding2D()), 255),
        (lambda: scores(normalised(255)), 255),
        (lambda: scores(normalised(1)), 1),
        (lambda: scores(L.Rescaling(2.0, offset=-1)), 1),
        (lambda: in_graph(keras.applications.mobilenet_v2.preprocess_input), 255),
        (lambda: in_graph(keras.applications.resnet50.preprocess_input), 255),
    ],
)
def test_pictures_come_in_the_range_that_the_model_scales_itself(model: object, brightest: int) -> None:
    made = model()
    scope = fm.Scope(made)
    expected = made(torch.from_numpy(PIXELS / 255 * brightest).float()[None], training=False).detach()
    torch.testing.assert_close(scope.record(PICTURE, "last", target=0).logits, expected, rtol=1e-3, atol=1e-4)
    assert scope.record(PICTURE, "last", target=0).logits.shape == (1, 3)


def test_random_layers_inside_are_left_as_they_were() -> None:
    model = scores(L.RandomFlip(), L.RandomRotation(0.2))
    seeds = [weight.value.clone() for weight in model.non_trainable_variables]
    scope = fm.Scope(model)
    given = scope.see(PICTURE).seen[0].input[None].movedim(1, -1)
    answers = [scope.record(PICTURE, "last", target=0).logits for _ in range(3)]
    expected = model(given, training=False).detach()  # called without that, Keras flips and turns at random
    torch.testing.assert_close(answers, [expected] * 3)
    assert seeds
    assert all(map(torch.equal, seeds, (weight.value for weight in model.non_trainable_variables)))


def test_two_scopes_of_one_model_take_turns() -> None:
    model = scores()
    with ThreadPoolExecutor(1) as thread:
        with in_turn(fm.Scope(model).model):
            waiting = thread.submit(lambda: fm.Scope(model).record(PICTURE, target=0))
            with pytest.raises(TimeoutError):
                waiting.result(0.5)
        assert waiting.result(60).logits is not None


def test_a_model_without_scaling_gets_pixels_to_1_and_says_so_once() -> None:
    scope = fm.Scope(scores())
    with warnings.catch_warnings(action="error"):
        assert scope.layers().last == scope.layers()[0].name  # where nobody gave a picture, nothing is said
    with pytest.warns(FeatureMapsWarning, match=r"no preprocessing was given.*24 x 24"):
        scope.predict(PICTURE.resize((50, 40)))
    plain = fm.Scope(scores(), transform=fm.preprocess(size=24))
    assert not plain.preprocessing.assumed


def test_grey_any_size_and_pictures_without_an_axis_of_colours() -> None:
    grey = np.asarray(PICTURE.convert("L"))
    model = scores(L.Rescaling(1 / 255), shape=(None, None, 1))
    model.save("grey.keras")
    maps = fm.load("keras:grey.keras").maps(PICTURE.resize((31, 19)))
    given = np.asarray(PICTURE.resize((31, 19)).convert("L"), np.float32)[None, :, :, None]
    expected = keras.Model(model.inputs, model.layers[1].output)(torch.from_numpy(given)).detach().movedim(-1, 1)
    torch.testing.assert_close(maps.tensor, expected, rtol=1e-3, atol=1e-3)
    flat = of(L.Rescaling(1 / 255), L.Flatten(), L.Dense(3), shape=(24, 24))
    made, expected = fm.Scope(flat), flat(torch.from_numpy(grey.astype("float32"))[None])
    answer = made.predict(PICTURE, 3)[0]
    assert sorted(each.score for each in answer) == pytest.approx(sorted(expected[0].tolist()), rel=1e-2)


def test_signals_and_volumes() -> None:
    signal = fm.Scope(of(L.Conv1D(4, 3), L.GlobalAveragePooling1D(), L.Dense(2), shape=(50, 2)))
    assert signal.layers().last == "layers.conv1d"
    assert signal.maps(torch.rand(2, 50)).tensor.shape == (1, 4, 48)
    volume = fm.Scope(of(L.Conv3D(4, 3), L.GlobalAveragePooling3D(), L.Dense(2), shape=(8, 9, 10, 1)))
    assert volume.layers()["layers.conv3d"].size == (6, 7, 8)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: of(L.Dense(2), shape=(10,)), r"takes vectors \(10\).*input is \(height, width, channel\)"),
        (
            lambda: keras.Model(
                [a := keras.Input((8, 8, 3), name="picture"), b := keras.Input((8, 8, 1), name="depth")],
                L.Concatenate()([a, b]),
            ),
            r"takes 2 inputs \(picture 8×8×3, depth 8×8×1\).*keras\.Model\(picture, model",
        ),
        (lambda: L.Conv2D(2, 3), r"Conv2D is a Keras layer.*keras\.Sequential"),
        (lambda: keras.Sequential([L.Conv2D(2, 3)]), "has no weights yet.*Call it once on a batch"),
    ],
)
def test_models_without_pictures_alone_are_refused(model: object, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        fm.Scope(model())


def test_a_segmentation_model_is_one_here_too() -> None:
    inputs = keras.Input((24, 24, 3))
    maps = L.Conv2D(8, 3, padding="same", activation="relu", name="maps")(inputs)
    model = keras.Model(inputs, L.Conv2D(4, 1, activation="softmax", name="scores")(maps))
    scope = fm.Scope(model, fm.preprocess(), classes=["ground", "cat", "dog", "hen"])
    record = scope.record(PICTURE, "layers.maps", gradients=False)
    expected = model(torch.from_numpy(PIXELS[None] / np.float32(255)), training=False)
    torch.testing.assert_close(record.logits, expected.movedim(-1, 1), atol=1e-6, rtol=1e-5)
    heat = scope.explain(PICTURE, layer="layers.maps", target=fm.Region("dog"))
    assert heat.tensor.shape == (1, 24, 24)


def test_inputs_as_keras_orders_them_are_told_how_they_are_given() -> None:
    series = keras.Input((40, 2))
    model = keras.Model(series, L.Dense(2)(L.GlobalAveragePooling1D()(L.Conv1D(4, 5)(series))))
    with pytest.raises(
        ModelError, match=r"takes inputs of 40×2, .*The channels stand last .*numpy\.moveaxis\(batch, -1, 1\)"
    ):
        fm.Scope(model).explain(torch.rand(3, 40, 2))
    with pytest.raises(ModelError, match=r"Give tensors \(channel, …\) of such lengths, 2×40 for one"):
        fm.Scope(model).explain(torch.rand(3, 2, 50))
    assert fm.Scope(model).explain(torch.rand(3, 2, 40)).tensor.shape == (3, 36)


def test_what_is_wrong_in_a_layer_or_a_file_is_one_sentence() -> None:
    scope = fm.Scope(scores())
    with pytest.raises(ModelError, match="takes inputs of 24×24×3, as Keras orders axes, and got 20×20×3"):
        scope.maps(torch.rand(1, 3, 20, 20))
    with pytest.raises(fm.errors.LayoutError, match=r"^layer 'layers\.dense"):
        scope.record(PICTURE, next(info.name for info in scope.layers() if info.type == "Dense"))
    scores().save("scores.keras")
    assert fm.load("scores.keras").layers().last.startswith("layers.conv2d")
    Path("model.h5").touch()
    with pytest.raises(SourceError, match=r"no \.keras file.*model\.save"):
        fm.load("keras:model.h5")
    Path("own.weights.h5").touch()
    for name in ("keras:own.weights.h5", "own.weights.h5"):
        with pytest.raises(SourceError, match=r"weights of a Keras model alone: .*model\.load_weights"):
            fm.load(name)
    Path("short.keras").write_bytes(Path("scores.keras").read_bytes()[:500])
    with pytest.raises(SourceError, match=r"'short\.keras' is damaged or cut short"):
        fm.load("keras:short.keras")
    of(L.Lambda(lambda x: x)).save("lambda.keras")
    with pytest.raises(SourceError, match=r"cannot be loaded: .*featuremaps\.Scope\(keras\.saving\.load_model"):
        fm.load("keras:lambda.keras")


def test_the_documented_example_runs() -> None:
    assert (ROOT / "docs" / "digits.jpg").stat().st_size < 200_000
    code = (ROOT / "docs" / "keras.md").read_text().split("```python\n")[1].split("```")[0]
    names: dict[str, object] = {}
    exec(code, names)
    scope, model, picture = (names[name] for name in ("scope", "model", "picture"))
    given = torch.from_numpy(np.asarray(picture, np.float32))[None, :, :, None]
    inner = keras.Model(model.inputs, model.get_layer("second").output)
    torch.testing.assert_close(scope.maps(picture, "layers.second").tensor, inner(given).detach().movedim(-1, 1))
    kernel = model.get_layer("first").kernel.value.detach()
    torch.testing.assert_close(scope.filters("layers.first").tensor[5, 0], kernel[:, :, 0, 5])
    assert list(Path("digits").iterdir())
