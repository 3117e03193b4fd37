"""Occlusion beside a loop over windows and beside captum's, and what it need not run."""

import itertools
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from featuremaps.errors import OptionError
from featuremaps.methods.occlusion import occlusion
from method_samples import Little, noise, photographs, squeezenet
from perturbation_samples import score_of


def by_hand(model: nn.Module, picture: Tensor, empty: Tensor, target: int, window: int, stride: int) -> Tensor:
    """Window by window until the border is reached; each pixel the mean over the windows on it."""
    _, height, width = picture.shape
    lost, count = torch.zeros(height, width), torch.zeros(height, width)
    with torch.no_grad():
        whole = model(picture[None])[0, target]
        top = 0
        while True:
            left = 0
            while True:
                covered = picture.clone()
                covered[:, top : top + window, left : left + window] = empty[
                    :, top : top + window, left : left + window
                ]
                loss = whole - model(covered[None])[0, target]
                lost[top : top + window, left : left + window] += loss
                count[top : top + window, left : left + window] += 1
                if left + window >= width:
                    break
                left += stride
            if top + window >= height:
                break
            top += stride
    return lost / count


@pytest.mark.parametrize(("window", "stride"), [(5, 3), (4, 4), (3, 1), (13, 7)])
@pytest.mark.parametrize("baseline", ["zero", "mean", "blur"])
def test_equals_a_loop_over_windows(window: int, stride: int, baseline: str) -> None:
    model, pictures = Little(), noise(2, (16, 13))
    found = occlusion(pictures, score_of(model, [1, 3]), window=window, stride=stride, baseline=baseline, chunk=5)
    assert found.shape == (2, 1, 16, 13)
    for picture, target, map in zip(pictures, [1, 3], found, strict=True):
        expected = by_hand(model, picture, empty_of(picture, baseline), target, window, stride)
        torch.testing.assert_close(map[0], expected, rtol=1e-4, atol=1e-5)


def empty_of(picture: Tensor, baseline: str) -> Tensor:
    if baseline == "blur":
        return blurred(picture)
    return torch.zeros_like(picture) + (picture.mean((1, 2), keepdim=True) if baseline == "mean" else 0)


def blurred(picture: Tensor) -> Tensor:
    """A Gaussian of a tenth of the shorter side, cut off at two and a half of that, mirrored at the edges."""
    sigma = min(picture.shape[1:]) / 10
    reach = round(2.5 * sigma)
    offsets = torch.arange(-reach, reach + 1).float()
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    padded = torch.nn.functional.pad(picture[None], (reach,) * 4, mode="reflect")[0]
    rows = sum(k * padded[:, i : i + picture.shape[1]] for i, k in enumerate(kernel))
    return sum(k * rows[:, :, i : i + picture.shape[2]] for i, k in enumerate(kernel))  # type: ignore[return-value, index]


@pytest.mark.parametrize(("window", "stride"), [(45, 30), (60, 60)])
def test_equals_captum_on_the_real_squeezenet(window: int, stride: int, shared: Path) -> None:
    from captum.attr import Occlusion

    model, pictures = squeezenet(shared), photographs(shared, (0, 280), 160)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = Occlusion(model).attribute(
            pictures, (3, window, window), (3, stride, stride), target=torch.tensor([0, 280])
        )
    found = occlusion(pictures, score_of(model, [0, 280]), window=window, stride=stride)
    assert float(expected.abs().max()) > 1
    for colour in range(3):
        torch.testing.assert_close(found[:, 0], expected[:, colour], rtol=1e-4, atol=1e-4)


def test_batch_equals_one_by_one_and_chunks_equal_the_whole() -> None:
    model, pictures = Little(), noise(3)
    whole = occlusion(pictures, score_of(model, [1, 0, 3]), chunk=1000)
    assert float(whole.abs().max()) > 0
    for chunk in (1, 4, 7):
        torch.testing.assert_close(occlusion(pictures, score_of(model, [1, 0, 3]), chunk=chunk), whole)
    alone = [occlusion(pictures[i, None], score_of(model, [target])) for i, target in enumerate([1, 0, 3])]
    torch.testing.assert_close(torch.cat(alone), whole)


def test_windows_that_change_nothing_are_not_run_and_never_more_copies_than_a_chunk() -> None:
    sizes: list[int] = []

    def score(pictures: Tensor) -> Tensor:
        sizes.append(len(pictures))
        return pictures.sum((1, 2, 3))

    pictures = torch.zeros(2, 3, 12, 12)
    pictures[0, :, :4, :4], pictures[1, 1, 8:, 4:] = 1.0, 2.0
    found = occlusion(pictures, score, window=4, stride=4, chunk=2)
    assert sizes == [2, 2, 2]
    expected = torch.zeros(2, 1, 12, 12)
    expected[0, 0, :4, :4], expected[1, 0, 8:, 4:] = 48.0, 32.0
    torch.testing.assert_close(found, expected)
    sizes.clear()
    assert torch.equal(occlusion(torch.zeros(1, 3, 9, 9), score), torch.zeros(1, 1, 9, 9))
    assert sizes == [1]


def test_a_picture_without_content_has_a_map_of_exact_zeros_whatever_stands_beside_it() -> None:
    """Copies that fill up a batch may score a little differently from the picture itself."""
    pictures, draws = noise(2), torch.Generator().manual_seed(0)
    pictures[0] = 0
    found = occlusion(pictures, lambda new: new.mean((1, 2, 3)) + torch.rand(len(new), generator=draws))
    assert torch.equal(found[0], torch.zeros(1, 16, 16))
    assert bool(found[1].any())


def test_a_model_that_looks_at_one_patch_lights_only_the_windows_on_it() -> None:
    found = occlusion(noise(2, (20, 20)), lambda new: new[:, :, 4:6, 10:12].square().sum((1, 2, 3)), window=4, stride=2)
    assert bool((found[:, 0, 4:6, 10:12] > 0).all())
    outside = torch.ones(20, 20, dtype=torch.bool)
    outside[2:8, 8:14] = False
    assert float(found[:, 0, outside].abs().max()) == 0


def test_sizes_are_chosen_from_the_picture() -> None:
    model, pictures = Little(), noise(1, (40, 30))
    score = score_of(model, [2])
    torch.testing.assert_close(occlusion(pictures, score), occlusion(pictures, score, window=6, stride=3))
    torch.testing.assert_close(occlusion(pictures, score, window=9), occlusion(pictures, score, window=9, stride=4))
    assert occlusion(noise(1, (1, 1)), lambda new: new.sum((1, 2, 3))).shape == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"window": 17},
            r"'window' is the side of the covered square in pixels \(0: a fifth of the picture\), 0 to 16; got 17",
        ),
        ({"window": -1}, "'window' is .* 0 to 16; got -1"),
        (
            {"window": 4, "stride": 5},
            r"'stride' is the step .* no longer than a window \(0: half of it\), 0 to 4; got 5",
        ),
        ({"chunk": -1}, r"'chunk' is how many copies .* \(0: 16 on the CPU, 64 elsewhere\), 0 or more; got -1"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, int], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        occlusion(noise(1), lambda new: new.sum((1, 2, 3)), **options)


def windows_along(size: int, window: int, stride: int) -> list[slice]:
    """From 0 on, every `stride` places, until the end is reached."""
    starts = [0]
    while starts[-1] + window < size:
        starts.append(starts[-1] + stride)
    return [slice(start, start + window) for start in starts]


@pytest.mark.parametrize(
    ("space", "options", "windows", "strides"),
    [
        ((60,), {}, (3,), (1,)),  # a twentieth of a signal
        ((37,), {"window": 8, "stride": 5}, (8,), (5,)),
        ((5, 16, 11), {}, (1, 3, 2), (1, 1, 1)),  # a fifth of each side of a volume
        ((3, 12, 9), {"window": 6}, (3, 6, 6), (1, 3, 3)),  # all of the side that is shorter
        ((3, 12, 9), {"window": 5, "stride": 4, "baseline": "mean"}, (3, 5, 5), (3, 4, 4)),
    ],
)
def test_signals_and_volumes_equal_a_loop_over_windows(
    space: tuple[int, ...], options: dict[str, Any], windows: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    inputs = torch.randn(2, 2, *space, generator=torch.Generator().manual_seed(0))
    weights = torch.randn(2, 2, *space, generator=torch.Generator().manual_seed(1))

    def score(new: Tensor) -> Tensor:
        own = new.reshape(2, -1, 2, *space) * weights[:, None]
        return own.flatten(2).sum(2).tanh().flatten()  # no sum of parts, and another one for each input

    found = occlusion(inputs, score, chunk=7, **options)
    assert found.shape == (2, 1, *space)
    for row, one in enumerate(inputs):
        lost, count = torch.zeros(space), torch.zeros(space)
        whole = (one * weights[row]).sum().tanh()
        sides = zip(space, windows, strides, strict=True)
        for window in itertools.product(*(windows_along(*side) for side in sides)):
            covered = one.clone()
            empty = one.flatten(1).mean(1) if "baseline" in options else torch.zeros(2)
            covered[(slice(None), *window)] = empty.view(2, *(1,) * len(space))
            lost[window] += whole - (covered * weights[row]).sum().tanh()
            count[window] += 1
        torch.testing.assert_close(found[row, 0], lost / count, rtol=1e-4, atol=1e-5)


def test_an_interrupt_leaves_the_pictures_alone() -> None:
    pictures, calls = noise(1), []

    def score(new: Tensor) -> Tensor:
        calls.append(len(new))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return new.sum((1, 2, 3))

    before = pictures.clone()
    with pytest.raises(KeyboardInterrupt):
        occlusion(pictures, score, chunk=1)
    assert torch.equal(pictures, before)
