"""The colour table beside photographs, and its round trip."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from featuremaps.draw.colour import COVARIANCE, DEVIATION, MIXING, correlate, decorrelate


def test_round_trip() -> None:
    values = torch.randn(2, 3, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for there, back in ((correlate, decorrelate), (decorrelate, correlate)):
        torch.testing.assert_close(back(there(values)), values, rtol=0, atol=1e-12)
    assert not torch.allclose(correlate(values), values, atol=0.1)


@pytest.mark.parametrize("channels", [1, 2, 4, 5])
def test_other_than_three_channels_stay_as_they_are(channels: int) -> None:
    values = torch.randn(2, channels, 4, 3)
    assert correlate(values) is values
    assert decorrelate(values) is values


def test_the_table_is_the_measured_covariance_with_a_mean_variance_of_1() -> None:
    mixing, covariance = torch.tensor(MIXING, dtype=torch.float64), torch.tensor(COVARIANCE, dtype=torch.float64)
    torch.testing.assert_close(mixing @ mixing.T * DEVIATION**2, covariance, rtol=0, atol=3e-4)
    assert float((mixing @ mixing.T).trace()) == pytest.approx(3, abs=2e-3)
    assert float(covariance.trace() / 3) ** 0.5 == pytest.approx(DEVIATION, abs=1e-3)


def test_colours_of_independent_numbers_go_together_as_in_photographs(shared: Path) -> None:
    files = sorted((shared / "images" / "imagenet").glob("*.jpg"))
    assert len(files) == 100
    total, product = np.zeros(3), np.zeros((3, 3))
    for file in files:
        pixels = np.asarray(Image.open(file).convert("RGB"), np.float64)[::4, ::4].reshape(-1, 3) / 255
        total += pixels.mean(0) / len(files)
        product += pixels.T @ pixels / len(pixels) / len(files)
    measured = torch.from_numpy(product - np.outer(total, total))

    noise = torch.randn(1, 3, 500, 400, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    drawn = torch.cov(correlate(noise)[0].flatten(1)) * DEVIATION**2
    torch.testing.assert_close(drawn, measured, rtol=0.08, atol=0)
    leftover = torch.cov(decorrelate(correlate(noise))[0].flatten(1))
    torch.testing.assert_close(leftover, torch.eye(3, dtype=torch.float64), rtol=0, atol=0.02)
