"""Maps read at places that a grid names: where the grid's cells are the picture's places, so are what they read."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from featuremaps.layers import walk
from featuremaps.receptive_field.sampling_rules import names_each_place


def still(size: tuple[int, int], align_corners: bool) -> Tensor:
    return F.affine_grid(torch.eye(2, 3)[None], [1, 1, *size], align_corners=align_corners)


class Sampling(nn.Module):
    """A map of stride 2, read at a grid that `make` makes of it, (batch, height, width, 2), and a layer after that."""

    def __init__(self, make) -> None:
        super().__init__()
        self.before, self.after, self.make = nn.Conv2d(3, 4, 2, 2), nn.Conv2d(4, 4, 3, 1, 1), make
        self.steps, self.turn = nn.Conv2d(4, 2, 3, 1, 1), nn.Linear(4, 6)

    def forward(self, x: Tensor) -> Tensor:
        map = self.before(x)
        return self.after(F.grid_sample(map, self.make(self, map), align_corners=False)).mean((2, 3))


def learned_steps(model: Sampling, map: Tensor) -> Tensor:
    return still(tuple(map.shape[2:]), False) + 0.1 * model.steps(map).permute(0, 2, 3, 1)


def turned(model: Sampling, map: Tensor) -> Tensor:
    return F.affine_grid(model.turn(map.mean((2, 3))).view(-1, 2, 3), list(map.shape), align_corners=False)


@pytest.mark.parametrize(
    "make", [learned_steps, lambda _, map: still(tuple(map.shape[2:]), False)], ids=["steps", "still"]
)
def test_what_is_read_stands_where_the_grids_cell_stands(make) -> None:
    after = walk(Sampling(make), torch.rand(1, 3, 16, 24))["after"]
    assert (after.size, after.stride, after.lost) == ((8, 12), (2, 2), False)
    assert after.layout.grid == (8, 12)
    assert after.whole == (make is learned_steps)


@pytest.mark.parametrize(
    "make", [turned, lambda _, map: still((8, 12), False).flip(2)], ids=["made for the whole picture", "mirrored"]
)
def test_of_other_grids_it_is_not_known_what_their_cells_stand_for(make) -> None:
    after = walk(Sampling(make), torch.rand(1, 3, 16, 24))["after"]
    assert after.lost
    assert "an operation before it could not be followed" in after.note


@pytest.mark.parametrize("align_corners", [True, False])
def test_a_grid_that_names_each_place(align_corners: bool) -> None:
    map = torch.rand(1, 2, 5, 7)
    own = still((5, 7), align_corners)
    torch.testing.assert_close(F.grid_sample(map, own, align_corners=align_corners), map)
    assert names_each_place(map, own, align_corners)
    assert names_each_place(map, own.double() + 1e-4, align_corners)
    assert not names_each_place(map, own + 0.1, align_corners)
    assert not names_each_place(map, own, not align_corners)
    assert not names_each_place(map, own[:, :4], align_corners)
    volume = torch.rand(1, 2, 3, 5, 7)
    cells = F.affine_grid(torch.eye(3, 4)[None], list(volume.shape), align_corners=align_corners)
    assert names_each_place(volume, cells, align_corners)
