"""Concepts of a layer over a set of pictures, from the verb down."""

from pathlib import Path

import pytest
import torch
from PIL import Image

import featuremaps as fm
from featuremaps.errors import ImageError, MethodError, OptionError
from method_samples import Little, cifar_model, noise, photographs, small_photographs, squeezenet
from snapshots import snapshot


def test_maps_times_vectors_are_the_layer() -> None:
    model, pictures = Little(), noise(3)
    found = fm.Scope(model).factorize(pictures, "features", concepts=8)
    maps = fm.Scope(model).record(pictures, "features", gradients=False).activations["features"]
    rebuilt = torch.einsum("bkhw,kc->bchw", found.maps, found.vectors)
    assert float((rebuilt - maps).norm() / maps.norm()) == pytest.approx(float(found.errors[-1]), abs=1e-4)
    assert float(found.errors[-1]) < 0.1


def test_each_concept_is_scored_as_a_layer_that_holds_nothing_else() -> None:
    model, pictures = Little(), noise(3)
    found = fm.Scope(model, classes=("a", "b", "c", "d")).factorize(pictures, "features", concepts=3)
    assert found.scores is not None
    with torch.no_grad():
        torch.testing.assert_close(found.scores, model.head(found.vectors), rtol=1e-4, atol=1e-4)
    assert found.top_classes(1)[0][0][0] in ("a", "b", "c", "d")


def test_real_photographs(shared: Path) -> None:
    """Few concepts hold a good part of the layer, in batches as in one go."""
    scope, pictures = fm.Scope(squeezenet(shared)), photographs(shared, (270, 280, 290), 160)
    found = scope.factorize(pictures, concepts=4)
    assert (found.layer, len(found), found.maps.shape[0]) == ("features", 4, 3)
    assert float(found.errors[-1]) < 0.85
    again = scope.factorize(pictures, concepts=4, batch_size=1)
    torch.testing.assert_close(again.maps, found.maps, rtol=1e-2, atol=1e-2)
    assert found._repr_png_().startswith(b"\x89PNG")


def test_a_functional_relu_network(shared: Path) -> None:
    found = fm.Scope(cifar_model(shared)).factorize(small_photographs(shared), "layer3", concepts=3)
    assert found.scores is not None
    assert found.scores.shape == (3, 10)


def test_the_model_comes_back() -> None:
    model, pictures = Little().train(), noise(2)
    before = snapshot(model, pictures)
    fm.Scope(model).factorize(pictures, "features", concepts=2)
    assert before.differences(snapshot(model, pictures)) == []


def test_negative_values_are_refused_or_said_to_be_cut() -> None:
    scope = fm.Scope(Little())
    with pytest.raises(MethodError, match="negative|below 0"):
        scope.factorize(noise(2), "features.conv2", concepts=2)
    found = scope.factorize(noise(2), "features.conv2", concepts=2, negative="clip")
    assert any("negative values, which were set to 0" in note for note in found.warnings)


def test_what_does_not_fit() -> None:
    scope = fm.Scope(Little())
    with pytest.raises(OptionError, match="names 2 layers"):
        scope.factorize(noise(2), "features.conv[12]")
    with pytest.raises(ImageError, match="different sizes after preprocessing"):
        scope.factorize([Image.new("RGB", (20, 16)), Image.new("RGB", (16, 24))], "features")
    with pytest.raises(OptionError, match="how many concepts are looked for"):
        scope.factorize(noise(2), "features", concepts=0)
