"""What a picture is compared with."""

import torch

from featuremaps.methods.baselines import baseline_of
from method_samples import noise


def test_baselines() -> None:
    x = noise(2, (12, 40))
    assert not baseline_of(x, "zero").any()
    mean = baseline_of(x, "mean")
    assert mean.shape == x.shape
    torch.testing.assert_close(mean[:, :, 3, 5], x.mean((2, 3)))
    assert float(mean.flatten(2).std(2).max()) < 1e-6


def test_blur_keeps_a_flat_picture_and_smooths_any_size() -> None:
    torch.testing.assert_close(baseline_of(torch.full((1, 3, 40, 40), 0.7), "blur"), torch.full((1, 3, 40, 40), 0.7))
    for size in ((12, 40), (64, 64)):
        x = noise(1, size)
        blurred = baseline_of(x, "blur")
        assert blurred.shape == x.shape
        assert float(blurred.std()) < 0.5 * float(x.std())
