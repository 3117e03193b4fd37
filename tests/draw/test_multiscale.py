"""The classic recipe, beside the same steps written out with torch's own Adam."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from featuremaps.draw.multiscale import Multiscale, draw_multiscale
from featuremaps.draw.multistage import in_stages
from featuremaps.errors import ModelError, OptionError
from featuremaps.rules import Rule

CPU = torch.device("cpu")


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 2, 3)).eval()


def worth_of(model: nn.Module, calls: list[tuple[int, ...]] | None = None):  # type: ignore[no-untyped-def]
    def worth(pictures: Tensor, rule: Rule | None) -> Tensor:
        if calls is not None:
            calls.append(tuple(pictures.shape))
        return torch.stack([maps[row % 2].mean() for row, maps in enumerate(model(pictures))])

    return worth


def test_equals_the_recipe_written_out() -> None:
    model, how = network(), Multiscale(start=9, steps=4, times=3, factor=1.3)
    found, course = draw_multiscale(worth_of(model), 2, 3, how, torch.Generator().manual_seed(7), CPU)
    noise = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(7))
    for row in range(2):
        numbers = 150 / 255 + 30 / 255 * noise[row : row + 1]
        for scale in range(3):
            if scale:
                side = int(1.3 * numbers.shape[-1])
                numbers = F.interpolate(numbers, (side, side), mode="bicubic")
            numbers = numbers.detach().requires_grad_()
            adam = torch.optim.Adam([numbers], lr=0.2)
            for _ in range(4):
                adam.zero_grad()
                (-model(numbers.sigmoid())[0, row].mean()).backward()
                adam.step()
        torch.testing.assert_close(found[row], numbers.detach().sigmoid()[0], rtol=1e-4, atol=1e-5)
    assert course.curve.shape == (12, 2)
    assert course.stopped == "steps"


def test_values_rise_through_all_sizes() -> None:
    calls: list[tuple[int, ...]] = []
    how = Multiscale(start=12, steps=5, times=4, frames=4)
    found, course = draw_multiscale(worth_of(network(), calls), 1, 3, how, torch.Generator().manual_seed(0), CPU)
    assert how.sizes == (12, 14, 16, 19)
    assert sorted({shape[2] for shape in calls}) == [12, 14, 16, 19]
    assert found.shape == (1, 3, 19, 19)
    assert float(course.curve[-1, 0]) > float(course.curve[0, 0])
    assert [frame.shape[2] for frame in course.frames] == [12, 14, 16, 19]


def test_sizes_of_the_recipe() -> None:
    assert Multiscale().sizes[:5] == (33, 39, 46, 55, 66)
    assert len(Multiscale().sizes) == 20


def test_blur_takes_the_grain() -> None:
    rough, smooth = (
        draw_multiscale(
            worth_of(network()), 1, 3, Multiscale(12, 3, 3, blur=blur), torch.Generator().manual_seed(0), CPU
        )[0]
        for blur in (0.0, 2.0)
    )
    assert float(smooth.diff(dim=3).abs().mean()) < float(rough.diff(dim=3).abs().mean())


def test_an_interrupt_keeps_the_size_reached() -> None:
    model, calls = network(), 0

    def worth(pictures: Tensor, rule: Rule | None) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 9:
            raise KeyboardInterrupt
        return model(pictures)[:, 0].mean((1, 2))

    found, course = draw_multiscale(
        worth, 1, 3, Multiscale(start=12, steps=5, times=4), torch.Generator().manual_seed(0), CPU
    )
    assert course.stopped == "interrupted"
    assert found.shape == (1, 3, 14, 14)
    assert len(course.curve) == 7


def test_an_interrupt_between_two_sizes() -> None:
    def stages():  # type: ignore[no-untyped-def]
        yield draw_multiscale(worth_of(network()), 1, 3, Multiscale(9, 2, 1), torch.Generator().manual_seed(0), CPU)
        raise KeyboardInterrupt

    pictures, course = in_stages(stages())
    assert (course.stopped, len(course.curve), pictures.shape) == ("interrupted", 2, (1, 3, 9, 9))
    with pytest.raises(KeyboardInterrupt):
        in_stages(stage for stage in _raising())


def _raising():  # type: ignore[no-untyped-def]
    raise KeyboardInterrupt
    yield


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(OptionError, match="multiscale: factor is 1 or more; got 0.5"):
        Multiscale(factor=0.5)
    with pytest.raises(ModelError, match=r"does not run on a picture of 3×3.*Begin larger: start=64"):
        draw_multiscale(worth_of(network()), 1, 3, Multiscale(start=3), torch.Generator().manual_seed(0), CPU)
