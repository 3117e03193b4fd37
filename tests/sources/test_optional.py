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

PYTEST = f"import pytest; raise SystemExit(pytest.main(['-q', '-p', 'no:cacheprovider', {str(Path(__file__).with_name('keras_laws.py'))!r}]))"


@pytest.mark.slow
@pytest.mark.parametrize(("package", "script"), [("transformers", HUGGING_FACE), ("keras", PYTEST)])
def test_source(package: str, script: str, tmp_path: Path) -> None:
    if find_spec(package) is None:
        pytest.skip(f"{package} is an optional package, and it is not installed")
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
