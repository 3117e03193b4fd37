"""Jitter keeps shapes, moves all rows alike, lets gradients through, repeats with its seed."""

import math

import pytest
import torch

from featuremaps.draw.jitter import Jitter, blurred
from featuremaps.errors import OptionError

STILL = Jitter().without()
WAYS = {
    "pad": Jitter(pad=0.1, shift=0.0, scale=(1.0, 1.0), rotate=0.0),
    "shift": Jitter(shift=0.1, scale=(1.0, 1.0), rotate=0.0),
    "scale": Jitter(shift=0.0, scale=(0.8, 1.2), rotate=0.0),
    "rotate": Jitter(shift=0.0, scale=(1.0, 1.0), rotate=20.0),
    "flip": Jitter(shift=0.0, scale=(1.0, 1.0), rotate=0.0, flip=True),
    "blur": Jitter(shift=0.0, scale=(1.0, 1.0), rotate=0.0, blur=2.0),
    "noise": Jitter(shift=0.0, scale=(1.0, 1.0), rotate=0.0, noise=0.1),
    "crops": Jitter(shift=0.0, scale=(1.0, 1.0), rotate=0.0, crops=3, crop=(0.4, 0.6)),
    "usual": Jitter(),
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(height: int = 24, width: int = 31) -> torch.Tensor:
    return torch.rand(3, 2, height, width, generator=seeded(1))


@pytest.mark.parametrize("way", WAYS)
def test_moves_every_row_alike_and_repeats(way: str) -> None:
    jitter, given = WAYS[way], pictures().requires_grad_()
    moved = jitter(given, seeded())
    border = 2 * round(jitter.pad * 24)
    assert moved.shape == (3 * jitter.crops, 2, 24 + border, 31 + border)
    torch.testing.assert_close(moved, jitter(given, seeded()))
    others = [jitter(given, seeded(seed)) for seed in range(1, 5)]
    assert way == "pad" or any(not torch.equal(moved, other) for other in others)
    for row in range(3):
        alone = jitter(given[row : row + 1], seeded())
        torch.testing.assert_close(alone, moved[row * jitter.crops : (row + 1) * jitter.crops], rtol=0, atol=1e-5)
    (gradient,) = torch.autograd.grad(moved.square().sum(), given)
    assert gradient.isfinite().all()
    assert (gradient != 0).float().mean() > 0.1


def test_no_change_is_none() -> None:
    given = pictures()
    assert torch.equal(STILL(given, seeded()), given)


def bilinear(picture: torch.Tensor, y: float, x: float) -> float:
    """The value at a place, between four pixels; beyond the edge as in a mirror."""
    height, width = picture.shape

    def mirrored(i: float, size: int) -> float:
        i = (i + 0.5) % (2 * size)
        return min(i, 2 * size - i) - 0.5

    y, x = (min(max(mirrored(v, n), 0), n - 1) for v, n in ((y, height), (x, width)))
    top, left = min(int(y), height - 2), min(int(x), width - 2)
    down, right = y - top, x - left
    rows = [picture[top + i, left] * (1 - right) + picture[top + i, left + 1] * right for i in range(2)]
    return float(rows[0] * (1 - down) + rows[1] * down)


@pytest.mark.parametrize("way", ["shift", "scale", "rotate", "flip"])
def test_moving_equals_a_loop_over_pixels(way: str) -> None:
    """With the chance of seed 0 and 3, drawn in the order in which the jitter draws it."""
    for seed in (0, 3):
        jitter, given = WAYS[way], torch.rand(1, 1, 11, 16, generator=seeded(2))
        chance = seeded(seed)

        def between(low: float, high: float, chance: torch.Generator = chance) -> float:
            return low + (high - low) * float(torch.rand((), generator=chance))

        factor = between(*jitter.scale) / between(*jitter.crop)
        angle = math.radians(between(-jitter.rotate, jitter.rotate))
        right, down = (11 * between(-jitter.shift, jitter.shift) for _ in range(2))
        mirror = jitter.flip and between(0, 1) < 0.5
        expected = torch.zeros(11, 16)
        for row in range(11):
            for column in range(16):
                y, x = row - 5, column - 7.5
                turned_x = (x * math.cos(angle) - y * math.sin(angle)) / factor * (-1 if mirror else 1)
                turned_y = (x * math.sin(angle) + y * math.cos(angle)) / factor
                expected[row, column] = bilinear(given[0, 0], turned_y + 5 + down, turned_x + 7.5 + right)
        torch.testing.assert_close(jitter(given, seeded(seed))[0, 0], expected, rtol=0, atol=2e-5)


def test_blur_is_a_gaussian() -> None:
    point = torch.zeros(1, 1, 15, 15)
    point[0, 0, 7, 7] = 1
    seen = blurred(point, 1.5)[0, 0]
    total = sum(math.exp(-(i**2) / 4.5) for i in range(-5, 6))
    for y in range(15):
        for x in range(15):
            off = max(abs(y - 7), abs(x - 7))
            expected = math.exp(-((y - 7) ** 2 + (x - 7) ** 2) / 4.5) / total**2 if off <= 5 else 0
            assert float(seen[y, x]) == pytest.approx(expected, abs=1e-6)
    assert torch.equal(blurred(point, 0.0), point)


def test_crops_see_parts() -> None:
    """A crop of a ramp covers about that share of its values."""
    ramp = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    seen = WAYS["crops"](ramp, seeded())
    spans = seen.amax((1, 2, 3)) - seen.amin((1, 2, 3))
    assert ((spans > 0.3) & (spans < 0.65)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shift": -1.0}, "shift is 0 or more; got -1"),
        ({"scale": (1.1, 0.9)}, r"scale is a range \(low, high\) above 0"),
        ({"scale": (0.0, 0.9)}, "above 0"),
        ({"crops": 0}, "1 or more; got 0"),
    ],
)
def test_bad_options(options, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Jitter(**options)
