"""Methods are called in figures and reports as papers call them."""

import pytest

from featuremaps.methods import METHODS
from featuremaps.plotting.method_names import NAMES, method_name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("grad_cam", "Grad-CAM"),
        ("score_cam", "Score-CAM"),
        ("layer_cam", "LayerCAM"),
        ("rise", "RISE"),
        ("occlusion", "Occlusion"),
        ("my_own_method", "My own method"),
        ("Grad-CAM", "Grad-CAM"),
        ("lrp of layer4", "lrp of layer4"),
        ("", ""),
    ],
)
def test_names(name: str, says: str) -> None:
    assert method_name(name) == says


def test_every_name_is_a_methods_and_no_method_is_called_by_its_code() -> None:
    assert set(NAMES) <= set(METHODS)
    shown = [method_name(name) for name in METHODS]
    assert len({*shown}) == len(shown)
    assert not [name for name in shown if "_" in name or name[0].islower()]
