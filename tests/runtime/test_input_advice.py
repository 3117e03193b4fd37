"""What is said where signals and volumes do not fit a model: by what torch said, and by where the channels stand."""

import re

import pytest
import torch
from torch import Tensor, nn

from featuremaps.runtime.input_advice import advice


def said(model: nn.Module, inputs: Tensor, meaning: str = "its layers take another number of channels") -> str:
    """The advice on what torch raises there."""
    with pytest.raises((RuntimeError, ValueError)) as raised:
        model(inputs)
    return advice(model, inputs, raised.value, meaning)


@pytest.mark.parametrize(
    ("wanted", "shape", "words"),
    [
        (6, (2, 40, 6), r"6, and 40 stand second, \(batch, channel, time\). Here they stand last, it seems"),
        (3, (2, 16, 8, 8, 3), r"Here they stand last.*batch\.movedim\(-1, 1\)"),
        (3, (2, 16, 3, 8, 8), r"Here they stand third, as in frames of a video.*batch\.transpose\(1, 2\)"),
        (3, (2, 1, 40), r"batch\.expand\(-1, 3, -1\)"),
        (3, (2, 1, 8, 8, 8), r"batch\.expand\(-1, 3, -1, -1, -1\)"),
        (1, (2, 4, 40), r"batch\[:, None\] makes one channel; of several channels take one, batch\[:, :1\]"),
        (5, (2, 4, 40), r"batch\.movedim\(-1, 1\) puts channels first that stand last"),
    ],
)
def test_channels_in_another_place_or_number(wanted: int, shape: tuple[int, ...], words: str) -> None:
    model = nn.Conv1d(wanted, 2, 3) if len(shape) == 3 else nn.Conv3d(wanted, 2, 3)
    assert re.search(words, said(model, torch.zeros(shape)))


def test_what_is_advised_runs() -> None:
    """The transposed, expanded and reduced inputs are what the model takes."""
    for wanted, inputs in (
        (6, torch.zeros(2, 40, 6).movedim(-1, 1)),
        (3, torch.zeros(2, 1, 40).expand(-1, 3, -1)),
        (1, torch.zeros(2, 4, 40)[:, :1]),
        (1, torch.zeros(2, 4, 40).mean(1, keepdim=True)),
    ):
        assert nn.Conv1d(wanted, 2, 3)(inputs).shape[1] == 2


def test_the_length_of_a_signal_that_fits_a_dense_layer_is_found() -> None:
    model = nn.Sequential(nn.Conv1d(2, 3, 3, padding=1), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(3 * 25, 4)).eval()
    words = said(model, torch.zeros(1, 2, 80), "a dense layer takes another number of values")
    assert words.endswith("it runs on a length of 50")
    assert model(torch.zeros(1, 2, 50)).shape == (1, 4)


def test_other_meanings_stay() -> None:
    error = RuntimeError("selected index k out of range")
    assert advice(nn.Identity(), torch.zeros(1, 2, 8), error, "too few places are left of them") == (
        "too few places are left of them"
    )
