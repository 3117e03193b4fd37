"""Moving elements about: what was known about each element must move with it."""

import pytest
import torch
from torch import Tensor

from featuremaps.receptive_field import Dataflow, Dim, Run
from featuremaps.receptive_field.field_algebra import Field


def follow(function, shape=(2, 3, 8, 12)) -> tuple[Field, Dataflow, Tensor]:
    picture = torch.rand(shape)
    flow = Dataflow([picture])
    with flow, torch.no_grad():
        result = function(picture)
    trace = flow.trace(result)
    assert trace is not None
    assert trace.field is not None
    assert not flow.unfollowed
    assert trace.field.shape == tuple(result.shape)
    return trace.field, flow, result


MOVES = {
    "permute": lambda x: x.permute(0, 2, 3, 1).permute(0, 3, 1, 2),
    "transpose": lambda x: x.transpose(1, -1).transpose(-1, 1),
    "unsqueeze": lambda x: x.unsqueeze(-1).squeeze(-1),
    "squeeze": lambda x: x[:1].unsqueeze(2).squeeze(2),
    "flatten": lambda x: x.flatten(2).reshape(x.shape),
    "windows": lambda x: x.view(2, 3, 2, 4, 3, 4).permute(0, 2, 4, 1, 3, 5).permute(0, 3, 1, 4, 2, 5).reshape(x.shape),
    "expand": lambda x: x[:, :1].expand(-1, 5, -1, -1),
    "split": lambda x: x.split(2, 1)[0],
    "unbind": lambda x: torch.stack(x.unbind(1), 1),
    "copy": lambda x: torch.empty_like(x).copy_(x),
    "roll": lambda x: x.roll((2, 3), (2, 3)).roll((-2, -3), (2, 3)),
    "repeat channels": lambda x: x.repeat(1, 2, 1, 1),
    "select channels": lambda x: x.index_select(1, torch.tensor([0, 2])),
    "channel shuffle": lambda x: torch.channel_shuffle(x, 3),
    "flip channels": lambda x: x.flip(1),
    "pad and crop": lambda x: torch.nn.functional.pad(torch.nn.functional.pad(x, (2, 1, 3, 0)), (-2, -1, -3, 0)),
    "zeros beside": lambda x: torch.cat([torch.zeros(2, 3, 8, 4), x], 3)[..., 4:],
    "contiguous": lambda x: x.contiguous(memory_format=torch.channels_last).to(torch.float64),
}  # fmt: skip


@pytest.mark.parametrize("name", MOVES)
def test_a_move_and_its_inverse_leave_every_pixel_in_place(name):
    field, _, result = follow(MOVES[name])
    assert [field.step(axis) for axis in (0, 1)] == [1, 1]
    assert [(reach.low, reach.high, reach.whole) for reach in field.reach] == [(0, 1, False)] * 2
    assert result.shape[2:] == (8, 12)


def test_a_move_is_no_new_computation():
    _, flow, _ = follow(lambda x: torch.relu(x).permute(0, 2, 3, 1).contiguous().flatten(1, 2))
    assert [step.op for step in flow.steps] == ["input", "relu"]
    _, flow, _ = follow(lambda x: x[:, :, 2:])
    assert [step.op for step in flow.steps] == ["input", "slice"]


def test_a_slice_starts_later_and_steps_further():
    field, _, _ = follow(lambda x: x[:, :, 3::2, -5:])
    assert [reach.low for reach in field.reach] == [3, 7]
    assert [field.step(axis) for axis in (0, 1)] == [2, 1]


def test_one_row_is_selected():
    field, _, _ = follow(lambda x: x[:, :, -2])
    assert field.reach[0].low == 6
    assert field.step(0) is None
    assert field.step(1) == 1


@pytest.mark.parametrize("move", [lambda x: x.flip(2), lambda x: x.repeat(1, 1, 2, 1)])
def test_an_order_that_is_not_followed_may_be_anything(move):
    field, _, _ = follow(move)
    assert field.reach[0].whole


def test_a_class_token_comes_and_goes():
    tokens = lambda x: torch.cat([torch.zeros(2, 1, 3), x.flatten(2).transpose(1, 2)], 1)  # noqa: E731
    field, _, _ = follow(tokens)
    assert field.dims[1] == Dim((Run(8, 0, 1.0), Run(12, 1, 1.0)), lead=1)
    without, _, _ = follow(lambda x: tokens(x)[:, 1:])
    assert without.dims[1] == Dim((Run(8, 0, 1.0), Run(12, 1, 1.0)))
    only, _, _ = follow(lambda x: tokens(x)[:, 0])
    assert only.positions == 1


def test_parts_that_go_on_where_others_end_are_joined_and_no_others():
    field, _, _ = follow(lambda x: torch.cat([x[:, :, :3], x[:, :, 3:]], 2))
    assert field.shape == (2, 3, 8, 12)
    assert (field.step(0), field.reach[0].width, field.moved) == (1, 1, False)
    twice, _, _ = follow(lambda x: torch.cat([x, x], 2))
    assert twice.moved
