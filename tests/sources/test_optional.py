"""Sources that need an optional package, each in a process of its own, because they change global state when imported."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HUGGING_FACE = """
import numpy as np, torch, transformers
from PIL import Image
import featuremaps as fm

torch.manual_seed(0)
settings = transformers.ViTConfig(hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64,
                                  image_size=64, patch_size=8, num_labels=3, id2label={0: "cat", 1: "dog", 2: "bird"},
                                  label2id={"cat": 0, "dog": 1, "bird": 2})
model = transformers.AutoModelForImageClassification.from_config(settings)
model.save_pretrained("vit")
transformers.ViTImageProcessor(size={"height": 64, "width": 64}).save_pretrained("vit")
picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (80, 100, 3), dtype=np.uint8))
scope = fm.load("hf:vit")
heat = scope.explain(picture, target="dog")
assert heat.layer == "vit.layers.2.layernorm_before", heat.layer
assert heat.tensor.shape == (1, 8, 8) and bool(heat.tensor.any()) and heat.warnings == ((),)
assert heat.overlay(on="original")[0].size == (100, 80)
with torch.inference_mode():
    expected = model.eval()(pixel_values=scope.preprocessing(heat.pictures[0].picture)[None]).logits
torch.testing.assert_close(scope.record(picture).logits, expected)
"""

KERAS = """
import os
os.environ["KERAS_BACKEND"] = "torch"
import keras, numpy as np, torch
from PIL import Image
import featuremaps as fm

keras.utils.set_random_seed(0)
inputs = keras.Input((32, 32, 3))
x = keras.layers.Conv2D(8, 3, activation="relu", name="first")(inputs)
x = keras.layers.Conv2D(12, 3, strides=2, activation="relu", name="second")(x)
x = keras.layers.GlobalAveragePooling2D()(x)
model = keras.Model(inputs, keras.layers.Dense(4)(x))
model.save("small.keras")
picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8))
scope = fm.load("keras:small.keras")
assert scope.layers().last == "layers.second"
pixels = np.asarray(picture, dtype="float32")[None] / 255
logits = scope.record(picture).logits
np.testing.assert_allclose(logits.numpy(), keras.ops.convert_to_numpy(model(pixels)), rtol=1e-4, atol=1e-5)
maps = keras.ops.convert_to_numpy(keras.Model(inputs, model.get_layer("second").output)(pixels))
weights = keras.ops.convert_to_numpy(model.layers[-1].kernel)
heat = scope.explain(picture, "cam", target=2)
np.testing.assert_allclose(heat.tensor[0].numpy(), maps[0] @ weights[:, 2], rtol=1e-3, atol=1e-5)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("package", "script"), [("transformers", HUGGING_FACE), ("keras", KERAS)])
def test_source(package: str, script: str, tmp_path: Path) -> None:
    if find_spec(package) is None:
        pytest.skip(f"{package} is an optional package, and it is not installed")
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
