import gc

import pytest
import torch
import torch.nn.functional as F
from benchmarks.resnet20 import resnet20
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef

from featuremaps.receptive_field import Dataflow


def test_steps_know_their_parents():
    picture = torch.rand(1, 3, 8, 8)
    flow = Dataflow([picture])
    with flow:
        left, right = picture.relu(), picture.sigmoid()
        apart = picture.tanh()
        both = left + right
    steps = {flow.steps[step].op for step in flow.ancestors(flow.trace(both).step)}
    assert steps == {"input", "relu", "sigmoid", "add"}
    assert flow.steps[flow.trace(apart).step].op == "tanh"


def test_mixings_count_the_longest_way():
    picture, conv = torch.rand(1, 3, 8, 8), nn.Conv2d(3, 3, 3, padding=1)
    flow = Dataflow([picture])
    with flow, torch.no_grad():
        result = conv(conv(picture)).relu() + conv(picture)
    assert flow.steps[flow.trace(result).step].mixings == 2


def _pooled(function) -> bool:
    picture = torch.rand(1, 3, 8, 8)
    flow = Dataflow([picture])
    with flow, torch.no_grad():
        result = function(picture)
    return flow.steps[flow.trace(result).step].pooled


@pytest.mark.parametrize(
    "pool",
    [
        lambda x: F.adaptive_avg_pool2d(x, 2),
        lambda x: F.adaptive_avg_pool2d(x, 8),
        lambda x: F.adaptive_max_pool2d(x, 1),
        lambda x: x.mean((2, 3)),
        lambda x: x.flatten(2).mean(-1).relu(),
        lambda x: x.amax((2, 3), keepdim=True),
        lambda x: F.avg_pool2d(x, 8),
    ],
)
def test_global_and_adaptive_poolings_are_seen(pool):
    assert _pooled(pool)


@pytest.mark.parametrize(
    "other",
    [
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.avg_pool2d(x, 2),
        lambda x: x.mean(1, keepdim=True),
        lambda x: x.mean(2),
        lambda x: x * x.mean((2, 3), keepdim=True).sigmoid(),
        lambda x: F.conv2d(F.adaptive_avg_pool2d(x, 4), torch.ones(1, 3, 3, 3)),
    ],
)
def test_what_is_not_a_global_pooling(other):
    assert not _pooled(other)


def test_a_model_runs_as_it_does_without():
    model, picture = resnet20(), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        plain = model(picture)
        with Dataflow([picture]):
            watched = model(picture)
    assert torch.equal(plain, watched)


def test_writing_through_a_view_is_seen_in_the_whole():
    picture = torch.rand(1, 3, 8, 8)
    flow = Dataflow([picture])
    with flow:
        buffer = torch.zeros(1, 3, 8, 8)
        buffer[:, :2] = F.max_pool2d(picture, 3, 1, 1)[:, :2]
        seen = buffer.relu()
    assert flow.trace(seen).field.reach[0].width == 3


def test_in_place_changes_what_other_views_see():
    picture = torch.rand(1, 3, 8, 8)
    flow = Dataflow([picture])
    with flow:
        result = picture.sigmoid()
        view = result.view(3, 8, 8)
        result += F.avg_pool2d(picture, 3, 1, 1)
    assert flow.trace(view).field.reach[0].width == 3
    assert flow.trace(view).step == flow.trace(result).step


def test_constants_do_not_depend_on_the_picture():
    picture = torch.rand(1, 3, 8, 8)
    flow = Dataflow([picture])
    with flow:
        ones, noise = torch.ones_like(picture), torch.rand(1, 3, 8, 8)
        new = picture.new_zeros(1, 3, 8, 8)
    assert [flow.trace(tensor) for tensor in (ones, noise, new)] == [None, None, None]


def test_memory_of_the_run_is_not_kept():
    picture = torch.rand(1, 3, 8, 8)
    flow = Dataflow([picture])
    with flow:
        gone = picture.relu()
        reference = StorageWeakRef(gone.untyped_storage())
        del gone
        gc.collect()
        assert reference.expired()
        # A new tensor in the freed memory is not mistaken for the old one.
        for _ in range(20):
            assert flow.trace(torch.rand(1, 3, 8, 8)) is None


def test_several_inputs_are_all_followed():
    first, second = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    flow = Dataflow([first, second])
    with flow:
        both = first + F.max_pool2d(second, 3, 1, 1)
    assert flow.trace(both).field.reach[0].width == 3
