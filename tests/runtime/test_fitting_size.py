"""Which pictures a model runs on."""

import pytest
import torch
from torch import nn

import featuremaps as fm
from featuremaps.errors import ModelError
from featuremaps.runtime.fitting_size import fitting_side
from snapshots import snapshot


def dense(side: int, channels: int = 3) -> nn.Module:
    conv = nn.Sequential(nn.Conv2d(channels, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(conv, nn.Flatten(), nn.Linear(4 * (side // 2) ** 2, 3)).eval()


@pytest.mark.parametrize(("side", "found"), [(64, 64), (28, 28), (224, 224), (77, None)])
def test_the_smallest_usual_side(side: int, found: int | None) -> None:
    assert fitting_side(dense(side), torch.rand(2, 3, 70, 90)) == found


def test_a_model_with_hooks_is_not_tried() -> None:
    model = dense(64)
    model[0].register_forward_hook(lambda *_: pytest.fail("the hook saw a picture"))
    assert fitting_side(model, torch.rand(2, 3, 70, 90)) is None


@pytest.mark.parametrize("method", ["grad_cam", "saliency", "occlusion"])
def test_pictures_of_another_size_are_told_which_fit(method: str) -> None:
    model, pictures = dense(32), torch.rand(2, 3, 40, 50)
    before = snapshot(model, pictures)
    with pytest.raises(
        ModelError, match=r"on pictures of 40×50: .*it runs on 32×32, .*preprocess\(size=32\), --size 32"
    ):
        fm.Scope(model).explain(pictures, method)
    assert before.differences(snapshot(model, pictures)) == []
